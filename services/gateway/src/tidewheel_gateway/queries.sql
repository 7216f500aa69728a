-- The statements of the gateway. `:now` is null in production: then the database's clock decides.

-- name: tasks_accept :many
-- transition: (new) -> ready, (new) -> waiting, (new) -> blocked, (new) -> queued
-- Insert tasks, and with them the idempotency keys that they came with; a key that is taken or in flight keeps its tasks out.
-- What goes straight to its stream is queued from the start, unless something is set for its queue.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
asked AS MATERIALIZED (
    SELECT k.place, k.tenant_id, k.key, k.fingerprint, k.task_ids,
        -- Whoever holds the lock may have an uncommitted row; waiting for it would hold up every other submission.
        pg_try_advisory_xact_lock(hashtextextended(CAST(k.tenant_id AS text) || ' ' || k.key, 0)) AS locked
    FROM unnest(
        CAST(:key_places AS integer[]), CAST(:key_tenants AS uuid[]), CAST(:key_texts AS text[]),
        CAST(:key_fingerprints AS bytea[]), CAST(:key_tasks AS text[])
    ) AS k (place, tenant_id, key, fingerprint, task_ids)
),
kept AS (
    INSERT INTO idempotency_keys (tenant_id, key, fingerprint, task_ids, accepted_at, expires_at)
    SELECT asked.tenant_id, asked.key, asked.fingerprint, CAST(asked.task_ids AS uuid[]), clock.now,
        clock.now + make_interval(secs => CAST(:key_lifetime AS double precision))
    FROM asked CROSS JOIN clock
    WHERE asked.locked
    ON CONFLICT (tenant_id, key) DO NOTHING
    RETURNING tenant_id, key
),
refused AS MATERIALIZED (
    SELECT asked.place, asked.locked
    FROM asked
    WHERE NOT EXISTS (SELECT 1 FROM kept WHERE kept.tenant_id = asked.tenant_id AND kept.key = asked.key)
),
held AS MATERIALIZED (
    SELECT name FROM queues
    WHERE name = ANY (CAST(:straight_queues AS text[]))
        AND (rate IS NOT NULL OR concurrency IS NOT NULL
            OR (paused_at IS NOT NULL AND coalesce(paused_until > (SELECT now FROM clock), true)))
),
-- What all rows have alike is sent once.
alike AS MATERIALIZED (
    SELECT (CAST(:places AS integer[]))[1] AS place, (CAST(:tenants AS uuid[]))[1] AS tenant_id,
        (CAST(:handlers AS text[]))[1] AS handler, (CAST(:queues AS text[]))[1] AS queue,
        (CAST(:priorities AS smallint[]))[1] AS priority, (CAST(:attempts AS integer[]))[1] AS max_attempts,
        (CAST(:removal_delays AS double precision[]))[1] AS removal_delay, (CAST(:deliveries AS text[]))[1] AS delivery,
        (CAST(:tags AS text[]))[1] AS tags, (CAST(:delays AS interval[]))[1] AS delay,
        (CAST(:awaiteds AS boolean[]))[1] AS awaited, (CAST(:pendings AS integer[]))[1] AS pending_parents,
        (CAST(:owing AS boolean[]))[1] AS owes, (CAST(:straights AS boolean[]))[1] AS straight
),
given AS (
    SELECT coalesce(t.place, a.place) AS place, t.id, coalesce(t.tenant_id, a.tenant_id) AS tenant_id,
        coalesce(t.handler, a.handler) AS handler, coalesce(t.queue, a.queue) AS queue,
        coalesce(t.priority, a.priority) AS priority, t.payload, coalesce(t.max_attempts, a.max_attempts) AS max_attempts,
        t.timeout, t.backoff, coalesce(t.removal_delay, a.removal_delay) AS removal_delay,
        coalesce(t.delivery, a.delivery) AS delivery, coalesce(t.tags, a.tags) AS tags, t.traceparent, t.run_at,
        coalesce(t.delay, a.delay) AS delay, t.expires_at, coalesce(t.awaited, a.awaited) AS awaited,
        coalesce(t.pending_parents, a.pending_parents) AS pending_parents, t.on_parent_failure, t.unique_key,
        t.concurrency_key, t.concurrency_limit, t.notify, coalesce(t.owes, a.owes) AS owes, t.late_after,
        coalesce(t.straight, a.straight) AS straight
    FROM unnest(
        CAST(:places AS integer[]), CAST(:ids AS uuid[]), CAST(:tenants AS uuid[]), CAST(:handlers AS text[]),
        CAST(:queues AS text[]), CAST(:priorities AS smallint[]), CAST(:payloads AS bytea[]),
        CAST(:attempts AS integer[]), CAST(:timeouts AS double precision[]), CAST(:backoffs AS text[]),
        CAST(:removal_delays AS double precision[]), CAST(:deliveries AS text[]), CAST(:tags AS text[]),
        CAST(:traceparents AS text[]), CAST(:run_ats AS timestamptz[]), CAST(:delays AS interval[]),
        CAST(:expiries AS timestamptz[]), CAST(:awaiteds AS boolean[]), CAST(:pendings AS integer[]),
        CAST(:on_parent_failures AS text[]), CAST(:unique_keys AS text[]), CAST(:concurrency_keys AS text[]),
        CAST(:concurrency_limits AS integer[]), CAST(:notifies AS bytea[]), CAST(:owing AS boolean[]),
        CAST(:late_afters AS interval[]), CAST(:straights AS boolean[])
    ) AS t (
        place, id, tenant_id, handler, queue, priority, payload, max_attempts, timeout, backoff, removal_delay,
        delivery, tags, traceparent, run_at, delay, expires_at, awaited, pending_parents, on_parent_failure, unique_key,
        concurrency_key, concurrency_limit, notify, owes, late_after, straight
    )
    CROSS JOIN alike AS a
),
fresh AS (
    SELECT given.*, clock.now, coalesce(given.run_at, clock.now + given.delay) AS due,
        given.straight AND given.queue NOT IN (SELECT name FROM held) AS goes
    FROM given CROSS JOIN clock
    WHERE NOT EXISTS (SELECT 1 FROM refused WHERE refused.place = given.place)
),
accepted AS (
    INSERT INTO tasks (
        id, tenant_id, handler, queue, priority, state, payload, max_attempts, timeout, backoff, removal_delay,
        delivery, tags, traceparent, run_at, expires_at, created_at, wait_until, ready_at, queued_at, awaited,
        pending_parents, on_parent_failure, unique_key, concurrency_key, concurrency_limit, notify, owes, late_at
    )
    SELECT id, tenant_id, handler, queue, priority,
        CASE WHEN pending_parents > 0 THEN 'blocked' WHEN due > now THEN 'waiting' WHEN goes THEN 'queued' ELSE 'ready' END,
        payload,
        max_attempts, timeout, CAST(backoff AS jsonb), removal_delay, delivery, string_to_array(tags, E'\x1f'),
        -- A `run_at` in the past means now: it does not jump the line.
        traceparent, due, expires_at, now, CASE WHEN pending_parents = 0 AND due > now THEN due END,
        CASE WHEN pending_parents = 0 AND due <= now AND NOT goes THEN now END,
        CASE WHEN pending_parents = 0 AND due <= now AND goes THEN now END, awaited, pending_parents, on_parent_failure,
        unique_key, concurrency_key, concurrency_limit, notify, owes, greatest(due, now) + late_after
    FROM fresh
)
SELECT clock.now, refused.place, refused.locked, (SELECT array_agg(name) FROM held) AS held
FROM clock LEFT JOIN refused ON true;

