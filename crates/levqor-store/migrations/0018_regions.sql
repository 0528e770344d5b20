-- Regions that are operated: what nodes know of themselves and of each other, what operators want, what was done and came of it.

-- What a node found when it looked at itself last, and where others reach it.
CREATE TABLE node_states (
    node_id text NOT NULL,
    at bigint NOT NULL,
    url text,
    key_id text NOT NULL,
    migration bigint NOT NULL,
    ready boolean NOT NULL,
    reason text,
    -- How far the node's clock is ahead of the database's.
    clock_ahead_us bigint,
    CONSTRAINT node_states_pk PRIMARY KEY (node_id)
) WITHOUT ROWID;

-- Round trips of a node to other regions: the median of the last ones.
CREATE TABLE region_latencies (
    node_id text NOT NULL,
    to_region text NOT NULL,
    at bigint NOT NULL,
    median_us bigint NOT NULL,
    measured bigint NOT NULL,
    CONSTRAINT region_latencies_pk PRIMARY KEY (node_id, to_region)
) WITHOUT ROWID;

-- Regions that an operator wants empty: nothing begins there, and what may leave goes elsewhere.
CREATE TABLE region_drains (
    region text NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    reason text,
    target text,
    CONSTRAINT region_drains_pk PRIMARY KEY (region)
) WITHOUT ROWID;

-- What operators did with regions. Any node goes on with one that is open.
CREATE TABLE region_acts (
    act_seq integer NOT NULL,
    region text NOT NULL,
    verb text NOT NULL,
    target text,
    actor text NOT NULL,
    reason text,
    began_at bigint NOT NULL,
    phase text NOT NULL,
    phase_at bigint NOT NULL,
    ended_at bigint,
    -- done or failed.
    outcome text,
    -- Phases with their times, and what was measured, as JSON.
    report text NOT NULL,
    CONSTRAINT region_acts_pk PRIMARY KEY (act_seq)
);
-- One act of a region at a time.
CREATE UNIQUE INDEX region_acts_open ON region_acts (region) WHERE ended_at IS NULL;
CREATE INDEX region_acts_region ON region_acts (region, act_seq);

-- Regions that took runs over in an act that ended well.
CREATE TABLE region_drills (
    region text NOT NULL,
    act_seq bigint NOT NULL,
    at bigint NOT NULL,
    runs bigint NOT NULL,
    CONSTRAINT region_drills_pk PRIMARY KEY (region, act_seq)
) WITHOUT ROWID;

-- What edges are told. The number grows only when the content changes.
CREATE TABLE region_snapshots (
    name text NOT NULL,
    sequence bigint NOT NULL,
    content text NOT NULL,
    CONSTRAINT region_snapshots_pk PRIMARY KEY (name)
) WITHOUT ROWID;
