-- What nodes of a region tell each other about callers. Nothing here is asked for on the way of a request that is within its limits, and
-- nothing is lost that matters when a row is: limits and reputations begin anew.

-- How far callers have used up a limit that the nodes of a region share.
CREATE TABLE rate_uses (
    region text NOT NULL,
    -- Which limit: anonymous, account, sender, ai.
    quota text NOT NULL,
    -- A keyed hash of whom it counts: no address is in it.
    caller bigint NOT NULL,
    -- When the whole quota is free again, if nobody asks until then.
    full_at bigint NOT NULL,
    -- What the last node that asked for some was given.
    granted bigint NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT rate_uses_pk PRIMARY KEY (caller, quota, region)
) WITHOUT ROWID;
CREATE INDEX rate_uses_at ON rate_uses (at);

-- Error answers to callers who have not said who they are, by network and by slots of ten seconds. Kept for as long as they count.
CREATE TABLE address_errors (
    region text NOT NULL,
    network text NOT NULL,
    slot bigint NOT NULL,
    errors bigint NOT NULL,
    CONSTRAINT address_errors_pk PRIMARY KEY (network, region, slot)
) WITHOUT ROWID;
CREATE INDEX address_errors_slot ON address_errors (slot);

-- Networks that an operator has forgiven: what they did before counts no more.
CREATE TABLE address_pardons (
    network text NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT address_pardons_pk PRIMARY KEY (network)
) WITHOUT ROWID;
CREATE INDEX address_pardons_at ON address_pardons (at);
