-- Secrets of accounts, a row a version. Values are sealed before they come here; the key is not in the database.

CREATE TABLE secrets (
    account_id text NOT NULL,
    name text NOT NULL,
    -- Grows with each setting, and is never given again: runs refer to it.
    version bigint NOT NULL,
    sealed blob NOT NULL,
    -- When the name was set first, and when this version was.
    created_at bigint NOT NULL,
    set_at bigint NOT NULL,
    -- When it was set anew or deleted. The current version has none.
    ended_at bigint,
    CONSTRAINT secrets_pk PRIMARY KEY (account_id, name, version),
    CONSTRAINT secrets_account_fk FOREIGN KEY (account_id) REFERENCES accounts (account_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX secrets_current_unique ON secrets (account_id, name) WHERE ended_at IS NULL;
CREATE INDEX secrets_ended ON secrets (ended_at) WHERE ended_at IS NOT NULL;
