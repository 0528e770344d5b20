-- The drift monitor: what each node found last, what somebody lives with for a while, and which locks of the blueprint were seen.

-- The last look of each node at itself.
CREATE TABLE drift_results (
    node_id text NOT NULL,
    region text NOT NULL,
    at bigint NOT NULL,
    pass boolean NOT NULL,
    -- All of it, as JSON.
    report text NOT NULL,
    CONSTRAINT drift_results_pk PRIMARY KEY (node_id)
) WITHOUT ROWID;
CREATE INDEX drift_results_at ON drift_results (at, node_id);
CREATE INDEX drift_results_region ON drift_results (region, at, node_id);

-- Deviations that do not count until then, as they were found: anything else at the same place counts.
CREATE TABLE drift_acknowledgements (
    -- SHA-256 of place, expected and found.
    subject text NOT NULL,
    place text NOT NULL,
    expected text,
    found text,
    reason text NOT NULL,
    actor text NOT NULL,
    at bigint NOT NULL,
    ends_at bigint NOT NULL,
    CONSTRAINT drift_acknowledgements_pk PRIMARY KEY (subject)
) WITHOUT ROWID;
CREATE INDEX drift_acknowledgements_ends_at ON drift_acknowledgements (ends_at, subject);

-- Agreements that were seen beside a blueprint.
CREATE TABLE blueprint_locks (
    digest text NOT NULL,
    version bigint NOT NULL,
    locked_at bigint NOT NULL,
    locked_by text NOT NULL,
    reason text NOT NULL,
    seen_at bigint NOT NULL,
    CONSTRAINT blueprint_locks_pk PRIMARY KEY (digest)
) WITHOUT ROWID;
