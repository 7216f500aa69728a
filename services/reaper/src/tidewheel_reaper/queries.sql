-- Statements of the reaper.

-- name: tasks_remove :one
-- transition: complete -> (deleted), dead -> (deleted), cancelled -> (deleted), expired -> (deleted)
-- Delete final tasks whose removal delay has passed, with their attempts, what those have said, and the parents that they
-- had; count them. A task that others are still blocked by is kept for another while: a person may yet redrive it. So is one
-- of which nobody has been told yet what they are to be told.
WITH clock AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
chosen AS MATERIALIZED (
    SELECT id, owes OR lapsed_at IS NOT NULL AS owes
      FROM tasks
     WHERE remove_at <= (SELECT now FROM clock) AND state IN ('complete', 'dead', 'cancelled', 'expired')
     ORDER BY remove_at
     LIMIT CAST(:most AS integer)
       FOR UPDATE SKIP LOCKED
),
needed AS MATERIALIZED (
    SELECT DISTINCT chosen.id
      FROM chosen
      JOIN dependencies ON dependencies.parent_id = chosen.id AND dependencies.outcome IS NULL
      JOIN tasks ON tasks.id = dependencies.task_id AND tasks.state = 'blocked'
     UNION
    SELECT chosen.id FROM chosen WHERE chosen.owes
),
kept AS (
    UPDATE tasks
       SET remove_at = clock.now + make_interval(secs => CAST(:keep AS double precision))
      FROM needed, clock
     WHERE tasks.id = needed.id AND tasks.state IN ('complete', 'dead', 'cancelled', 'expired')
),
gone AS (
    DELETE FROM tasks
     USING chosen
     WHERE tasks.id = chosen.id AND tasks.state IN ('complete', 'dead', 'cancelled', 'expired')
       AND NOT EXISTS (SELECT FROM needed WHERE needed.id = chosen.id)
    RETURNING tasks.id
),
forgotten AS (
    DELETE FROM attempts
     USING gone
     WHERE attempts.task_id = gone.id
),
unsaid AS (
    DELETE FROM attempt_logs
     USING gone
     WHERE attempt_logs.task_id = gone.id
),
unmeasured AS (
    DELETE FROM attempt_progress
     USING gone
     WHERE attempt_progress.task_id = gone.id
),
unlinked AS (
    DELETE FROM dependencies
     USING gone
     WHERE dependencies.task_id = gone.id
)
SELECT count(*) AS tasks FROM gone;

-- name: tasks_next_removal :one
-- Say in how many seconds the next final task may be removed; null when none waits for it.
SELECT CAST(extract(epoch FROM min(remove_at) - coalesce(CAST(:now AS timestamptz), clock_timestamp()))
            AS double precision) AS seconds
  FROM tasks
 WHERE remove_at IS NOT NULL;

-- name: idempotency_keys_remove :one
-- Delete expired keys whose tasks are gone, and count the keys that were looked at.
-- A key whose tasks are still there is kept for another while, so that it is not looked at again and again.
WITH clock AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
expired AS MATERIALIZED (
    SELECT tenant_id, key, task_ids
      FROM idempotency_keys
     WHERE expires_at <= (SELECT now FROM clock)
     ORDER BY expires_at
     LIMIT CAST(:most AS integer)
       FOR UPDATE SKIP LOCKED
),
needed AS MATERIALIZED (
    SELECT tenant_id, key
      FROM expired
     WHERE EXISTS (SELECT FROM tasks WHERE tasks.id = ANY (expired.task_ids))
),
kept AS (
    UPDATE idempotency_keys
       SET expires_at = clock.now + make_interval(secs => CAST(:keep AS double precision))
      FROM needed, clock
     WHERE idempotency_keys.tenant_id = needed.tenant_id AND idempotency_keys.key = needed.key
),
gone AS (
    DELETE FROM idempotency_keys
     USING expired
     WHERE idempotency_keys.tenant_id = expired.tenant_id AND idempotency_keys.key = expired.key
       AND NOT EXISTS (
            SELECT FROM needed
             WHERE needed.tenant_id = expired.tenant_id AND needed.key = expired.key
           )
)
SELECT count(*) AS keys_seen FROM expired;

-- name: operations_remove :one
-- Delete bulk operations that have been over for longer than an age, and count them.
WITH chosen AS MATERIALIZED (
    SELECT id FROM operations
     WHERE finished_at < coalesce(CAST(:now AS timestamptz), clock_timestamp())
                         - make_interval(secs => CAST(:age AS double precision))
     LIMIT CAST(:most AS integer)
       FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM operations USING chosen WHERE operations.id = chosen.id RETURNING operations.id
)
SELECT count(*) AS operations FROM gone;

-- name: fires_remove :one
-- Delete the entries of the schedules' ledgers that are older than an age, and count them.
-- A loose index scan: it goes from schedule to schedule, and reads only what is old.
WITH RECURSIVE clock AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp())
           - make_interval(secs => CAST(:age AS double precision)) AS limit_at
),
ledgers AS (
    (SELECT schedule_id FROM fires ORDER BY schedule_id LIMIT 1)
    UNION ALL
    SELECT following.schedule_id
      FROM ledgers
     CROSS JOIN LATERAL (
        SELECT fires.schedule_id FROM fires
         WHERE fires.schedule_id > ledgers.schedule_id
         ORDER BY fires.schedule_id
         LIMIT 1
     ) AS following
),
chosen AS MATERIALIZED (
    SELECT old.schedule_id, old.nominal_at
      FROM ledgers
     CROSS JOIN LATERAL (
        SELECT fires.schedule_id, fires.nominal_at FROM fires
         WHERE fires.schedule_id = ledgers.schedule_id
           AND fires.nominal_at < (SELECT limit_at FROM clock) AND fires.fired_at < (SELECT limit_at FROM clock)
         ORDER BY fires.nominal_at
         LIMIT CAST(:most AS integer)
           FOR UPDATE SKIP LOCKED
     ) AS old
     LIMIT CAST(:most AS integer)
),
gone AS (
    DELETE FROM fires
     USING chosen
     WHERE fires.schedule_id = chosen.schedule_id AND fires.nominal_at = chosen.nominal_at
    RETURNING fires.schedule_id
)
SELECT count(*) AS fires FROM gone;
