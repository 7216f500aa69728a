-- The gateway's statements about schedules. `:now` is null in production: then the database's clock decides.

-- name: schedule_moment :one
-- Read the database's clock for a new schedule, and whether its name is taken already.
SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now,
    EXISTS (SELECT 1 FROM schedules WHERE tenant_id = :tenant_id AND name = :name) AS taken;

-- name: schedule_insert :one
-- Keep a new schedule, unless its name is taken.
INSERT INTO schedules (
    id, tenant_id, name, handler, queue, priority, payload, every, cron, timezone, rule, overlap, max_attempts, timeout,
    backoff, removal_delay, delivery, tags, starts_at, next_run_at, created_at, updated_at, managed_by,
    notify, late_after
)
VALUES (
    :id, :tenant_id, :name, :handler, :queue, :priority, :payload, :every, :cron, :timezone,
    CAST(CAST(:rule AS text) AS jsonb), :overlap, :max_attempts, :timeout, CAST(CAST(:backoff AS text) AS jsonb),
    :removal_delay, :delivery, :tags, :starts_at, :next_run_at, :created_at, :created_at, :managed_by, :notify,
    :late_after
)
ON CONFLICT (tenant_id, name) DO NOTHING
RETURNING id;

-- name: schedule_find :one
-- Read a schedule of a tenant and the clock.
SELECT id, tenant_id, name, handler, queue, priority, payload, every, cron, timezone, CAST(rule AS text) AS rule, overlap,
    max_attempts, timeout, CAST(backoff AS text) AS backoff, removal_delay, delivery, tags, source, fired, starts_at,
    next_run_at, last_run_at, paused_at, paused_until, ended_at, created_at, updated_at, managed_by, pause_reason, failures,
    last_error, retry_at, notify, late_after,
    coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
FROM schedules
WHERE id = :id AND tenant_id = :tenant_id;

-- name: schedule_lock :one
-- Read a schedule of a tenant and the clock, and keep it as it is until the transaction ends.
SELECT id, tenant_id, name, handler, queue, priority, payload, every, cron, timezone, CAST(rule AS text) AS rule, overlap,
    max_attempts, timeout, CAST(backoff AS text) AS backoff, removal_delay, delivery, tags, source, fired, starts_at,
    next_run_at, last_run_at, paused_at, paused_until, ended_at, created_at, updated_at, managed_by, pause_reason, failures,
    last_error, retry_at, notify, late_after,
    coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
FROM schedules
WHERE id = :id AND tenant_id = :tenant_id
FOR UPDATE;

-- name: schedules_list :many
-- Read a tenant's schedules, or those that one file keeps or that have a name, the newest first, from below an id.
SELECT id, tenant_id, name, handler, queue, priority, payload, every, cron, timezone, CAST(rule AS text) AS rule, overlap,
    max_attempts, timeout, CAST(backoff AS text) AS backoff, removal_delay, delivery, tags, source, fired, starts_at,
    next_run_at, last_run_at, paused_at, paused_until, ended_at, created_at, updated_at, managed_by, pause_reason, failures,
    last_error, retry_at, notify, late_after
FROM schedules
WHERE tenant_id = :tenant_id AND (CAST(:below AS uuid) IS NULL OR id < :below)
    AND (CAST(:managed_by AS text) IS NULL OR managed_by = :managed_by)
    AND (CAST(:name AS text) IS NULL OR name = :name)
ORDER BY id DESC
LIMIT :count;

