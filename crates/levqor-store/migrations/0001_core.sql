-- The first schema. Times are microseconds since the epoch, days and ids are their texts, JSON is text.
-- Every constraint and index has a name. Rows that are touched for every run have no foreign keys: history
-- outlives what it points to, and a look-up per insert would cost more than it protects.

CREATE TABLE migrations (
    version bigint NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    -- By the database's clock: a note for operators, nothing is decided by it.
    applied_at bigint NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS bigint)),
    CONSTRAINT migrations_pk PRIMARY KEY (version)
) WITHOUT ROWID;

-- Named numbers that only grow, such as the epoch of nodes.
CREATE TABLE sequences (
    name text NOT NULL,
    value bigint NOT NULL,
    CONSTRAINT sequences_pk PRIMARY KEY (name)
) WITHOUT ROWID;

-- What the readiness check writes and reads.
CREATE TABLE heartbeats (
    name text NOT NULL,
    beats bigint NOT NULL,
    CONSTRAINT heartbeats_pk PRIMARY KEY (name)
) WITHOUT ROWID;

-- Accounts, people, keys, sign-in ------------------------------------------------------------------------------

CREATE TABLE accounts (
    account_id text NOT NULL,
    name text NOT NULL,
    plan text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT accounts_pk PRIMARY KEY (account_id)
) WITHOUT ROWID;

CREATE TABLE users (
    user_id text NOT NULL,
    email text NOT NULL,
    operator boolean NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT users_pk PRIMARY KEY (user_id),
    CONSTRAINT users_email_unique UNIQUE (email)
) WITHOUT ROWID;

CREATE TABLE memberships (
    account_id text NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    CONSTRAINT memberships_pk PRIMARY KEY (account_id, user_id),
    CONSTRAINT memberships_account_fk FOREIGN KEY (account_id) REFERENCES accounts (account_id),
    CONSTRAINT memberships_user_fk FOREIGN KEY (user_id) REFERENCES users (user_id)
) WITHOUT ROWID;
CREATE INDEX memberships_user ON memberships (user_id, account_id);

CREATE TABLE api_keys (
    key_id text NOT NULL,
    account_id text NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    hash blob NOT NULL,
    role text NOT NULL,
    operator boolean NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    last_used_at bigint,
    revoked_at bigint,
    CONSTRAINT api_keys_pk PRIMARY KEY (key_id),
    CONSTRAINT api_keys_hash_unique UNIQUE (hash),
    CONSTRAINT api_keys_account_fk FOREIGN KEY (account_id) REFERENCES accounts (account_id)
) WITHOUT ROWID;
CREATE INDEX api_keys_account ON api_keys (account_id, key_id);

CREATE TABLE links (
    link_id text NOT NULL,
    user_id text NOT NULL,
    hash blob NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint,
    CONSTRAINT links_pk PRIMARY KEY (link_id),
    CONSTRAINT links_hash_unique UNIQUE (hash),
    CONSTRAINT links_user_fk FOREIGN KEY (user_id) REFERENCES users (user_id)
) WITHOUT ROWID;
CREATE INDEX links_user ON links (user_id);
CREATE INDEX links_expires ON links (expires_at);

