-- Runs that wait for their turn, and due times that wait for a run's end.

ALTER TABLE runs ADD COLUMN priority bigint NOT NULL DEFAULT 5;
ALTER TABLE runs ADD COLUMN concurrency_key text;
ALTER TABLE archived_runs ADD COLUMN priority bigint NOT NULL DEFAULT 5;
ALTER TABLE archived_runs ADD COLUMN concurrency_key text;
-- Whether a run that a schedule started is still going on.
CREATE INDEX runs_scheduled ON runs (workflow_id, run_id) WHERE started_by = 'schedule' AND ended_at IS NULL;

-- Accepted and not begun, in the order in which they begin: within an account by rank, then by place.
CREATE TABLE queued_runs (
    place integer NOT NULL,
    run_id text NOT NULL,
    account_id text NOT NULL,
    workflow_id text NOT NULL,
    concurrency_key text,
    key_limit bigint,
    -- 9 less the priority; -1 for a run that another one waits for.
    rank bigint NOT NULL,
    -- Waits for its concurrency key; the others wait for a place.
    held boolean NOT NULL,
    queued_at bigint NOT NULL,
    CONSTRAINT queued_runs_pk PRIMARY KEY (place),
    CONSTRAINT queued_runs_run_unique UNIQUE (run_id)
);
CREATE INDEX queued_runs_ready ON queued_runs (account_id, rank, place) WHERE NOT held;
CREATE INDEX queued_runs_held ON queued_runs (workflow_id, concurrency_key, place) WHERE held;

-- The first journal entry of a queued run that begins with more than its input. It is written when the run begins.
CREATE TABLE first_entries (
    run_id text NOT NULL,
    events text NOT NULL,
    CONSTRAINT first_entries_pk PRIMARY KEY (run_id)
) WITHOUT ROWID;

-- Accounts with queued runs. The least pass is served next, and grows by the account's stride with each run served.
CREATE TABLE queue_accounts (
    account_id text NOT NULL,
    queued bigint NOT NULL,
    -- Of them, those that are not held.
    ready bigint NOT NULL,
    pass bigint NOT NULL,
    stride bigint NOT NULL,
    -- As many run as may; cleared when one of them stops running.
    at_limit boolean NOT NULL,
    CONSTRAINT queue_accounts_pk PRIMARY KEY (account_id)
) WITHOUT ROWID;
CREATE INDEX queue_accounts_next ON queue_accounts (pass, account_id) WHERE ready > 0 AND NOT at_limit;

-- Who has a concurrency key: runs that are ready, or have begun and not ended.
CREATE TABLE key_holds (
    run_id text NOT NULL,
    workflow_id text NOT NULL,
    concurrency_key text NOT NULL,
    CONSTRAINT key_holds_pk PRIMARY KEY (run_id)
) WITHOUT ROWID;
CREATE INDEX key_holds_key ON key_holds (workflow_id, concurrency_key);

ALTER TABLE schedules ADD COLUMN last_due_at bigint;
ALTER TABLE schedules ADD COLUMN last_run_id text;
ALTER TABLE schedules ADD COLUMN fired bigint NOT NULL DEFAULT 0;
-- Due times that passed while nobody was there.
ALTER TABLE schedules ADD COLUMN missed bigint NOT NULL DEFAULT 0;
-- Due times that an unfinished run, or a full queue, was in the way of.
ALTER TABLE schedules ADD COLUMN skipped bigint NOT NULL DEFAULT 0;
-- Rows of buffered_firings.
ALTER TABLE schedules ADD COLUMN buffered bigint NOT NULL DEFAULT 0;
CREATE INDEX schedules_buffered ON schedules (workflow_id) WHERE buffered > 0;

-- Due times that have come and wait for the end of the run before.
CREATE TABLE buffered_firings (
    workflow_id text NOT NULL,
    due_at bigint NOT NULL,
    -- The run before is to be cancelled for it.
    cancels boolean NOT NULL,
    CONSTRAINT buffered_firings_pk PRIMARY KEY (workflow_id, due_at)
) WITHOUT ROWID;
CREATE INDEX buffered_firings_cancels ON buffered_firings (workflow_id) WHERE cancels;
