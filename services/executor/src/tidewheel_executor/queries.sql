-- name: tasks_claim :many
-- transition: queued -> running
-- Claim the tasks of a batch of hints that are still as the hints say, in the order of their ids, and give each its lease.
-- Payloads beyond a size are left behind, so that no batch is larger than its process; `payloads_read` brings them.
-- Its plan is kept: ANY of an array of one leaves no other way than from the hints to the rows by their ids.
WITH moment AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
UPDATE tasks AS t
SET state = 'running',
    attempt = t.attempt + 1,
    executor_id = CAST(:executor_id AS uuid),
    started_at = m.now,
    lease_until = m.now + h.lease * interval '1 second'
FROM (
    SELECT *
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:leases AS double precision[])) AS e(id, attempt, lease)
    ORDER BY id
) AS h CROSS JOIN moment AS m
WHERE t.id = ANY (ARRAY[h.id]) AND t.state = 'queued' AND t.attempt = h.attempt
    AND (t.expires_at IS NULL OR t.expires_at > m.now) AND t.cancel_requested_at IS NULL
RETURNING
    t.id, t.tenant_id, t.handler, t.queue,
    CASE WHEN octet_length(t.payload) <= CAST(:payload_bytes AS integer) THEN t.payload END AS payload,
    t.attempt, t.failures, t.lost, t.max_attempts, t.timeout, t.backoff, t.delivery, t.schedule_id, t.traceparent,
    t.started_at, t.on_parent_failure IS NOT NULL AS linked;

-- name: payloads_read :many
-- Read the payloads of the first of some tasks, up to a size in all, the first of them in any case. One whose row is gone has
-- none: others have run it meanwhile.
SELECT id, payload
FROM (
    SELECT h.id, h.place, t.payload,
        sum(octet_length(t.payload)) OVER (ORDER BY h.place) - octet_length(t.payload) AS bytes_before
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS h(id, place)
    LEFT JOIN tasks AS t ON t.id = h.id
) AS found
WHERE coalesce(bytes_before, 0) < CAST(:most_bytes AS bigint)
ORDER BY place;

-- name: parents_results :many
-- Read the parents of the first of some tasks in the order in which they were named, with the results of those that are
-- complete: for each task up to a size in all, and for no more tasks than have room, the first of them in any case.
SELECT task_id, parent_id, complete AND bytes <= CAST(:most_bytes AS bigint) AS known,
    CASE WHEN complete AND bytes <= CAST(:most_bytes AS bigint) THEN result END AS result
FROM (
    SELECT task_id, turn, parent_id, place, result, complete,
        sum(size) OVER (PARTITION BY turn ORDER BY place, parent_id) AS bytes,
        sum(size) OVER (ORDER BY turn) - sum(size) OVER (PARTITION BY turn) AS bytes_before
    FROM (
        SELECT h.id AS task_id, h.turn, d.parent_id, d.place, p.result, p.id IS NOT NULL AS complete,
            coalesce(octet_length(p.result), 0) AS size
        FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS h(id, turn)
        LEFT JOIN dependencies AS d ON d.task_id = h.id
        LEFT JOIN tasks AS p ON p.id = d.parent_id AND d.outcome = 'complete'
    ) AS parents
) AS found
WHERE bytes_before < CAST(:most_bytes AS bigint)
ORDER BY turn, place, parent_id;

-- name: tasks_complete :many
-- transition: running -> complete
-- Record attempts that have completed their tasks, as most do, and return those that were still theirs to record. What others
-- depend on is left untouched: `tasks_finish` is for what is not returned. The row is all that is kept of the attempt.
-- Its plan is kept, as that of the claim; with another one it would not lock in the order of the ids.
WITH moment AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
UPDATE tasks AS t
SET state = 'complete',
    result = h.result,
    error = NULL,
    error_type = NULL,
    reason = NULL,
    finished_at = m.now,
    remove_at = m.now + least(t.removal_delay, 3153600000) * interval '1 second',
    queued_at = NULL,
    lease_until = NULL
FROM (
    SELECT *
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:results AS bytea[])) AS e(id, attempt, result)
    ORDER BY id
) AS h CROSS JOIN moment AS m
WHERE t.id = ANY (ARRAY[h.id]) AND t.state = 'running' AND t.attempt = h.attempt AND NOT t.awaited
RETURNING t.id;

