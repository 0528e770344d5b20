-- What is still to be told to the operator's sink, in the order in which it became true. A row goes when the sink has it, so
-- the rows that are there are the cursor. Numbered by the `sink_seq` row of `sequences`, as events are by theirs.
CREATE TABLE sink_events (
    seq bigint NOT NULL,
    account_id text NOT NULL,
    at bigint NOT NULL,
    body text NOT NULL,
    CONSTRAINT sink_events_pk PRIMARY KEY (seq)
) WITHOUT ROWID;
