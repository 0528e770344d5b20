-- Who belongs to an account, how people come in, what keys may do.

ALTER TABLE memberships ADD COLUMN added_at bigint;

-- Invitations to an account. The link is kept only as a hash; whoever has it is let in once.
CREATE TABLE invitations (
    invitation_id text NOT NULL,
    account_id text NOT NULL,
    -- Lower case.
    email text NOT NULL,
    role text NOT NULL,
    hash blob NOT NULL,
    -- A user or a key.
    invited_by text NOT NULL,
    -- The link went to the mailbox and to nobody else: whoever has it has the mailbox.
    mailed boolean NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    accepted_at bigint,
    revoked_at bigint,
    CONSTRAINT invitations_pk PRIMARY KEY (invitation_id),
    CONSTRAINT invitations_hash_unique UNIQUE (hash),
    CONSTRAINT invitations_account_fk FOREIGN KEY (account_id) REFERENCES accounts (account_id)
) WITHOUT ROWID;
CREATE INDEX invitations_account ON invitations (account_id, invitation_id);
CREATE UNIQUE INDEX invitations_open ON invitations (account_id, email)
    WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_email ON invitations (email, created_at);
CREATE INDEX invitations_expires ON invitations (expires_at);

-- What a key is limited to, names with a space between; none: all that its role may.
ALTER TABLE api_keys ADD COLUMN scopes text;
-- The secret that the key had before it was rotated, and until when that still opens.
ALTER TABLE api_keys ADD COLUMN previous_hash blob;
ALTER TABLE api_keys ADD COLUMN previous_ends_at bigint;
ALTER TABLE api_keys ADD COLUMN rotated_at bigint;
-- The user or the key that made it.
ALTER TABLE api_keys ADD COLUMN created_by text;
CREATE UNIQUE INDEX api_keys_previous ON api_keys (previous_hash) WHERE previous_hash IS NOT NULL;

-- Where a session began, masked, and in which kind of browser.
ALTER TABLE sessions ADD COLUMN network text;
ALTER TABLE sessions ADD COLUMN browser text;

-- Who somebody is at another system that signs them in: by what that never gives to another person.
CREATE TABLE foreign_identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT foreign_identities_pk PRIMARY KEY (issuer, subject),
    CONSTRAINT foreign_identities_user_fk FOREIGN KEY (user_id) REFERENCES users (user_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX foreign_identities_user ON foreign_identities (user_id, issuer);

-- Ways to another system and back that were gone, so that none is gone twice.
CREATE TABLE spent_states (
    hash blob NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT spent_states_pk PRIMARY KEY (hash)
) WITHOUT ROWID;
CREATE INDEX spent_states_expires ON spent_states (expires_at);