-- name: tasks_release :exec
-- transition: queued -> ready
-- Take back tasks whose hints did not reach their streams; they keep their places in the line.
WITH lost AS MATERIALIZED (
    SELECT id FROM tasks
    WHERE id = ANY (CAST(:ids AS uuid[])) AND state = 'queued' AND attempt = 0
    ORDER BY id
    FOR UPDATE SKIP LOCKED
)
UPDATE tasks SET state = 'ready', queued_at = NULL,
    ready_at = least(tasks.queued_at, coalesce(CAST(:now AS timestamptz), clock_timestamp()))
FROM lost
WHERE tasks.id = lost.id AND tasks.state = 'queued';

-- name: clock_now :one
-- Read the database's clock.
SELECT clock_timestamp() AS now;

-- name: unique_lock :exec
-- Let one submission at a time work on a unique key; the keys come sorted, so that two never wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended(CAST(CAST(:tenant_id AS uuid) AS text) || ' unique ' || k.key, 0))
FROM unnest(CAST(:keys AS text[])) AS k (key);

-- name: unique_holders :many
-- Read which tasks that are not final have some unique keys.
SELECT unique_key, id
FROM tasks
WHERE tenant_id = :tenant_id AND unique_key = ANY (CAST(:keys AS text[])) AND remove_at IS NULL;

