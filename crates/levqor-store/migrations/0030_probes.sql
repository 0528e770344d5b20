-- Probes: what nodes see of regions and of other targets, what regions think of them together, and outside jobs that tell of themselves.

-- What a node sees of each target now, as JSON. Others judge by it as long as it is new.
CREATE TABLE probe_boards (
    node_id text NOT NULL,
    region text NOT NULL,
    -- By the database's clock.
    at bigint NOT NULL,
    board text NOT NULL,
    CONSTRAINT probe_boards_pk PRIMARY KEY (node_id)
) WITHOUT ROWID;
CREATE INDEX probe_boards_at ON probe_boards (at, node_id);

-- Single results: those that differ from the one before, and now and then one that does not.
CREATE TABLE probe_results (
    probe text NOT NULL,
    at bigint NOT NULL,
    target text NOT NULL,
    node_id text NOT NULL,
    region text NOT NULL,
    good boolean NOT NULL,
    latency_us bigint,
    -- Why it is not good.
    reason text,
    CONSTRAINT probe_results_pk PRIMARY KEY (probe, at, target, node_id)
) WITHOUT ROWID;
CREATE INDEX probe_results_at ON probe_results (at, probe, target, node_id);

-- All results of a day, in numbers.
CREATE TABLE probe_days (
    probe text NOT NULL,
    day text NOT NULL,
    target text NOT NULL,
    region text NOT NULL,
    good bigint NOT NULL,
    total bigint NOT NULL,
    -- Of the good ones.
    latency_sum_us bigint NOT NULL,
    latency_max_us bigint NOT NULL,
    CONSTRAINT probe_days_pk PRIMARY KEY (probe, day, target, region)
) WITHOUT ROWID;
CREATE INDEX probe_days_day ON probe_days (day, probe, target, region);

-- What the regions think of a target together, and since when.
CREATE TABLE probe_verdicts (
    probe text NOT NULL,
    target text NOT NULL,
    -- up, down, unknown.
    state text NOT NULL,
    since bigint NOT NULL,
    reason text,
    CONSTRAINT probe_verdicts_pk PRIMARY KEY (probe, target)
) WITHOUT ROWID;

-- What they thought before.
CREATE TABLE probe_changes (
    probe text NOT NULL,
    at bigint NOT NULL,
    target text NOT NULL,
    state text NOT NULL,
    reason text,
    CONSTRAINT probe_changes_pk PRIMARY KEY (probe, at, target)
) WITHOUT ROWID;
CREATE INDEX probe_changes_at ON probe_changes (at, probe, target);

-- Jobs elsewhere that say by a request that they are well.
CREATE TABLE expected_heartbeats (
    name text NOT NULL,
    -- SHA-256 of the token.
    token_hash blob NOT NULL,
    -- The first characters of the token, to recognise it by.
    prefix text NOT NULL,
    period_us bigint NOT NULL,
    grace_us bigint NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    -- new, up, down.
    state text NOT NULL,
    since bigint NOT NULL,
    -- Why it is down.
    reason text,
    -- The last one of any kind.
    pinged_at bigint,
    -- When the job last said that it begins, until it says that it has ended.
    started_at bigint,
    ended_at bigint,
    exit_code bigint,
    duration_us bigint,
    -- When it is down if nothing is heard.
    deadline bigint,
    CONSTRAINT expected_heartbeats_pk PRIMARY KEY (name),
    CONSTRAINT expected_heartbeats_token_unique UNIQUE (token_hash)
) WITHOUT ROWID;
CREATE INDEX expected_heartbeats_deadline ON expected_heartbeats (deadline, name) WHERE state <> 'down';

-- The last ones of each.
CREATE TABLE heartbeat_pings (
    heartbeat text NOT NULL,
    at bigint NOT NULL,
    -- start, success, fail.
    kind text NOT NULL,
    exit_code bigint,
    -- Since its start, when that was told.
    duration_us bigint,
    CONSTRAINT heartbeat_pings_pk PRIMARY KEY (heartbeat, at)
) WITHOUT ROWID;