-- name: tasks_finish :many
-- transition: running -> complete, running -> waiting, running -> dead, running -> cancelled
-- Record how attempts ended, and log those that have not completed their tasks; return what was still theirs to record. A task
-- that would wait for another attempt although somebody has asked for its cancellation is returned untouched, to be decided anew.
-- So is one that would end while others depend on it, where `hold_awaited` says so: it ends in their transaction.
-- Its plan is kept, as that of the claim.
WITH moment AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), held AS MATERIALIZED (
    SELECT e.*, t.tenant_id, t.executor_id, t.started_at, t.cancelled, t.awaited
    FROM (
        SELECT *
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:states AS text[]), CAST(:attempt_states AS text[]),
            CAST(:failures AS integer[]), CAST(:losts AS integer[]), CAST(:waits AS double precision[]),
            CAST(:reasons AS text[]), CAST(:results AS bytea[]), CAST(:errors AS bytea[]), CAST(:error_types AS text[])
        ) AS e(id, attempt, state, attempt_state, failures, lost, wait, reason, result, error, error_type)
        ORDER BY id
    ) AS e
    CROSS JOIN LATERAL (
        SELECT t.tenant_id, t.executor_id, t.started_at,
            e.state = 'waiting' AND t.cancel_requested_at IS NOT NULL AS cancelled,
            t.awaited AND e.wait IS NULL AND CAST(:hold_awaited AS boolean) AS awaited
        FROM tasks AS t
        WHERE t.id = e.id AND t.state = 'running' AND t.attempt = e.attempt
        FOR UPDATE
    ) AS t
), recorded AS (
    UPDATE tasks AS t
    SET state = h.state,
        failures = h.failures,
        lost = h.lost,
        result = h.result,
        error = h.error,
        error_type = h.error_type,
        reason = h.reason,
        wait_until = m.now + h.wait * interval '1 second',
        run_at = coalesce(m.now + h.wait * interval '1 second', t.run_at),
        finished_at = CASE WHEN h.wait IS NULL THEN m.now END,
        remove_at = CASE WHEN h.wait IS NULL THEN m.now + least(t.removal_delay, 3153600000) * interval '1 second' END,
        queued_at = NULL,
        lease_until = NULL,
        executor_id = CASE WHEN h.state = 'complete' THEN t.executor_id END
    FROM held AS h CROSS JOIN moment AS m
    WHERE t.id = ANY (ARRAY[h.id]) AND t.state = 'running' AND t.attempt = h.attempt
        AND NOT h.cancelled AND NOT h.awaited
), logged AS (
    INSERT INTO attempts (task_id, attempt, tenant_id, executor_id, state, started_at, finished_at, error, error_type)
    SELECT h.id, h.attempt, h.tenant_id, h.executor_id, h.attempt_state, h.started_at, m.now, h.error, h.error_type
    FROM held AS h CROSS JOIN moment AS m
    WHERE h.state <> 'complete' AND NOT h.cancelled AND NOT h.awaited
    ON CONFLICT (task_id, attempt) DO NOTHING
)
SELECT id, cancelled, awaited FROM held;

-- name: dependants_settle :one
-- transition: blocked -> ready, blocked -> waiting, blocked -> cancelled
-- Tell the dependants of tasks that have just ended, in the transaction that ended them, and say what became of them.
-- Its snapshot is younger than the locks on the parents, so no dependant that was submitted meanwhile is missed. The
-- counter is read from the row under its lock: of two parents that end at once, the second sees what the first has left.
WITH moment AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), ended AS MATERIALIZED (
    SELECT id, state FROM tasks WHERE id = ANY (CAST(:ids AS uuid[])) AND remove_at IS NOT NULL
), settled AS (
    UPDATE dependencies AS d
    SET outcome = p.state
    FROM ended AS p, tasks AS c
    WHERE d.parent_id = p.id AND c.id = d.task_id AND d.outcome IS NULL
        AND (p.state = 'complete' OR c.on_parent_failure <> 'block')
    RETURNING d.task_id, p.state <> 'complete' AND c.on_parent_failure = 'cancel' AS failed
), told AS MATERIALIZED (
    SELECT task_id, CAST(count(*) AS integer) AS parents, bool_or(failed) AS failed FROM settled GROUP BY task_id
), held AS MATERIALIZED (
    SELECT c.id, told.parents, told.failed
    FROM told JOIN tasks AS c ON c.id = told.task_id
    WHERE c.state = 'blocked'
    ORDER BY c.id
    FOR UPDATE OF c
), released AS (
    UPDATE tasks AS c
    SET pending_parents = c.pending_parents - h.parents,
        state = CASE
            WHEN h.failed THEN 'cancelled'
            WHEN c.pending_parents > h.parents THEN 'blocked'
            WHEN c.run_at > m.now THEN 'waiting'
            ELSE 'ready'
        END,
        wait_until = CASE WHEN NOT h.failed AND c.pending_parents <= h.parents AND c.run_at > m.now THEN c.run_at END,
        ready_at = CASE WHEN NOT h.failed AND c.pending_parents <= h.parents AND c.run_at <= m.now THEN m.now END,
        reason = CASE WHEN h.failed THEN 'parent_failed' END,
        finished_at = CASE WHEN h.failed THEN m.now END,
        remove_at = CASE WHEN h.failed THEN m.now + least(c.removal_delay, 3153600000) * interval '1 second' END
    FROM held AS h CROSS JOIN moment AS m
    WHERE c.id = h.id AND c.state = 'blocked'
    RETURNING c.id, c.state
), quiet AS (
    UPDATE tasks SET awaited = false
    FROM ended
    WHERE tasks.id = ended.id AND tasks.state IN ('complete', 'dead', 'cancelled', 'expired')
)
SELECT
    count(*) FILTER (WHERE state = 'ready') AS ready,
    coalesce(array_agg(id) FILTER (WHERE state = 'cancelled'), '{}') AS cancelled
FROM released;

-- name: tasks_abandoned :many
-- Read the tasks of a batch of hints that an executor claimed, some seconds ago or at any time, and that nobody has finished.
SELECT t.id, t.attempt, t.failures, t.lost, t.max_attempts, t.backoff, t.delivery,
    t.cancel_requested_at IS NOT NULL AS cancel_requested
FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[])) AS h(id, attempt)
JOIN tasks AS t ON t.id = h.id
WHERE t.state = 'running'
    AND t.executor_id = CAST(:executor_id AS uuid)
    AND t.attempt = h.attempt + 1
    AND (CAST(:ago AS double precision) IS NULL OR t.started_at
        <= coalesce(CAST(:now AS timestamptz), clock_timestamp()) - make_interval(secs => CAST(:ago AS double precision)));