-- name: parents_hold :many
-- Hold the tasks that new ones depend on, in the order of their ids, so that none of them ends meanwhile.
SELECT id, state
FROM tasks
WHERE tenant_id = :tenant_id AND id = ANY (CAST(:ids AS uuid[]))
ORDER BY id
FOR NO KEY UPDATE;

-- name: parents_await :exec
-- Mark tasks that others depend on.
UPDATE tasks SET awaited = true
WHERE id = ANY (CAST(:ids AS uuid[])) AND NOT awaited
    AND state IN ('blocked', 'waiting', 'ready', 'queued', 'running', 'dead', 'cancelled', 'expired');

-- name: dependencies_insert :exec
-- Keep who depends on whom, in the order in which parents were named.
INSERT INTO dependencies (task_id, parent_id, outcome, place)
SELECT * FROM unnest(
    CAST(:tasks AS uuid[]), CAST(:parents AS uuid[]), CAST(:outcomes AS text[]), CAST(:places AS integer[])
);

-- name: idempotency_find :one
-- Read what an idempotency key stands for.
SELECT fingerprint, task_ids, accepted_at FROM idempotency_keys WHERE tenant_id = :tenant_id AND key = :key;

-- name: idempotency_keep :one
-- Keep an idempotency key in the transaction of what it stands for, unless it is taken or in flight.
WITH asked AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(
        hashtextextended(CAST(CAST(:tenant_id AS uuid) AS text) || ' ' || CAST(:key AS text), 0)
    ) AS locked
),
kept AS (
    INSERT INTO idempotency_keys (tenant_id, key, fingerprint, task_ids, accepted_at, expires_at)
    SELECT :tenant_id, :key, :fingerprint, CAST(:task_ids AS uuid[]), CAST(:accepted_at AS timestamptz),
        CAST(:accepted_at AS timestamptz) + make_interval(secs => CAST(:key_lifetime AS double precision))
    FROM asked
    WHERE asked.locked
    ON CONFLICT (tenant_id, key) DO NOTHING
    RETURNING key
)
SELECT asked.locked, EXISTS (SELECT 1 FROM kept) AS kept FROM asked;

-- name: task_find :one
-- Read a task of a tenant.
SELECT id, tenant_id, handler, queue, priority, state, payload, result, error, error_type, reason, attempt, failures,
    lost, max_attempts, timeout, CAST(backoff AS text) AS backoff, removal_delay, delivery, tags, traceparent,
    schedule_id, nominal_at, run_at, expires_at, created_at, started_at, finished_at, cancel_requested_at,
    executor_id, wait_until, ready_at, queued_at, lease_until, remove_at, pending_parents, on_parent_failure, unique_key,
    concurrency_key, concurrency_limit, notify
FROM tasks
WHERE id = :id AND tenant_id = :tenant_id;

-- name: task_fitting :one
-- Read what a task's payload has to fit: its handler, and how many parents it has.
SELECT handler, (SELECT CAST(count(*) AS integer) FROM dependencies WHERE task_id = tasks.id) AS parents
FROM tasks
WHERE id = :id AND tenant_id = :tenant_id;

-- name: task_state :one
-- Read only where a task is.
SELECT state FROM tasks WHERE id = :id AND tenant_id = :tenant_id;

-- name: task_attempts :many
-- Read the attempts of a task, the first one first and the one that runs last, each with how far it said to be.
WITH made AS (
    SELECT task_id, attempt, executor_id, state, started_at, finished_at, error, error_type
    FROM execution_log
    WHERE task_id = :id AND tenant_id = :tenant_id
    UNION ALL
    SELECT id, attempt, executor_id, state, started_at, NULL, NULL, NULL
    FROM tasks
    WHERE id = :id AND tenant_id = :tenant_id AND state = 'running'
)
SELECT made.attempt, made.executor_id, made.state, made.started_at, made.finished_at, made.error, made.error_type,
    progress.state AS progress_state, progress.meta AS progress_meta, progress.updated_at AS progress_at
