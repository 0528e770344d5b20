-- Hot tables hold live runs; what has ended is here, so that history does not slow the living.

-- With the columns of runs. By run_id, so that it grows at its end.
CREATE TABLE archived_runs (
    run_id text NOT NULL,
    account_id text NOT NULL,
    workflow_id text NOT NULL,
    namespace text NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    status text NOT NULL,
    started_by text NOT NULL,
    region text NOT NULL,
    home_region text NOT NULL,
    residency text NOT NULL,
    waiting_for text,
    parent_run_id text,
    parent_effect bigint,
    depth bigint NOT NULL,
    retry_of text,
    created_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint NOT NULL,
    owner text,
    epoch bigint NOT NULL,
    next_seq bigint NOT NULL,
    CONSTRAINT archived_runs_pk PRIMARY KEY (run_id),
    CONSTRAINT archived_runs_parent_whole CHECK ((parent_run_id IS NULL) = (parent_effect IS NULL)),
    CONSTRAINT archived_runs_ended CHECK (status IN ('completed', 'faulted', 'cancelled'))
) WITHOUT ROWID;
CREATE INDEX archived_runs_account ON archived_runs (account_id, run_id);
CREATE INDEX archived_runs_account_status ON archived_runs (account_id, status, run_id);
CREATE INDEX archived_runs_workflow ON archived_runs (workflow_id, run_id);
CREATE UNIQUE INDEX archived_runs_parent_unique ON archived_runs (parent_run_id, parent_effect)
    WHERE parent_run_id IS NOT NULL;

-- Input, output and error of a run, packed.
CREATE TABLE archived_payloads (
    run_id text NOT NULL,
    body blob NOT NULL,
    CONSTRAINT archived_payloads_pk PRIMARY KEY (run_id)
) WITHOUT ROWID;

-- Journal entries, many to a row and packed: the whole journal of a run that has ended, and the older part of a long one.
-- What is in a segment comes before what is in the journal table.
CREATE TABLE journal_segments (
    run_id text NOT NULL,
    last_seq bigint NOT NULL,
    body blob NOT NULL,
    CONSTRAINT journal_segments_pk PRIMARY KEY (run_id, last_seq)
) WITHOUT ROWID;

-- Runs that have ended and still are to be moved: almost always empty.
CREATE INDEX runs_ended_unmoved ON runs (run_id) WHERE ended_at IS NOT NULL;

-- Deleted runs whose long journals are still being deleted.
CREATE TABLE journal_leftovers (
    run_id text NOT NULL,
    CONSTRAINT journal_leftovers_pk PRIMARY KEY (run_id)
) WITHOUT ROWID;

-- The newest run of each account that was deleted because its time was over.
CREATE TABLE pruned_runs (
    account_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT pruned_runs_pk PRIMARY KEY (account_id)
) WITHOUT ROWID;
