-- The server's own keys. What they are is sealed under a root that is not in the database.

CREATE TABLE keyring (
    key_id text NOT NULL,
    -- signing, sealing or webhooks.
    purpose text NOT NULL,
    -- published, active, retiring, retired or revoked.
    state text NOT NULL,
    -- What tokens, sealed values and webhooks name the key by.
    tag text NOT NULL,
    -- The key, sealed; none once it is destroyed.
    sealed blob,
    created_at bigint NOT NULL,
    -- Not used before; once it is active, when it became so.
    activates_at bigint NOT NULL,
    -- When what was made with it ends, for keys that retire by the clock.
    retires_at bigint,
    -- When it was retired or revoked.
    ended_at bigint,
    CONSTRAINT keyring_pk PRIMARY KEY (key_id),
    CONSTRAINT keyring_tag_unique UNIQUE (purpose, tag)
) WITHOUT ROWID;
CREATE UNIQUE INDEX keyring_published ON keyring (purpose) WHERE state = 'published';
CREATE UNIQUE INDEX keyring_active ON keyring (purpose) WHERE state = 'active';

-- The key that a webhook's secret is derived from, by its tag. The one of the time before there was a keyring has this one.
ALTER TABLE webhooks ADD COLUMN secret_key text NOT NULL DEFAULT '0000000000000000';
CREATE INDEX webhooks_secret_key ON webhooks (secret_key);

-- Sealed values by the key that sealed them: their first nine bytes name it.
CREATE INDEX secrets_sealed_by ON secrets (substr(sealed, 1, 9), account_id, name, version);