FROM made
LEFT JOIN attempt_progress AS progress ON progress.task_id = made.task_id AND progress.attempt = made.attempt
ORDER BY made.attempt;

-- name: task_logs :many
-- Read pieces of what a task's attempts have logged, in the order in which it was said, beyond a place.
SELECT attempt, part, lines
FROM attempt_logs
WHERE task_id = :id AND tenant_id = :tenant_id
    AND (attempt, part) > (CAST(:attempt AS integer), CAST(:part AS integer))
ORDER BY attempt, part
LIMIT :most;

-- name: tasks_cancel :many
-- transition: blocked -> cancelled, waiting -> cancelled, ready -> cancelled, queued -> cancelled
-- Cancel tasks that do not run; ask the executors to cancel those that do.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), held AS MATERIALIZED (
    SELECT id FROM tasks WHERE id = ANY (CAST(:ids AS uuid[])) AND tenant_id = :tenant_id ORDER BY id FOR UPDATE
)
UPDATE tasks SET
    state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
    reason = CASE WHEN state = 'running' THEN reason ELSE 'cancelled' END,
    cancel_requested_at = coalesce(cancel_requested_at, clock.now),
    finished_at = CASE WHEN state = 'running' THEN finished_at ELSE clock.now END,
    remove_at = CASE WHEN state = 'running' THEN NULL ELSE clock.now + make_interval(secs => removal_delay) END,
    wait_until = NULL,
    ready_at = NULL,
    queued_at = CASE WHEN state = 'running' THEN queued_at END
FROM clock, held
WHERE tasks.id = held.id AND state IN ('blocked', 'waiting', 'ready', 'queued', 'running')
RETURNING tasks.id, tasks.state;

-- name: tasks_redrive :many
-- transition: dead -> ready, cancelled -> ready, expired -> ready
-- Give tasks that ended badly a fresh start, with another payload where there is one; their attempts go on counting, as they
-- fence.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), held AS MATERIALIZED (
    SELECT id FROM tasks WHERE id = ANY (CAST(:ids AS uuid[])) AND tenant_id = :tenant_id ORDER BY id FOR UPDATE
)
UPDATE tasks SET
    state = 'ready',
    payload = coalesce(CAST(:payload AS bytea), payload),
    ready_at = clock.now,
    run_at = least(run_at, clock.now),
    expires_at = CASE WHEN expires_at > clock.now THEN expires_at END,
    failures = 0,
    lost = 0,
    error = NULL,
    error_type = NULL,
    reason = NULL,
    started_at = NULL,
    finished_at = NULL,
    remove_at = NULL,
    cancel_requested_at = NULL,
    executor_id = NULL,
    late_at = NULL,
    owes = owes OR notify IS NOT NULL OR EXISTS (
        SELECT FROM notification_rules AS r WHERE r.tenant_id = tasks.tenant_id AND r.disabled_at IS NULL
    ),
    -- Dependants that stayed blocked by its failure are to hear of what comes now.
    awaited = awaited OR EXISTS (SELECT FROM dependencies WHERE parent_id = tasks.id AND outcome IS NULL)
FROM clock, held
WHERE tasks.id = held.id AND state IN ('dead', 'cancelled', 'expired')
RETURNING tasks.id, tasks.state;

-- name: task_edit :one
-- transition: waiting -> ready, ready -> waiting
-- Change a task that is not in Redis yet; a new `run_at` may move it between waiting and ready.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now, CAST(:run_at AS timestamptz) AS run_at
)
UPDATE tasks SET
    priority = coalesce(CAST(:priority AS smallint), priority),
    max_attempts = coalesce(CAST(:max_attempts AS integer), max_attempts),
    removal_delay = coalesce(CAST(:removal_delay AS double precision), removal_delay),
    tags = coalesce(CAST(:tags AS text[]), tags),
    timeout = CASE WHEN CAST(:set_timeout AS boolean) THEN CAST(:timeout AS double precision) ELSE timeout END,
    expires_at = CASE WHEN CAST(:set_expires_at AS boolean) THEN CAST(:expires_at AS timestamptz) ELSE expires_at END,
    run_at = coalesce(clock.run_at, tasks.run_at),
    late_at = late_at + (greatest(coalesce(clock.run_at, tasks.run_at), created_at) - greatest(tasks.run_at, created_at)),
    state = CASE
        WHEN clock.run_at IS NULL THEN state
        WHEN clock.run_at > clock.now THEN 'waiting'
        ELSE 'ready'
    END,
    wait_until = CASE
        WHEN clock.run_at IS NULL THEN wait_until
        WHEN clock.run_at > clock.now THEN clock.run_at
    END,
    ready_at = CASE
        WHEN clock.run_at IS NULL THEN ready_at
        WHEN clock.run_at <= clock.now THEN coalesce(ready_at, clock.now)
    END
