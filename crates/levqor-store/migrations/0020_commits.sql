-- PostgreSQL: the number of the last transaction that each writing connection has committed. A connection that is lost while it commits
-- learns from its row whether the transaction was written, also from a standby that has taken over.
CREATE TABLE commits (
    writer_id text NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT commits_pk PRIMARY KEY (writer_id)
) WITHOUT ROWID;
