-- Incidents: disturbances that people deal with, what was done about them, and what came after.

CREATE TABLE incidents (
    incident_id text NOT NULL,
    title text NOT NULL,
    level text NOT NULL,
    state text NOT NULL,
    -- What it is about, as a list in JSON: "region/component", or only one of the two.
    components text NOT NULL,
    -- Whether it is told to everybody.
    public boolean NOT NULL,
    opened_by text NOT NULL,
    opened_at bigint NOT NULL,
    -- When the disturbance began, as far as anybody knows.
    began_at bigint,
    acknowledged_at bigint,
    acknowledged_by text,
    resolved_at bigint,
    resolved_by text,
    -- Who has which part in it, by the user's id.
    commander text,
    communications text,
    operations text,
    reopened bigint NOT NULL,
    -- The last time that people said how it stands.
    updated_at bigint NOT NULL,
    -- Grows with every change: who changes it says which one they saw.
    version bigint NOT NULL,
    -- What others are told for when it does not come in time: acknowledgement, update.
    waits_for text,
    -- How many times somebody was told since.
    step bigint NOT NULL,
    next_step_at bigint,
    -- Microseconds without an alert after which it is over by itself; none: people say so.
    settles_after bigint,
    -- When that is.
    settles_at bigint,
    CONSTRAINT incidents_pk PRIMARY KEY (incident_id)
) WITHOUT ROWID;
CREATE INDEX incidents_open ON incidents (incident_id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_resolved ON incidents (resolved_at, incident_id) WHERE resolved_at IS NOT NULL;
CREATE INDEX incidents_next_step ON incidents (next_step_at, incident_id) WHERE next_step_at IS NOT NULL;
CREATE INDEX incidents_settles ON incidents (settles_at, incident_id) WHERE settles_at IS NOT NULL;

-- What was said and done, in order.
CREATE TABLE incident_entries (
    incident_id text NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    kind text NOT NULL,
    author text NOT NULL,
    -- How far people were from then on.
    state text NOT NULL,
    text text NOT NULL,
    public boolean NOT NULL,
    CONSTRAINT incident_entries_pk PRIMARY KEY (incident_id, seq),
    CONSTRAINT incident_entries_incident_fk FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) WITHOUT ROWID;

-- The alerts that it is about.
CREATE TABLE incident_alerts (
    incident_id text NOT NULL,
    alert_id text NOT NULL,
    rule text NOT NULL,
    subject text NOT NULL,
    severity text NOT NULL,
    summary text NOT NULL,
    began_at bigint NOT NULL,
    firing_at bigint NOT NULL,
    ended_at bigint,
    joined_at bigint NOT NULL,
    CONSTRAINT incident_alerts_pk PRIMARY KEY (incident_id, alert_id),
    CONSTRAINT incident_alerts_incident_fk FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) WITHOUT ROWID;
CREATE INDEX incident_alerts_alert ON incident_alerts (alert_id, incident_id);
CREATE INDEX incident_alerts_going_on ON incident_alerts (alert_id, incident_id) WHERE ended_at IS NULL;

CREATE TABLE postmortems (
    incident_id text NOT NULL,
    -- Of the file, without its ending.
    name text NOT NULL,
    -- Markdown.
    text text NOT NULL,
    version bigint NOT NULL,
    written_at bigint NOT NULL,
    written_by text NOT NULL,
    CONSTRAINT postmortems_pk PRIMARY KEY (incident_id),
    CONSTRAINT postmortems_name_unique UNIQUE (name),
    CONSTRAINT postmortems_incident_fk FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) WITHOUT ROWID;

-- What is to be done so that it does not happen again.
CREATE TABLE action_items (
    action_id text NOT NULL,
    incident_id text NOT NULL,
    text text NOT NULL,
    -- A user's id; none: nobody has taken it on.
    owner text,
    -- The last day on which it may be done.
    due text NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    done_at bigint,
    done_by text,
    version bigint NOT NULL,
    -- The due day for whose passing somebody was told.
    told_due text,
    CONSTRAINT action_items_pk PRIMARY KEY (action_id),
    CONSTRAINT action_items_incident_fk FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
) WITHOUT ROWID;
CREATE INDEX action_items_incident ON action_items (incident_id, action_id);
CREATE INDEX action_items_open ON action_items (due, action_id) WHERE done_at IS NULL;

-- What operators and nodes did, for timelines.
CREATE INDEX audit_records_platform ON audit_records (at, chain, seq) WHERE account_id IS NULL AND kind <> 'audit.checkpoint';