FROM clock
WHERE id = :id AND tenant_id = :tenant_id AND state IN ('waiting', 'ready')
RETURNING state;

-- name: tasks_discard :many
-- Let the reaper have final tasks now.
WITH held AS MATERIALIZED (
    SELECT id FROM tasks WHERE id = ANY (CAST(:ids AS uuid[])) AND tenant_id = :tenant_id ORDER BY id FOR UPDATE
)
UPDATE tasks SET remove_at = coalesce(CAST(:now AS timestamptz), clock_timestamp())
FROM held
WHERE tasks.id = held.id AND state IN ('complete', 'dead', 'cancelled', 'expired')
RETURNING tasks.id, tasks.state;

-- name: tasks_reprioritise :many
-- Give tasks that are not in Redis yet another priority.
WITH held AS MATERIALIZED (
    SELECT id FROM tasks WHERE id = ANY (CAST(:ids AS uuid[])) AND tenant_id = :tenant_id ORDER BY id FOR UPDATE
)
UPDATE tasks SET priority = CAST(:priority AS smallint)
FROM held
WHERE tasks.id = held.id AND state IN ('blocked', 'waiting', 'ready')
RETURNING tasks.id, tasks.state;

-- name: queue_set :one
-- Pause, resume or limit a queue; what is not to be set stays as it is.
INSERT INTO queues AS q (name, paused_at, paused_until, rate, concurrency, updated_at)
SELECT :name, CASE WHEN CAST(:pause AS boolean) THEN clock.now END, CAST(:paused_until AS timestamptz),
    CAST(:rate AS double precision), CAST(:concurrency AS integer), clock.now