-- name: schedule_update :one
-- Write a schedule that was read under a lock, unless its new name is taken.
UPDATE schedules SET
    name = :name, handler = :handler, queue = :queue, priority = :priority, payload = :payload, every = :every,
    cron = :cron, timezone = :timezone, rule = CAST(CAST(:rule AS text) AS jsonb), overlap = :overlap,
    max_attempts = :max_attempts, timeout = :timeout, backoff = CAST(CAST(:backoff AS text) AS jsonb),
    removal_delay = :removal_delay, delivery = :delivery, tags = :tags, starts_at = :starts_at,
    next_run_at = :next_run_at, paused_at = :paused_at, paused_until = :paused_until, ended_at = :ended_at,
    updated_at = :updated_at, managed_by = :managed_by, pause_reason = :pause_reason, failures = :failures,
    last_error = :last_error, retry_at = :retry_at, notify = :notify, late_after = :late_after
WHERE id = :id AND tenant_id = :tenant_id
RETURNING id;

-- name: schedule_delete :one
-- Delete a schedule and its ledger; the tasks that it fired go on.
WITH gone AS (
    DELETE FROM schedules WHERE id = :id AND tenant_id = :tenant_id RETURNING id
),
ledger AS (
    DELETE FROM fires USING gone WHERE fires.schedule_id = gone.id
)
SELECT id FROM gone;

-- name: schedule_fire :many
-- transition: (new) -> ready
-- Fire a schedule, which is held under a lock, for nominal times that have no task yet, and return what was born.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
entry AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:nominals AS timestamptz[]), CAST(:task_ids AS uuid[])) AS given (nominal_at, task_id)
),
written AS (
    INSERT INTO fires (schedule_id, nominal_at, tenant_id, task_id, fired_at, outcome, reason)
    SELECT :id, entry.nominal_at, :tenant_id, entry.task_id, clock.now, 'fired', CAST(:reason AS text)
    FROM entry, clock
    ON CONFLICT (schedule_id, nominal_at) DO UPDATE
        SET task_id = excluded.task_id, fired_at = excluded.fired_at, outcome = excluded.outcome, reason = excluded.reason
        WHERE fires.task_id IS NULL
    RETURNING nominal_at, task_id, fired_at
)
INSERT INTO tasks (
    id, tenant_id, handler, queue, priority, state, payload, max_attempts, timeout, backoff, removal_delay, delivery,
    tags, schedule_id, nominal_at, run_at, expires_at, created_at, ready_at, notify, owes, late_at
)
SELECT written.task_id, s.tenant_id, s.handler, s.queue, s.priority, 'ready', s.payload, s.max_attempts, s.timeout,
    s.backoff, s.removal_delay, s.delivery, s.tags, s.id, written.nominal_at, written.nominal_at,
    written.fired_at + make_interval(secs => CAST(:expires_after AS double precision)), written.fired_at,
    written.fired_at, s.notify, s.notify IS NOT NULL OR EXISTS (
        SELECT FROM notification_rules AS r
        WHERE r.tenant_id = s.tenant_id AND r.disabled_at IS NULL AND r.events && '{complete,dead}'
    ),
    greatest(written.nominal_at, written.fired_at) + make_interval(secs => least(s.late_after, (
        SELECT min(r.late_after) FROM notification_rules AS r
        WHERE r.tenant_id = s.tenant_id AND r.disabled_at IS NULL
    )))
FROM written, schedules AS s
WHERE s.id = :id AND s.tenant_id = :tenant_id
RETURNING nominal_at, id AS task_id;

-- name: schedule_skip :one
-- Write down that a nominal time does not fire, unless something has become of it already.
INSERT INTO fires (schedule_id, nominal_at, tenant_id, fired_at, outcome, reason)
VALUES (:id, :nominal_at, :tenant_id, :skipped_at, 'skipped', :reason)
ON CONFLICT (schedule_id, nominal_at) DO NOTHING
RETURNING nominal_at;

-- name: fires_list :many
-- Read a schedule's ledger, the latest nominal time first, from before a time.
SELECT nominal_at, outcome, reason, task_id, fired_at
FROM fires
WHERE schedule_id = :id AND tenant_id = :tenant_id
    AND (CAST(:before AS timestamptz) IS NULL OR nominal_at < :before)
ORDER BY nominal_at DESC
LIMIT :count;
