-- Bulk operations, and what they are mostly for: dead letters.

-- name: operation_insert :one
-- Keep a bulk operation; one that is only tried is over at once.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
INSERT INTO operations (id, tenant_id, action, filter, priority, dry_run, counted, created_at, finished_at)
SELECT :id, :tenant_id, :action, CAST(:filter AS jsonb), CAST(:priority AS smallint), CAST(:dry_run AS boolean), :counted,
    now, CASE WHEN CAST(:dry_run AS boolean) OR CAST(:counted AS bigint) = 0 THEN now END
FROM clock
RETURNING id;

-- name: operation_find :one
-- Read a bulk operation of a tenant.
SELECT id, action, CAST(filter AS text) AS filter, priority, dry_run, counted, done, failed, created_at, finished_at
FROM operations
WHERE id = :id AND tenant_id = :tenant_id;

-- name: operations_list :many
-- Read a tenant's bulk operations, the newest first, from below an id.
SELECT id, action, CAST(filter AS text) AS filter, priority, dry_run, counted, done, failed, created_at, finished_at
FROM operations
WHERE tenant_id = :tenant_id AND (CAST(:below AS uuid) IS NULL OR id < :below)
ORDER BY id DESC
LIMIT :count;

-- name: operation_hold :one
-- Hold the oldest bulk operation that is not over and that no other gateway works on.
SELECT id, tenant_id, action, CAST(filter AS text) AS filter, priority, reached, created_at
FROM operations
WHERE finished_at IS NULL
ORDER BY created_at, id
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: operation_advance :exec
-- Note how far a bulk operation has come, in the transaction of what it has changed.
UPDATE operations
SET done = done + :done, failed = failed + :failed, reached = CAST(:reached AS uuid),
    finished_at = CASE WHEN CAST(:over AS boolean) THEN coalesce(CAST(:now AS timestamptz), clock_timestamp()) END
WHERE id = :id;

-- name: dead_letters :many
-- Count a tenant's dead tasks by their handler, error and reason, the most frequent first, behind some groups.
SELECT handler, error_type, reason, count(*) AS count, min(finished_at) AS first_at, max(finished_at) AS last_at,
    CAST(max(CAST(id AS text)) AS uuid) AS latest_task_id
FROM tasks
WHERE tenant_id = :tenant_id AND reason IS NOT NULL AND state = 'dead'
GROUP BY handler, error_type, reason
ORDER BY count(*) DESC, handler, error_type, reason
LIMIT :count OFFSET :passed;