FROM (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
ON CONFLICT (name) DO UPDATE SET
    paused_at = CASE
        WHEN NOT CAST(:set_pause AS boolean) THEN q.paused_at
        WHEN CAST(:pause AS boolean) THEN coalesce(q.paused_at, excluded.updated_at)
    END,
    paused_until = CASE WHEN CAST(:set_pause AS boolean) THEN excluded.paused_until ELSE q.paused_until END,
    rate = CASE WHEN CAST(:set_rate AS boolean) THEN excluded.rate ELSE q.rate END,
    concurrency = CASE WHEN CAST(:set_concurrency AS boolean) THEN excluded.concurrency ELSE q.concurrency END,
    updated_at = excluded.updated_at
RETURNING name, paused_at, paused_until, rate, concurrency, tokens, tokens_at, updated_at AS now;

-- name: queues_valves :many
-- Read what is set for queues; for all of them, or for one.
SELECT name, paused_at, paused_until, rate, concurrency, tokens, tokens_at
FROM queues
WHERE CAST(:name AS text) IS NULL OR name = :name
ORDER BY name;

-- name: line_ahead :one
-- Count the ready tasks of a queue and priority that go before one of them, up to a limit.
SELECT CAST(count(*) AS integer)
FROM (
    SELECT 1 FROM tasks
    WHERE queue = :queue AND priority = CAST(:priority AS smallint)
        AND (ready_at, id) < (CAST(:ready_at AS timestamptz), CAST(:id AS uuid))
    LIMIT CAST(:most AS integer)
) AS before;

-- name: queue_in_flight :one
-- Count the tasks of a queue that are queued or running, whoever they belong to.
SELECT CAST(count(*) AS integer) AS tasks FROM tasks WHERE queued_at IS NOT NULL AND queue = :queue;

-- name: queues_depths :many
-- Count a tenant's tasks that are not final by queue and state, and say since when the oldest one has been ready.
-- Each part reads the entries of one partial index.
WITH found AS (
    SELECT queue, 'ready' AS state, count(*) AS tasks, min(ready_at) AS since FROM tasks
    WHERE ready_at IS NOT NULL AND tenant_id = :tenant_id GROUP BY queue
    UNION ALL
    SELECT queue, 'waiting', count(*), NULL FROM tasks
    WHERE wait_until IS NOT NULL AND tenant_id = :tenant_id GROUP BY queue
    UNION ALL
    SELECT queue, state, count(*), NULL FROM tasks
    WHERE queued_at IS NOT NULL AND tenant_id = :tenant_id GROUP BY queue, state
)
SELECT queue, state, CAST(tasks AS integer) AS tasks, since, clock_timestamp() AS now FROM found;

-- name: key_holders :many
-- Read the tasks that have a concurrency key's slots: which are queued or running.
SELECT id, state FROM tasks
WHERE tenant_id = :tenant_id AND concurrency_key = :key AND queued_at IS NOT NULL
ORDER BY queued_at
LIMIT :most;

-- name: parents_open :many
-- Read the parents of a task that have not counted yet, the first of them, and where they are.
SELECT dependencies.parent_id AS id, tasks.state
FROM dependencies LEFT JOIN tasks ON tasks.id = dependencies.parent_id
WHERE dependencies.task_id = :id AND dependencies.outcome IS NULL
ORDER BY dependencies.parent_id
LIMIT :most;

-- name: executors_serving :one
-- Count the live executors, those that serve a handler, and those that serve it on a queue; and say as of when.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
SELECT clock.now, count(e.id) AS live,
    count(*) FILTER (WHERE :handler = ANY (e.handlers)) AS serving_handler,
    count(*) FILTER (WHERE :handler = ANY (e.handlers) AND (:queue = ANY (e.queues) OR '*' = ANY (e.queues))) AS serving
FROM clock
LEFT JOIN executors AS e ON e.heartbeat_at > clock.now - make_interval(secs => CAST(:stale AS double precision))
GROUP BY clock.now;

-- name: executors_list :many
-- Read the live executors, the oldest first, and how many tasks each holds.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
held AS (
    SELECT executor_id, count(*) AS running FROM tasks
    WHERE queued_at IS NOT NULL AND state = 'running'
    GROUP BY executor_id
)
SELECT e.id, e.hostname, e.pid, e.queues, e.handlers, coalesce(held.running, 0) AS running, e.started_at, e.heartbeat_at
FROM clock
JOIN executors AS e ON e.heartbeat_at > clock.now - make_interval(secs => CAST(:stale AS double precision))
LEFT JOIN held ON held.executor_id = e.id
ORDER BY e.started_at, e.id;

-- name: executor_find :one
-- Read who an executor is and when it was last heard of.
SELECT id, hostname, pid, heartbeat_at FROM executors WHERE id = :id;

-- name: api_key_find :one
-- Read whose an API key is, by its public part.
SELECT tenant_id, secret_hash FROM api_keys WHERE id = :id AND revoked_at IS NULL;

-- name: bootstrap_lock :exec
-- Let one gateway at a time look whether the first tenant and key are there.
SELECT pg_advisory_xact_lock(:turn);

-- name: api_keys_exist :one
-- Tell whether any API key was ever made.
SELECT EXISTS (SELECT 1 FROM api_keys) AS exist;

-- name: tenant_is :one
-- Tell whether a tenant has a name.
SELECT EXISTS (SELECT 1 FROM tenants WHERE id = CAST(:id AS uuid) AND name = :name) AS named;

-- name: tenant_ensure :one
-- Return a tenant by its name, made where it is missing.
WITH made AS (
    INSERT INTO tenants (id, name) VALUES (:id, :name) ON CONFLICT (name) DO NOTHING RETURNING id
)
SELECT id FROM made UNION ALL SELECT id FROM tenants WHERE name = :name LIMIT 1;

-- name: api_key_ensure :one
-- Keep an API key unless its public part is there, and return the hash that is kept.
WITH made AS (
    INSERT INTO api_keys (id, tenant_id, name, secret_hash) VALUES (:id, :tenant_id, :name, :secret_hash)
    ON CONFLICT (id) DO NOTHING RETURNING secret_hash
)
SELECT secret_hash FROM made UNION ALL SELECT secret_hash FROM api_keys WHERE id = :id LIMIT 1;

-- name: schema_find :one
-- Tell whether the database was ever migrated.
SELECT to_regclass('alembic_version') IS NOT NULL AS migrated;

-- name: schema_version :one
-- Read which migration ran last.
SELECT version_num FROM alembic_version;
