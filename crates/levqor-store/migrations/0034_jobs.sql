-- Jobs of the platform: when each is due next, and every due time with what came of it.

CREATE TABLE jobs (
    job_id text NOT NULL,
    -- Cron and zone that the due time was reckoned by: when a build brings others, it is reckoned anew.
    schedule text NOT NULL,
    next_due_at bigint NOT NULL,
    -- While it is paused no due time fires, and none is made up for later.
    paused_at bigint,
    paused_by text,
    -- Due times that came while nobody was there, and those in whose way an earlier one was.
    missed bigint NOT NULL,
    skipped bigint NOT NULL,
    CONSTRAINT jobs_pk PRIMARY KEY (job_id)
) WITHOUT ROWID;
CREATE INDEX jobs_due ON jobs (next_due_at, job_id) WHERE paused_at IS NULL;

-- A due time that has come: at most one row each, whoever looks. With a rowid: results may be large.
CREATE TABLE job_firings (
    job_id text NOT NULL,
    due_at bigint NOT NULL,
    -- schedule or manual.
    cause text NOT NULL,
    -- waiting, running; done, failed, timed_out, crashed, skipped.
    state text NOT NULL,
    -- Grows with every beginning; whoever began it writes its end by this number.
    attempt bigint NOT NULL,
    -- Who runs it, or ran it last.
    node_id text,
    region text,
    -- The key or the person that asked for it, and the name of their request.
    asked_by text,
    request text,
    began_at bigint,
    -- After this moment nobody runs it any more.
    lease_ends_at bigint,
    ended_at bigint,
    -- What it gave, in words and as JSON.
    summary text,
    data text,
    -- Why it gave nothing.
    problem text,
    CONSTRAINT job_firings_pk PRIMARY KEY (job_id, due_at)
);
-- One at a time of each job.
CREATE UNIQUE INDEX job_firings_open ON job_firings (job_id) WHERE ended_at IS NULL;
CREATE INDEX job_firings_ended ON job_firings (ended_at, job_id, due_at) WHERE ended_at IS NOT NULL;
CREATE UNIQUE INDEX job_firings_request ON job_firings (job_id, request) WHERE request IS NOT NULL;

-- Requests by the country of who asked, where an edge or a proxy names it, a day and a region.
CREATE TABLE country_days (
    day text NOT NULL,
    region text NOT NULL,
    country text NOT NULL,
    requests bigint NOT NULL,
    CONSTRAINT country_days_pk PRIMARY KEY (day, region, country)
) WITHOUT ROWID;

-- Who came in a span of time.
CREATE INDEX accounts_created ON accounts (created_at, account_id);
