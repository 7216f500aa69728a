-- Tasks that wait for other tasks, unique keys, and what keeps queues back.

-- `awaited`: others depend on it and have not been told how it ended. `pending_parents`: how many parents are still to
-- count; the row is `blocked` while it is above zero. A claim changes none of these columns.
ALTER TABLE tasks
    ADD COLUMN awaited boolean NOT NULL DEFAULT false,
    ADD COLUMN pending_parents integer NOT NULL DEFAULT 0,
    ADD COLUMN on_parent_failure text,
    ADD COLUMN concurrency_limit integer CHECK (concurrency_limit > 0),
    ADD CONSTRAINT tasks_on_parent_failure CHECK (on_parent_failure IN ('cancel', 'run', 'block'));

CREATE INDEX tasks_awaited ON tasks (finished_at) WHERE awaited AND remove_at IS NOT NULL;

CREATE UNIQUE INDEX tasks_unique ON tasks (tenant_id, unique_key) WHERE unique_key IS NOT NULL AND remove_at IS NULL;

-- What has a concurrency key: in the line, and taking a slot. A claim changes none of these columns.
CREATE INDEX tasks_keyed_ready ON tasks (tenant_id, concurrency_key, ready_at, id)
    WHERE concurrency_key IS NOT NULL AND ready_at IS NOT NULL;

CREATE INDEX tasks_keyed_in_flight ON tasks (tenant_id, concurrency_key)
    WHERE concurrency_key IS NOT NULL AND queued_at IS NOT NULL;

-- One row per parent of a task; `outcome` is the parent's final state once it has counted.
CREATE TABLE dependencies (
    task_id uuid NOT NULL,
    parent_id uuid NOT NULL,
    outcome text,
    PRIMARY KEY (task_id, parent_id),
    CONSTRAINT dependencies_outcome CHECK (outcome IN ('complete', 'dead', 'cancelled', 'expired'))
) WITH (fillfactor = 80);

CREATE INDEX dependencies_open ON dependencies (parent_id) WHERE outcome IS NULL;

-- Only queues that were ever paused or limited have a row. `tokens` is what was left of the rate at `tokens_at`.
CREATE TABLE queues (
    name text PRIMARY KEY,
    paused_at timestamptz,
    paused_until timestamptz,
    rate double precision CHECK (rate > 0),
    concurrency integer CHECK (concurrency > 0),
    tokens double precision,
    tokens_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT queues_paused CHECK (paused_until IS NULL OR paused_at IS NOT NULL),
    CONSTRAINT queues_tokens CHECK ((tokens IS NULL) = (tokens_at IS NULL))
) WITH (fillfactor = 50);
