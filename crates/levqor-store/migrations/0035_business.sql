-- What people outside tell the business: who wants to hear of it, what they look at, what they ask, and what they think.

-- Addresses that somebody left. One row an address: whoever comes again is counted.
CREATE TABLE leads (
    id text NOT NULL,
    -- Lower case.
    email text NOT NULL,
    -- Where they came from first, as the page says it.
    source text NOT NULL,
    -- Whether they agreed to be written to about more than what they asked for.
    consent boolean NOT NULL,
    created_at bigint NOT NULL,
    last_at bigint NOT NULL,
    times bigint NOT NULL,
    CONSTRAINT leads_pk PRIMARY KEY (id),
    CONSTRAINT leads_email_unique UNIQUE (email)
) WITHOUT ROWID;
CREATE INDEX leads_created ON leads (created_at, source);

-- What was looked at and clicked on, counted by day. Nobody is in it: no address, no browser, no visit.
CREATE TABLE page_events (
    day text NOT NULL,
    -- page_view, cta_click.
    kind text NOT NULL,
    page text NOT NULL,
    -- What was clicked; empty for a view.
    target text NOT NULL,
    -- The campaign of a visitor who agreed to say it; else empty.
    source text NOT NULL,
    events bigint NOT NULL,
    CONSTRAINT page_events_pk PRIMARY KEY (day, kind, page, target, source)
) WITHOUT ROWID;

-- Support requests that a person is to answer.
CREATE TABLE tickets (
    id text NOT NULL,
    -- Who asks, when they were signed in.
    account_id text,
    email text NOT NULL,
    subject text NOT NULL,
    message text NOT NULL,
    created_at bigint NOT NULL,
    -- What the plan promises.
    respond_by bigint NOT NULL,
    -- open, answered, closed.
    state text NOT NULL,
    answered_at bigint,
    ended_at bigint,
    CONSTRAINT tickets_pk PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE INDEX tickets_state ON tickets (state, respond_by, id);

CREATE TABLE consultations (
    id text NOT NULL,
    account_id text,
    email text NOT NULL,
    name text NOT NULL,
    topic text NOT NULL,
    -- When it is to be.
    begins_at bigint NOT NULL,
    created_at bigint NOT NULL,
    -- booked, held, cancelled.
    state text NOT NULL,
    ended_at bigint,
    CONSTRAINT consultations_pk PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE INDEX consultations_begins ON consultations (state, begins_at, id);
CREATE INDEX consultations_email ON consultations (email, begins_at) WHERE state = 'booked';

CREATE TABLE trial_feedback (
    id text NOT NULL,
    account_id text,
    -- 1 to 5.
    rating bigint NOT NULL,
    comment text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT trial_feedback_pk PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE INDEX trial_feedback_created ON trial_feedback (created_at, rating);
