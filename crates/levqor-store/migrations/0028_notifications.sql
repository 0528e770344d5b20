-- What people and other systems are to be told: an outbox. A row comes in the transaction of its cause and is kept after its delivery, as
-- evidence, and so that the same thing is not told twice.
CREATE TABLE notifications (
    id text NOT NULL,
    -- What it tells, so that it is told once: an alert and its transition, an update and its subscriber.
    dedup text NOT NULL,
    -- Where to: `route:NAME`, a route of the configuration, or `subscription:ID`.
    target text NOT NULL,
    severity text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    -- For programs, as JSON.
    data text NOT NULL,
    created_at bigint NOT NULL,
    -- waiting, delivered, dead.
    state text NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    -- When it is tried next; while somebody tries, when others may. Only what waits has one.
    next_at bigint,
    ended_at bigint,
    -- Why the last attempt failed.
    problem text,
    CONSTRAINT notifications_pk PRIMARY KEY (id),
    CONSTRAINT notifications_dedup_unique UNIQUE (dedup)
) WITHOUT ROWID;
CREATE INDEX notifications_due ON notifications (next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX notifications_state ON notifications (state, created_at, id);
CREATE INDEX notifications_created ON notifications (created_at, id);
