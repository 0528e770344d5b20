-- Tamper detection: what was agreed on each place's files, what its node found, and what operators want of it. A place is a
-- machine and a data directory; nodes come and go there.

-- The baseline that was signed last, as it is in the file.
CREATE TABLE tamper_baselines (
    place text NOT NULL,
    sequence bigint NOT NULL,
    content text NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT tamper_baselines_pk PRIMARY KEY (place)
) WITHOUT ROWID;

-- How the node of a place finds its files.
CREATE TABLE tamper_states (
    place text NOT NULL,
    node_id text NOT NULL,
    region text NOT NULL,
    at bigint NOT NULL,
    -- JSON.
    report text NOT NULL,
    CONSTRAINT tamper_states_pk PRIMARY KEY (place)
) WITHOUT ROWID;

-- What is not as agreed now.
CREATE TABLE tamper_findings (
    place text NOT NULL,
    path text NOT NULL,
    severity text NOT NULL,
    expected text,
    found text,
    since bigint NOT NULL,
    CONSTRAINT tamper_findings_pk PRIMARY KEY (place, path)
) WITHOUT ROWID;

-- What the node of a place is to do: agree to a path as it was found, or hash everything anew (the path is empty).
CREATE TABLE tamper_wishes (
    place text NOT NULL,
    path text NOT NULL,
    -- As the operator saw it; for hashing anew the name of the request.
    found text,
    at bigint NOT NULL,
    CONSTRAINT tamper_wishes_pk PRIMARY KEY (place, path)
) WITHOUT ROWID;

-- The numbers of baselines in the evidence log.
CREATE INDEX audit_records_baselines ON audit_records (subject, at, chain, seq) WHERE kind = 'tamper.signed';
