-- The evidence log: what was done, by whom, in chains of hashes that show what was changed afterwards.

CREATE TABLE audit_records (
    chain text NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    region text NOT NULL,
    kind text NOT NULL,
    author text NOT NULL,
    account_id text,
    subject text NOT NULL,
    -- JSON, as it was hashed.
    details text NOT NULL,
    request_id text,
    previous blob NOT NULL,
    hash blob NOT NULL,
    CONSTRAINT audit_records_pk PRIMARY KEY (chain, seq)
) WITHOUT ROWID;
CREATE INDEX audit_records_at ON audit_records (at, chain, seq);
CREATE INDEX audit_records_account ON audit_records (account_id, at, chain, seq) WHERE account_id IS NOT NULL;

-- The end of each chain.
CREATE TABLE audit_chains (
    chain text NOT NULL,
    seq bigint NOT NULL,
    hash blob NOT NULL,
    -- The last record that is no checkpoint.
    worked_through bigint NOT NULL,
    -- Through here a checkpoint of another chain names it.
    named_through bigint NOT NULL,
    CONSTRAINT audit_chains_pk PRIMARY KEY (chain)
) WITHOUT ROWID;
-- What the next checkpoint names.
CREATE INDEX audit_chains_unnamed ON audit_chains (chain) WHERE named_through < worked_through;
