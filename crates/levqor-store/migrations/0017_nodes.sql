-- Several nodes on one database: who is gone, who took over what, and what nodes tell each other.

-- Why a node was stopped: drained, expired, replaced.
ALTER TABLE nodes ADD COLUMN stop_reason text;
-- Since when a stopped node owns no live run. Until then others look for what it left.
ALTER TABLE nodes ADD COLUMN emptied_at bigint;
UPDATE nodes SET emptied_at = stopped_at WHERE stopped_at IS NOT NULL;
CREATE INDEX nodes_left ON nodes (node_id) WHERE stopped_at IS NOT NULL AND emptied_at IS NULL;

-- What one node wants of a run that another one drives. A hint: who asks looks at the run, and asks again.
CREATE TABLE nudges (
    nudge_seq integer NOT NULL,
    run_id text NOT NULL,
    body text NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT nudges_pk PRIMARY KEY (nudge_seq)
);
CREATE INDEX nudges_run ON nudges (run_id);

-- Runs that changed hands, a batch a row.
CREATE TABLE takeovers (
    takeover_seq integer NOT NULL,
    at bigint NOT NULL,
    node_id text NOT NULL,
    region text NOT NULL,
    from_node text NOT NULL,
    from_region text NOT NULL,
    runs bigint NOT NULL,
    CONSTRAINT takeovers_pk PRIMARY KEY (takeover_seq)
);
CREATE INDEX takeovers_at ON takeovers (at);

-- What only one node at a time does for all.
CREATE TABLE duties (
    duty text NOT NULL,
    node_id text NOT NULL,
    since bigint NOT NULL,
    CONSTRAINT duties_pk PRIMARY KEY (duty)
) WITHOUT ROWID;

-- What all nodes of the database must have in common, such as their secret's fingerprint.
CREATE TABLE agreements (
    name text NOT NULL,
    value text NOT NULL,
    CONSTRAINT agreements_pk PRIMARY KEY (name)
) WITHOUT ROWID;

-- Whose request it is, which is nobody's once the node is stopped.
ALTER TABLE idempotency_keys ADD COLUMN claimed_by text;
