-- The statements that keep an app's `beat_schedule` in the table of schedules.

-- name: sync_lock :exec
-- Let one scheduler at a time synchronise.
SELECT pg_advisory_xact_lock(hashtextextended('tidewheel beat schedule', 0));

-- name: tenant_ensure :one
-- Return the tenant that beat schedules belong to, made where it is missing, and the clock.
WITH made AS (
    INSERT INTO tenants (id, name) VALUES (:id, :name) ON CONFLICT (name) DO NOTHING RETURNING id
)
SELECT id, coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
FROM (SELECT id FROM made UNION ALL SELECT id FROM tenants WHERE name = :name LIMIT 1) AS tenant;

-- name: synced_find :many
-- Read every schedule of the tenant that came from an app.
SELECT id, name, handler, queue, every, cron, CAST(rule AS text) AS rule, timezone, payload, max_attempts, priority,
    timeout, starts_at, source, paused_at
FROM schedules
WHERE tenant_id = :tenant_id AND source IN ('celery', 'celery_removed')
FOR UPDATE;

-- name: synced_insert :one
-- Keep a new entry, unless a schedule that somebody made has its name.
INSERT INTO schedules (
    id, tenant_id, name, handler, queue, priority, payload, every, cron, rule, timezone, max_attempts, timeout,
    removal_delay, delivery, starts_at, next_run_at, created_at, updated_at, source
)
VALUES (
    :id, :tenant_id, :name, :handler, :queue, :priority, :payload, :every, :cron, CAST(CAST(:rule AS text) AS jsonb),
    :timezone, :max_attempts, :timeout, :removal_delay, 'at_least_once', :now, :next_run_at, :now, :now, 'celery'
)
ON CONFLICT (tenant_id, name) DO NOTHING
RETURNING id;

-- name: synced_update :exec
-- Follow an entry that has changed, or that is back.
UPDATE schedules
SET handler = :handler, queue = :queue, payload = :payload, every = :every, cron = :cron, timezone = :timezone,
    rule = (rule - 'specs' - 'expires_after') || CAST(CAST(:rule AS text) AS jsonb), max_attempts = :max_attempts, priority = :priority,
    timeout = :timeout, starts_at = :starts_at, next_run_at = :next_run_at,
    paused_at = :paused_at, paused_until = NULL, ended_at = NULL, updated_at = :now, source = 'celery',
    pause_reason = CASE WHEN CAST(:paused_at AS timestamptz) IS NOT NULL THEN pause_reason END,
    failures = 0, last_error = NULL, retry_at = NULL
WHERE id = :id;

-- name: synced_pause :many
-- Pause the entries that the app has no more; they go on when they are back.
UPDATE schedules
SET paused_at = :now, paused_until = NULL, next_run_at = NULL, updated_at = :now, source = 'celery_removed',
    pause_reason = 'The app has this entry no more, or it cannot be followed as it is now.',
    failures = 0, last_error = NULL, retry_at = NULL
WHERE tenant_id = :tenant_id AND source = 'celery' AND NOT name = ANY (CAST(:names AS text[]))
RETURNING name;
