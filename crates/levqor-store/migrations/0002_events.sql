-- Events, who waits for them, and webhooks.

-- Numbered by the `events` row of `sequences`, not by the database's own counter: numbers are then given in the order
-- in which they become visible, on every backend, so that a reader who has read up to one has missed none before it.
CREATE TABLE events (
    seq bigint NOT NULL,
    account_id text NOT NULL,
    event_id text NOT NULL,
    source text NOT NULL,
    type text NOT NULL,
    received_at bigint NOT NULL,
    body text NOT NULL,
    CONSTRAINT events_pk PRIMARY KEY (seq),
    CONSTRAINT events_identity_unique UNIQUE (account_id, source, event_id)
);
CREATE INDEX events_account ON events (account_id, seq);
CREATE INDEX events_type ON events (account_id, type, seq);
CREATE INDEX events_received ON events (received_at);

-- A row for each thing that a listening task can be woken by. The type is '' when any will do. Events up to `after_seq`
-- came before the task began to listen, or were read by it, or are known not to be meant for it.
CREATE TABLE listeners (
    run_id text NOT NULL,
    effect bigint NOT NULL,
    place bigint NOT NULL,
    account_id text NOT NULL,
    type text NOT NULL,
    after_seq bigint NOT NULL,
    interest text NOT NULL,
    CONSTRAINT listeners_pk PRIMARY KEY (run_id, effect, place)
) WITHOUT ROWID;
CREATE INDEX listeners_type ON listeners (account_id, type, after_seq, run_id, effect, place);

-- Workflows that events start. The state is what the events up to `after_seq` have already contributed.
CREATE TABLE event_triggers (
    workflow_id text NOT NULL,
    account_id text NOT NULL,
    version text NOT NULL,
    after_seq bigint NOT NULL,
    state text,
    CONSTRAINT event_triggers_pk PRIMARY KEY (workflow_id),
    CONSTRAINT event_triggers_workflow_fk FOREIGN KEY (workflow_id) REFERENCES workflows (workflow_id)
) WITHOUT ROWID;
CREATE INDEX event_triggers_account ON event_triggers (account_id, workflow_id);

-- The types that a workflow can be started by; '' for any.
CREATE TABLE event_trigger_types (
    account_id text NOT NULL,
    type text NOT NULL,
    workflow_id text NOT NULL,
    CONSTRAINT event_trigger_types_pk PRIMARY KEY (account_id, type, workflow_id)
) WITHOUT ROWID;
CREATE INDEX event_trigger_types_workflow ON event_trigger_types (workflow_id, type);

-- Addresses that start a workflow. Of the token only the hash is kept; the signing secret is made from the
-- server's own secret, this id and the generation, and is not kept at all.
CREATE TABLE webhooks (
    webhook_id text NOT NULL,
    account_id text NOT NULL,
    workflow_id text NOT NULL,
    name text NOT NULL,
    hash blob NOT NULL,
    signed boolean NOT NULL,
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    rotated_at bigint,
    last_used_at bigint,
    CONSTRAINT webhooks_pk PRIMARY KEY (webhook_id),
    CONSTRAINT webhooks_hash_unique UNIQUE (hash),
    CONSTRAINT webhooks_workflow_fk FOREIGN KEY (workflow_id) REFERENCES workflows (workflow_id)
) WITHOUT ROWID;
CREATE INDEX webhooks_workflow ON webhooks (workflow_id, webhook_id);

-- Messages that have started their run, so that a sender's repeat starts no second one.
CREATE TABLE webhook_messages (
    webhook_id text NOT NULL,
    message_id text NOT NULL,
    run_id text NOT NULL,
    received_at bigint NOT NULL,
    CONSTRAINT webhook_messages_pk PRIMARY KEY (webhook_id, message_id)
) WITHOUT ROWID;
CREATE INDEX webhook_messages_received ON webhook_messages (received_at);