CREATE TABLE sessions (
    session_id text NOT NULL,
    user_id text NOT NULL,
    account_id text NOT NULL,
    hash blob NOT NULL,
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint,
    CONSTRAINT sessions_pk PRIMARY KEY (session_id),
    CONSTRAINT sessions_hash_unique UNIQUE (hash),
    CONSTRAINT sessions_user_fk FOREIGN KEY (user_id) REFERENCES users (user_id),
    CONSTRAINT sessions_account_fk FOREIGN KEY (account_id) REFERENCES accounts (account_id)
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- Workflows ----------------------------------------------------------------------------------------------------

CREATE TABLE workflows (
    workflow_id text NOT NULL,
    account_id text NOT NULL,
    namespace text NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    title text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted_at bigint,
    CONSTRAINT workflows_pk PRIMARY KEY (workflow_id)
) WITHOUT ROWID;
-- A deleted workflow gives its name free.
CREATE UNIQUE INDEX workflows_name_unique ON workflows (account_id, namespace, name) WHERE deleted_at IS NULL;
CREATE INDEX workflows_account ON workflows (account_id, workflow_id) WHERE deleted_at IS NULL;

-- With a rowid: documents are large.
CREATE TABLE workflow_versions (
    workflow_id text NOT NULL,
    version text NOT NULL,
    definition text NOT NULL,
    source text,
    created_at bigint NOT NULL,
    CONSTRAINT workflow_versions_pk PRIMARY KEY (workflow_id, version),
    CONSTRAINT workflow_versions_created_unique UNIQUE (workflow_id, created_at),
    CONSTRAINT workflow_versions_workflow_fk FOREIGN KEY (workflow_id) REFERENCES workflows (workflow_id)
);

CREATE TABLE schedules (
    workflow_id text NOT NULL,
    account_id text NOT NULL,
    version text NOT NULL,
    anchor_at bigint NOT NULL,
    next_due_at bigint,
    CONSTRAINT schedules_pk PRIMARY KEY (workflow_id),
    CONSTRAINT schedules_workflow_fk FOREIGN KEY (workflow_id) REFERENCES workflows (workflow_id)
) WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (next_due_at, workflow_id) WHERE next_due_at IS NOT NULL;

-- A due time that has started its run: at most one each, whoever looks.
CREATE TABLE firings (
    workflow_id text NOT NULL,
    due_at bigint NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT firings_pk PRIMARY KEY (workflow_id, due_at)
) WITHOUT ROWID;
CREATE INDEX firings_due ON firings (due_at);

-- Runs ---------------------------------------------------------------------------------------------------------

-- Narrow: what lists and workers need. With a rowid, so that new rows are appended and the indexes stay small.
CREATE TABLE runs (
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
    ended_at bigint,
    owner text,
    epoch bigint NOT NULL,
    next_seq bigint NOT NULL,
    CONSTRAINT runs_pk PRIMARY KEY (run_id),
    CONSTRAINT runs_parent_whole CHECK ((parent_run_id IS NULL) = (parent_effect IS NULL)),
    CONSTRAINT runs_ended CHECK ((ended_at IS NOT NULL) = (status IN ('completed', 'faulted', 'cancelled')))
);
CREATE INDEX runs_account ON runs (account_id, run_id);
CREATE INDEX runs_account_status ON runs (account_id, status, run_id);
CREATE INDEX runs_workflow ON runs (workflow_id, run_id);
CREATE INDEX runs_live ON runs (run_id, status) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX runs_parent_unique ON runs (parent_run_id, parent_effect) WHERE parent_run_id IS NOT NULL;

-- One row per part, so that the end of a run does not write its input again.
CREATE TABLE run_payloads (
    run_id text NOT NULL,
    part text NOT NULL,
    body text NOT NULL,
    CONSTRAINT run_payloads_pk PRIMARY KEY (run_id, part),
    CONSTRAINT run_payloads_part CHECK (part IN ('input', 'output', 'error'))
) WITHOUT ROWID;

CREATE TABLE journal (
    run_id text NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    region text NOT NULL,
    events text NOT NULL,
    CONSTRAINT journal_pk PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE TABLE timers (
    run_id text NOT NULL,
    effect bigint NOT NULL,
    due_at bigint NOT NULL,
    CONSTRAINT timers_pk PRIMARY KEY (run_id, effect)
) WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_at, run_id, effect);

-- Kept in step with runs, so that counting does not read them.
CREATE TABLE run_counts (
    account_id text NOT NULL,
    status text NOT NULL,
    runs bigint NOT NULL,
    CONSTRAINT run_counts_pk PRIMARY KEY (account_id, status)
) WITHOUT ROWID;

-- Usage --------------------------------------------------------------------------------------------------------

-- What was used on a day. The account is '' for anonymous callers.
CREATE TABLE usage_days (
    account_id text NOT NULL,
    day text NOT NULL,
    runs bigint NOT NULL,
    ai_credits bigint NOT NULL,
    CONSTRAINT usage_days_pk PRIMARY KEY (account_id, day)
) WITHOUT ROWID;
CREATE INDEX usage_days_day ON usage_days (day);

-- How many workflows there were at the end of a day, for days on which that changed. The account is '' for all.
CREATE TABLE workflow_days (
    account_id text NOT NULL,
    day text NOT NULL,
    workflows bigint NOT NULL,
    CONSTRAINT workflow_days_pk PRIMARY KEY (account_id, day)
) WITHOUT ROWID;

-- Nodes, requests, counters, health ----------------------------------------------------------------------------

CREATE TABLE nodes (
    node_id text NOT NULL,
    region text NOT NULL,
    version text NOT NULL,
    epoch bigint NOT NULL,
    started_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    stopped_at bigint,
    CONSTRAINT nodes_pk PRIMARY KEY (node_id),
    CONSTRAINT nodes_epoch_unique UNIQUE (epoch)
) WITHOUT ROWID;
CREATE INDEX nodes_expires ON nodes (expires_at);

-- With a rowid: answers may be large.
CREATE TABLE idempotency_keys (
    scope text NOT NULL,
    key text NOT NULL,
    request_hash blob NOT NULL,
    claimed_at bigint NOT NULL,
    status bigint,
    content_type text,
    body blob,
    CONSTRAINT idempotency_keys_pk PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_claimed ON idempotency_keys (claimed_at);

CREATE TABLE totals (
    name text NOT NULL,
    value bigint NOT NULL,
    CONSTRAINT totals_pk PRIMARY KEY (name)
) WITHOUT ROWID;

CREATE TABLE buckets (
    at bigint NOT NULL,
    name text NOT NULL,
    value bigint NOT NULL,
    CONSTRAINT buckets_pk PRIMARY KEY (at, name)
) WITHOUT ROWID;

CREATE TABLE ai_requests (
    request_seq integer NOT NULL,
    at bigint NOT NULL,
    account_id text,
    region text NOT NULL,
    kind text NOT NULL,
    backend text NOT NULL,
    language text NOT NULL,
    success boolean NOT NULL,
    credits bigint NOT NULL,
    latency_us bigint NOT NULL,
    CONSTRAINT ai_requests_pk PRIMARY KEY (request_seq)
);
CREATE INDEX ai_requests_at ON ai_requests (at);
CREATE INDEX ai_requests_account ON ai_requests (account_id, at) WHERE account_id IS NOT NULL;

CREATE TABLE samples (
    region text NOT NULL,
    component text NOT NULL,
    at bigint NOT NULL,
    node_id text NOT NULL,
    good boolean NOT NULL,
    latency_us bigint,
    reason text,
    CONSTRAINT samples_pk PRIMARY KEY (at, region, component, node_id)
) WITHOUT ROWID;

CREATE TABLE latest_samples (
    region text NOT NULL,
    component text NOT NULL,
    at bigint NOT NULL,
    node_id text NOT NULL,
    good boolean NOT NULL,
    latency_us bigint,
    reason text,
    CONSTRAINT latest_samples_pk PRIMARY KEY (region, component)
) WITHOUT ROWID;

CREATE TABLE sample_days (
    day text NOT NULL,
    region text NOT NULL,
    component text NOT NULL,
    good bigint NOT NULL,
    total bigint NOT NULL,
    first_at bigint NOT NULL,
    CONSTRAINT sample_days_pk PRIMARY KEY (day, region, component)
) WITHOUT ROWID;
CREATE INDEX sample_days_first ON sample_days (region, first_at);
