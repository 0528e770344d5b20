-- What is measured: series, and what their steps have seen, at three grains.

-- A name with its labels. The number stands for it in the packed points.
CREATE TABLE metric_series (
    series_id bigint NOT NULL,
    name text NOT NULL,
    -- A JSON object, names in order.
    labels text NOT NULL,
    -- counter, gauge, histogram.
    kind text NOT NULL,
    first_at bigint NOT NULL,
    -- Of the newest hour that has a point, once it is rolled up.
    last_at bigint NOT NULL,
    CONSTRAINT metric_series_pk PRIMARY KEY (series_id),
    CONSTRAINT metric_series_name_unique UNIQUE (name, labels)
) WITHOUT ROWID;
CREATE INDEX metric_series_last_at ON metric_series (last_at, series_id);

-- A row has all series of a name in one step, as one node wrote it or as it was rolled up.
CREATE TABLE metric_points (
    -- Seconds of a step: 10, 60, 3600.
    grain bigint NOT NULL,
    -- Whether it is in the next coarser grain too; of the coarsest, always.
    rolled boolean NOT NULL,
    name text NOT NULL,
    -- Start of the step.
    at bigint NOT NULL,
    -- What a node wrote at once; of what is rolled up, that of the first part.
    batch bigint NOT NULL,
    data blob NOT NULL,
    CONSTRAINT metric_points_pk PRIMARY KEY (grain, rolled, name, at, batch)
) WITHOUT ROWID;
CREATE INDEX metric_points_at ON metric_points (grain, rolled, at);

-- What was written, so that nothing is written twice when an answer is lost.
CREATE TABLE metric_batches (
    batch bigint NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT metric_batches_pk PRIMARY KEY (batch)
) WITHOUT ROWID;
CREATE INDEX metric_batches_at ON metric_batches (at, batch);
