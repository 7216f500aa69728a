-- name: tasks_claim :many
-- transition: queued -> running
-- Claim the tasks of a batch of hints that are still as the hints say, lock them in the order of their ids, and give each a
-- lease until everything before it in the batch, and itself, has had its time.
WITH moment AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), held AS MATERIALIZED (
    SELECT t.id, h.place, least(coalesce(t.timeout, CAST(:default_timeout AS double precision)), 31536000) AS timeout
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[])) WITH ORDINALITY AS h(id, attempt, place)
    JOIN tasks AS t ON t.id = h.id
    CROSS JOIN moment AS m
    WHERE t.state = 'queued'
        AND t.attempt = h.attempt
        AND (t.expires_at IS NULL OR t.expires_at > m.now)
        AND t.cancel_requested_at IS NULL
    ORDER BY t.id
    FOR UPDATE OF t
), leased AS (
    SELECT
        held.*,
        -- After the message's hard limit its child is killed, so no lease need be longer; LEAST passes over null.
        least(sum(timeout) OVER (ORDER BY place), CAST(:hard_limit AS double precision))
            + CAST(:grace AS double precision) AS lease
    FROM held
)
UPDATE tasks AS t
SET state = 'running',
    attempt = t.attempt + 1,
    executor_id = CAST(:executor_id AS uuid),
    started_at = m.now,
    lease_until = m.now + l.lease * interval '1 second'
FROM leased AS l CROSS JOIN moment AS m
WHERE t.id = l.id AND t.state = 'queued'
RETURNING
    t.id, t.tenant_id, t.handler, t.queue, t.payload, t.attempt, t.failures, t.lost, t.max_attempts, l.timeout, t.backoff,
    t.delivery, t.schedule_id, t.traceparent, t.started_at, l.lease, l.place;

-- name: tasks_finish :many
-- transition: running -> complete, running -> waiting, running -> dead, running -> cancelled
-- Record how attempts ended, with their rows in the execution log, and return what was still theirs to record; a task that
-- would wait for another attempt although somebody has asked for its cancellation is returned untouched, to be decided anew.
WITH moment AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), ending AS MATERIALIZED (
    SELECT *
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:states AS text[]), CAST(:attempt_states AS text[]),
        CAST(:failures AS integer[]), CAST(:losts AS integer[]), CAST(:waits AS double precision[]),
        CAST(:reasons AS text[]), CAST(:results AS bytea[]), CAST(:errors AS bytea[]), CAST(:error_types AS text[])
    ) AS e(id, attempt, state, attempt_state, failures, lost, wait, reason, result, error, error_type)
), held AS MATERIALIZED (
    SELECT
        t.id, t.tenant_id, t.attempt, t.executor_id, t.started_at,
        e.state = 'waiting' AND t.cancel_requested_at IS NOT NULL AS cancelled
    FROM ending AS e
    JOIN tasks AS t ON t.id = e.id
    WHERE t.state = 'running' AND t.attempt = e.attempt
    ORDER BY t.id
    FOR UPDATE OF t
), recorded AS (
    UPDATE tasks AS t
    SET state = e.state,
        failures = e.failures,
        lost = e.lost,
        result = e.result,
        error = e.error,
        error_type = e.error_type,
        reason = e.reason,
        wait_until = m.now + e.wait * interval '1 second',
        run_at = coalesce(m.now + e.wait * interval '1 second', t.run_at),
        finished_at = CASE WHEN e.wait IS NULL THEN m.now END,
        remove_at = CASE WHEN e.wait IS NULL THEN m.now + least(t.removal_delay, 3153600000) * interval '1 second' END,
        queued_at = NULL,
        lease_until = NULL,
        executor_id = NULL
    FROM ending AS e JOIN held AS h ON h.id = e.id AND NOT h.cancelled CROSS JOIN moment AS m
    WHERE t.id = e.id AND t.state = 'running' AND t.attempt = e.attempt
), logged AS (
    INSERT INTO attempts (task_id, attempt, tenant_id, executor_id, state, started_at, finished_at, error, error_type)
    SELECT h.id, h.attempt, h.tenant_id, h.executor_id, e.attempt_state, h.started_at, m.now, e.error, e.error_type
    FROM held AS h JOIN ending AS e ON e.id = h.id CROSS JOIN moment AS m
    WHERE NOT h.cancelled
    ON CONFLICT (task_id, attempt) DO NOTHING
)
SELECT id, cancelled FROM held;

-- name: tasks_abandoned :many
-- Read the tasks of a batch of hints that an executor claimed and that nobody has finished.
SELECT t.id, t.attempt, t.failures, t.lost, t.max_attempts, t.backoff, t.delivery,
    t.cancel_requested_at IS NOT NULL AS cancel_requested
FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[])) AS h(id, attempt)
JOIN tasks AS t ON t.id = h.id
WHERE t.state = 'running'
    AND t.executor_id = CAST(:executor_id AS uuid)
    AND t.attempt = h.attempt + 1;
