-- What the server's own functions keep: values of accounts, and questions to people. And who wants to hear of the life of runs.

CREATE TABLE state (
    account_id text NOT NULL,
    key text NOT NULL,
    -- JSON.
    value text NOT NULL,
    changed_at bigint NOT NULL,
    CONSTRAINT state_pk PRIMARY KEY (account_id, key),
    CONSTRAINT state_account_fk FOREIGN KEY (account_id) REFERENCES accounts (account_id)
) WITHOUT ROWID;

-- What a call that may have changed a value gave, by its idempotency key: made again, it gives the same and changes nothing.
CREATE TABLE state_calls (
    call_key text NOT NULL,
    run_id text NOT NULL,
    -- JSON; null when there was nothing.
    value text,
    changed boolean NOT NULL,
    done_at bigint NOT NULL,
    CONSTRAINT state_calls_pk PRIMARY KEY (call_key)
) WITHOUT ROWID;
CREATE INDEX state_calls_done ON state_calls (done_at);

CREATE TABLE approvals (
    approval_id text NOT NULL,
    account_id text NOT NULL,
    run_id text NOT NULL,
    -- The effect of the run that waits for the answer.
    effect bigint NOT NULL,
    task text NOT NULL,
    title text NOT NULL,
    message text,
    -- JSON.
    data text,
    requested_at bigint NOT NULL,
    -- The answer, and who gave it: a person's address, or the id of an API key.
    decided_at bigint,
    approved boolean,
    decided_by text,
    comment text,
    -- When the run stopped waiting, with the answer or without one.
    closed_at bigint,
    CONSTRAINT approvals_pk PRIMARY KEY (approval_id),
    CONSTRAINT approvals_effect_unique UNIQUE (run_id, effect),
    CONSTRAINT approvals_account_fk FOREIGN KEY (account_id) REFERENCES accounts (account_id)
) WITHOUT ROWID;
CREATE INDEX approvals_account ON approvals (account_id, approval_id);
-- Answers that runs have not taken yet: they are told again when a server starts.
CREATE INDEX approvals_untaken ON approvals (approval_id) WHERE decided_at IS NOT NULL AND closed_at IS NULL;
CREATE INDEX approvals_open ON approvals (account_id, approval_id) WHERE decided_at IS NULL AND closed_at IS NULL;

-- Who names the types of events that tell the life of runs and tasks: looked up when a server starts.
CREATE INDEX listeners_lifecycle ON listeners (account_id, type)
    WHERE type >= 'io.serverlessworkflow.' AND type < 'io.serverlessworkflow/';
CREATE INDEX event_trigger_types_lifecycle ON event_trigger_types (account_id, type)
    WHERE type >= 'io.serverlessworkflow.' AND type < 'io.serverlessworkflow/';
