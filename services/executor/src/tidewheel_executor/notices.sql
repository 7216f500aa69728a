-- Notifications: what the end of a task, a task that has not begun in time, or a fire that was late or missed owes to those
-- who want to be told.

-- name: tasks_owing :many
-- Hold tasks that have ended and of which nobody has been told yet.
SELECT id, tenant_id, handler, queue, tags, state, reason, error_type, attempt, finished_at, schedule_id, traceparent, notify
FROM tasks
WHERE owes AND remove_at IS NOT NULL
ORDER BY finished_at
LIMIT :size
FOR NO KEY UPDATE SKIP LOCKED;

-- name: fires_owing :many
-- Hold fires that were late or missed and of which nobody has been told yet.
SELECT f.schedule_id, f.nominal_at, f.tenant_id, f.outcome, f.reason, f.task_id, f.fired_at, s.name, s.handler, s.queue,
    s.tags, s.notify
FROM fires AS f JOIN schedules AS s ON s.id = f.schedule_id
WHERE f.owes
ORDER BY f.fired_at
LIMIT :size
FOR NO KEY UPDATE OF f SKIP LOCKED;

-- name: tasks_lapsed :many
-- Hold tasks that had not begun in time and of which nobody has been told yet. Once one is tried again, its `run_at` is another.
SELECT id, tenant_id, handler, queue, tags, schedule_id, traceparent, notify, late_at, lapsed_at,
    CASE WHEN attempt = 0 THEN greatest(run_at, created_at) END AS due_at
FROM tasks
WHERE lapsed_at IS NOT NULL
ORDER BY lapsed_at
LIMIT :size
FOR NO KEY UPDATE SKIP LOCKED;

-- name: rules_of :many
-- Read the rules of some tenants that are not disabled.
SELECT id, tenant_id, events, handler, queue, tag, target, late_after
FROM notification_rules
WHERE tenant_id = ANY (CAST(:tenants AS uuid[])) AND disabled_at IS NULL
ORDER BY id;

-- name: notices_insert :exec
-- transition: (new) -> ready
-- Insert notifications, each a task of its own.
INSERT INTO tasks (
    id, tenant_id, handler, queue, priority, state, payload, max_attempts, timeout, backoff, removal_delay, delivery,
    traceparent, run_at, created_at, ready_at, notify, owes
)
SELECT made.id, made.tenant_id, made.handler, :queue, 1, 'ready', made.payload, :max_attempts, :timeout,
    CAST(CAST(:backoff AS text) AS jsonb), :removal_delay, 'at_least_once', made.traceparent, clock.now, clock.now,
    clock.now, made.notify, made.owes
FROM unnest(
    CAST(:ids AS uuid[]), CAST(:tenants AS uuid[]), CAST(:handlers AS text[]), CAST(:payloads AS bytea[]),
    CAST(:traceparents AS text[]), CAST(:notifies AS bytea[]), CAST(:owing AS boolean[])
) AS made (id, tenant_id, handler, payload, traceparent, notify, owes)
CROSS JOIN (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock;

-- name: tasks_settle :exec
-- Note that those have been told whom the ends of tasks concern.
UPDATE tasks SET owes = false
WHERE id = ANY (CAST(:ids AS uuid[])) AND state IN ('complete', 'dead', 'cancelled', 'expired');

-- name: lapses_settle :exec
-- Note that those have been told whom it concerns that tasks have not begun, and when others want to know of it.
UPDATE tasks SET lapsed_at = NULL, late_at = told.next_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:nexts AS timestamptz[])) AS told (id, next_at)
WHERE tasks.id = told.id
    AND state IN ('blocked', 'waiting', 'ready', 'queued', 'running', 'complete', 'dead', 'cancelled', 'expired');

-- name: fires_settle :exec
-- Note that those have been told whom fires concern.
UPDATE fires SET owes = false
FROM unnest(CAST(:schedules AS uuid[]), CAST(:nominals AS timestamptz[])) AS told (schedule_id, nominal_at)
WHERE fires.schedule_id = told.schedule_id AND fires.nominal_at = told.nominal_at;

-- name: rules_disable :exec
-- Disable rules whose target does not want to be told any more.
UPDATE notification_rules
SET disabled_at = clock.now, updated_at = clock.now, disabled_reason = :reason
FROM (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
WHERE id = ANY (CAST(:ids AS uuid[])) AND disabled_at IS NULL;
