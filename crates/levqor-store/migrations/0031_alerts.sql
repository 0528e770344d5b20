-- Service level objectives as they stand, and alerts: what is not as it should be, since when, and who was told.

-- The last look at each objective.
CREATE TABLE slo_states (
    slo text NOT NULL,
    at bigint NOT NULL,
    -- All of it, as JSON.
    report text NOT NULL,
    CONSTRAINT slo_states_pk PRIMARY KEY (slo)
) WITHOUT ROWID;

-- How the budget of each objective went, every ten minutes.
CREATE TABLE slo_history (
    slo text NOT NULL,
    -- The start of the ten minutes.
    at bigint NOT NULL,
    good bigint NOT NULL,
    total bigint NOT NULL,
    -- What is left of the budget, in parts per million of it; below zero: more than all of it is spent. Null: it is not known.
    left_ppm bigint,
    -- How fast it was spent in the last hour, in thousandths of what the objective allows. Null: it is not known.
    burn_milli bigint,
    CONSTRAINT slo_history_pk PRIMARY KEY (slo, at)
) WITHOUT ROWID;
CREATE INDEX slo_history_at ON slo_history (at, slo);

CREATE TABLE alerts (
    id text NOT NULL,
    -- What kind of thing, and which one of them; one alert of them is open at a time.
    rule text NOT NULL,
    subject text NOT NULL,
    -- Who says whether it holds.
    source text NOT NULL,
    severity text NOT NULL,
    -- pending, firing, resolved.
    state text NOT NULL,
    summary text NOT NULL,
    -- The measured values, as JSON.
    details text NOT NULL,
    began_at bigint NOT NULL,
    firing_at bigint,
    ended_at bigint,
    -- When it was weighed last, and for how long it has gone on in the one direction: until it fires, and until it is over.
    seen_at bigint NOT NULL,
    held_us bigint NOT NULL,
    -- How often it came back soon after it was over.
    flaps bigint NOT NULL,
    -- Somebody was told that it fires.
    told boolean NOT NULL,
    -- By which silence nobody is told.
    silence_id text,
    -- Why it is over.
    ending text,
    acknowledged_at bigint,
    acknowledged_by text,
    acknowledged_note text,
    -- Moves on with every change, so that two nodes cannot make the same one.
    version bigint NOT NULL,
    CONSTRAINT alerts_pk PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX alerts_open ON alerts (rule, subject) WHERE ended_at IS NULL;
CREATE INDEX alerts_state ON alerts (state, id);
CREATE INDEX alerts_subject ON alerts (rule, subject, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX alerts_ended ON alerts (ended_at, id) WHERE ended_at IS NOT NULL;

-- Times in which alerts of a kind tell nobody.
CREATE TABLE silences (
    id text NOT NULL,
    -- What they are about, as a JSON list.
    matchers text NOT NULL,
    reason text NOT NULL,
    created_by text NOT NULL,
    created_at bigint NOT NULL,
    begins_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    CONSTRAINT silences_pk PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE INDEX silences_ends_at ON silences (ends_at, id);

-- Where a message went, or would go: the name of a destination.
ALTER TABLE notifications ADD COLUMN destination text;
-- The message of which this one is the copy for one destination.
ALTER TABLE notifications ADD COLUMN copy_of text;
-- When it was tried last.
ALTER TABLE notifications ADD COLUMN attempted_at bigint;
