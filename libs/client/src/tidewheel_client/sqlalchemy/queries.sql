-- The statements of the transactional submission; they run in the transaction of the caller.

-- name: tenant_find :one
-- Read whose tasks they are, and the database's clock.
SELECT id, clock_timestamp() AS now FROM tenants WHERE name = :name;

-- name: task_enqueue :one
-- transition: (new) -> ready, (new) -> waiting
-- Insert a task that is accepted when the caller commits; the dispatcher and the scheduler cannot see it before.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
fresh AS MATERIALIZED (
    SELECT now, coalesce(CAST(:run_at AS timestamptz), now + CAST(:delay AS interval)) AS due FROM clock
)
INSERT INTO tasks (
    id, tenant_id, handler, queue, priority, state, payload, max_attempts, timeout, backoff, removal_delay, delivery,
    tags, traceparent, run_at, expires_at, created_at, wait_until, ready_at, concurrency_key, concurrency_limit,
    notify, owes, late_at
)
SELECT CAST(:id AS uuid), CAST(:tenant_id AS uuid), CAST(:handler AS text), CAST(:queue AS text),
    CAST(:priority AS smallint), CASE WHEN due > now THEN 'waiting' ELSE 'ready' END, CAST(:payload AS bytea),
    CAST(:max_attempts AS integer), CAST(:timeout AS double precision), CAST(CAST(:backoff AS text) AS jsonb),
    CAST(:removal_delay AS double precision), CAST(:delivery AS text), CAST(:tags AS text[]),
    CAST(:traceparent AS text), due, CAST(:expires_at AS timestamptz), now, CASE WHEN due > now THEN due END,
    CASE WHEN due <= now THEN now END, CAST(:concurrency_key AS text), CAST(:concurrency_limit AS integer),
    CAST(:notify AS bytea),
    CAST(:notify AS bytea) IS NOT NULL OR EXISTS (
        SELECT FROM notification_rules AS r
        WHERE r.tenant_id = CAST(:tenant_id AS uuid) AND r.disabled_at IS NULL AND r.events && '{complete,dead}'
    ),
    greatest(due, now) + make_interval(secs => least(CAST(:late_after AS double precision), (
        SELECT min(r.late_after) FROM notification_rules AS r
        WHERE r.tenant_id = CAST(:tenant_id AS uuid) AND r.disabled_at IS NULL
    )))
FROM fresh
RETURNING id;
