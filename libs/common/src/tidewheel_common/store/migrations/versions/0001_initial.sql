-- The tables of the first release.

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE api_keys (
    id text PRIMARY KEY,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz
);

-- One row per task. A sweep finds its rows by a column that is set exactly while the row is in the state that the sweep
-- looks at, and no index mentions `state`: so a claim changes no indexed column and stays a heap-only-tuple update.
CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    handler text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
    state text NOT NULL,
    payload bytea NOT NULL,
    result bytea,
    error bytea,
    error_type text,
    reason text,
    attempt integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    lost integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL CHECK (max_attempts > 0),
    timeout double precision CHECK (timeout > 0),
    backoff jsonb,
    removal_delay double precision NOT NULL CHECK (removal_delay >= 0),
    delivery text NOT NULL CHECK (delivery IN ('at_least_once', 'at_most_once')),
    tags text[] NOT NULL DEFAULT '{}',
    concurrency_key text,
    unique_key text,
    traceparent text,
    schedule_id uuid,
    nominal_at timestamptz,
    run_at timestamptz NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    cancel_requested_at timestamptz,
    executor_id uuid,
    wait_until timestamptz,
    ready_at timestamptz,
    queued_at timestamptz,
    lease_until timestamptz,
    remove_at timestamptz,
    CONSTRAINT tasks_state CHECK (state IN
        ('blocked', 'waiting', 'ready', 'queued', 'running', 'complete', 'dead', 'cancelled', 'expired')),
    CONSTRAINT tasks_wait_until CHECK ((wait_until IS NOT NULL) = (state = 'waiting')),
    CONSTRAINT tasks_ready_at CHECK ((ready_at IS NOT NULL) = (state = 'ready')),
    CONSTRAINT tasks_queued_at CHECK ((queued_at IS NOT NULL) = (state IN ('queued', 'running'))),
    CONSTRAINT tasks_lease_until CHECK ((lease_until IS NOT NULL) = (state = 'running')),
    CONSTRAINT tasks_remove_at CHECK ((remove_at IS NOT NULL) = (state IN ('complete', 'dead', 'cancelled', 'expired')))
) WITH (
    fillfactor = 75,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);

-- Sealed bytes do not compress; out of line from 1 KiB on, an update does not copy them.
ALTER TABLE tasks ALTER COLUMN payload SET STORAGE EXTERNAL, ALTER COLUMN result SET STORAGE EXTERNAL,
    ALTER COLUMN error SET STORAGE EXTERNAL;

ALTER TABLE tasks SET (toast_tuple_target = 1024);

CREATE INDEX tasks_tenant ON tasks (tenant_id, id);

CREATE INDEX tasks_waiting ON tasks (wait_until) WHERE wait_until IS NOT NULL;

CREATE INDEX tasks_ready ON tasks (queue, priority, ready_at, id) WHERE ready_at IS NOT NULL;

CREATE INDEX tasks_in_flight ON tasks (queued_at) WHERE queued_at IS NOT NULL;

CREATE INDEX tasks_removable ON tasks (remove_at) WHERE remove_at IS NOT NULL;

CREATE INDEX tasks_expiring ON tasks (expires_at) WHERE expires_at IS NOT NULL AND remove_at IS NULL;

CREATE INDEX tasks_failed ON tasks (tenant_id, id) WHERE reason IS NOT NULL;

CREATE INDEX tasks_schedule ON tasks (schedule_id, id) WHERE schedule_id IS NOT NULL;

-- The execution log: one row per attempt that ended.
CREATE TABLE attempts (
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    tenant_id uuid NOT NULL,
    executor_id uuid,
    state text NOT NULL,
    started_at timestamptz,
    finished_at timestamptz NOT NULL,
    error bytea,
    error_type text,
    PRIMARY KEY (task_id, attempt)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- One row per live executor; the heartbeat is not indexed, so it stays a heap-only-tuple update.
CREATE TABLE executors (
    id uuid PRIMARY KEY,
    hostname text NOT NULL,
    pid integer NOT NULL,
    queues text[] NOT NULL,
    handlers text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE schedules (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    handler text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
    payload bytea NOT NULL,
    every double precision CHECK (every > 0),
    cron text,
    timezone text NOT NULL,
    max_attempts integer NOT NULL CHECK (max_attempts > 0),
    timeout double precision CHECK (timeout > 0),
    backoff jsonb,
    removal_delay double precision NOT NULL CHECK (removal_delay >= 0),
    delivery text NOT NULL CHECK (delivery IN ('at_least_once', 'at_most_once')),
    tags text[] NOT NULL DEFAULT '{}',
    starts_at timestamptz NOT NULL,
    next_run_at timestamptz,
    last_run_at timestamptz,
    paused_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT schedules_spec CHECK ((every IS NULL) <> (cron IS NULL)),
    CONSTRAINT schedules_paused CHECK (paused_at IS NULL OR next_run_at IS NULL)
);

CREATE UNIQUE INDEX schedules_name ON schedules (tenant_id, name);

CREATE INDEX schedules_tenant ON schedules (tenant_id, id);

CREATE INDEX schedules_due ON schedules (next_run_at) WHERE next_run_at IS NOT NULL;

-- One row per nominal time of a schedule that fired; its key is what keeps two schedulers from firing twice.
CREATE TABLE fires (
    schedule_id uuid NOT NULL,
    nominal_at timestamptz NOT NULL,
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    fired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schedule_id, nominal_at)
);

CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    task_ids uuid[] NOT NULL,
    accepted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);

CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);
