-- The status page: what people say of it, when operators work on the platform, who wants to hear of it, and the signed record of each day.

-- Words about parts of the platform, and that they are worse than measured; better they cannot be.
CREATE TABLE status_declarations (
    id text NOT NULL,
    -- `region/component`, with `*` for all of them.
    part text NOT NULL,
    -- degraded, down; none: only words.
    state text,
    words text NOT NULL,
    actor text NOT NULL,
    at bigint NOT NULL,
    ends_at bigint NOT NULL,
    CONSTRAINT status_declarations_pk PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE INDEX status_declarations_ends_at ON status_declarations (ends_at, id);

CREATE TABLE maintenance_windows (
    id text NOT NULL,
    title text NOT NULL,
    words text NOT NULL,
    -- A JSON array of `region/component`, with `*` for all of them.
    parts text NOT NULL,
    starts_at bigint NOT NULL,
    -- As planned, and then as it was.
    ends_at bigint NOT NULL,
    actor text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    -- It does not take place.
    cancelled_at bigint,
    -- What was told of it last: scheduled, in_progress, completed, cancelled.
    told text NOT NULL,
    -- When something is to be told next.
    tells_at bigint,
    CONSTRAINT maintenance_windows_pk PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE INDEX maintenance_windows_ends_at ON maintenance_windows (ends_at, id);
CREATE INDEX maintenance_windows_tells_at ON maintenance_windows (tells_at, id) WHERE tells_at IS NOT NULL;

-- Who wants to hear of the platform's state. A row goes when they do not any more, with the address.
CREATE TABLE status_subscriptions (
    id text NOT NULL,
    -- email, webhook.
    kind text NOT NULL,
    address text NOT NULL,
    -- Only of these: a JSON array of `region/component`; empty: of all.
    parts text NOT NULL,
    -- SHA-256 of the link that confirms it; none: it is confirmed.
    confirm_hash blob,
    -- In each message; all that it can do is to end the subscription.
    farewell text NOT NULL,
    created_at bigint NOT NULL,
    confirmed_at bigint,
    CONSTRAINT status_subscriptions_pk PRIMARY KEY (id),
    CONSTRAINT status_subscriptions_address_unique UNIQUE (kind, address)
) WITHOUT ROWID;
CREATE INDEX status_subscriptions_open ON status_subscriptions (created_at, id) WHERE confirmed_at IS NULL;
CREATE UNIQUE INDEX status_subscriptions_confirm ON status_subscriptions (confirm_hash) WHERE confirm_hash IS NOT NULL;
CREATE UNIQUE INDEX status_subscriptions_farewell ON status_subscriptions (farewell);

-- What was measured of each day, signed, each with the hash of the one before.
CREATE TABLE uptime_records (
    day text NOT NULL,
    -- Canonical JSON, exactly as it was signed.
    record text NOT NULL,
    sha256 text NOT NULL,
    signature text NOT NULL,
    -- Who signed: an Ed25519 key in Base 64.
    key text NOT NULL,
    sealed_at bigint NOT NULL,
    CONSTRAINT uptime_records_pk PRIMARY KEY (day)
) WITHOUT ROWID;
