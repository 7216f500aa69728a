-- Everything that the scheduler asks of PostgreSQL. `:now` is null in production: the database's clock decides.
-- It stands in a subquery, because an index cannot be searched for a volatile expression. An update takes its rows as
-- `id = ANY (ARRAY(…))`: joined to the batch, it would read the whole table while that has fewer than some 200,000 rows.

-- name: clock_read :one
-- Read the database's clock.
SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now;

-- name: watch_look :one
-- Note that PostgreSQL is there now, and tell since when it has been without a gap, and when its clock may have jumped last.
-- A gap that nobody has looked into may be a jump: only who has looked before it can tell. A clock that went back has jumped.
INSERT INTO watch AS known (id, since, seen_at, jumped_at)
SELECT 1, clock.now, clock.now, clock.now
FROM (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
ON CONFLICT (id) DO UPDATE
SET seen_at = excluded.seen_at,
    since = CASE
        WHEN CAST(:jumped AS boolean)
            OR abs(extract(epoch FROM excluded.seen_at - known.seen_at)) > CAST(:gap AS double precision)
        THEN excluded.seen_at
        ELSE known.since
    END,
    jumped_at = CASE
        WHEN CAST(:jumped AS boolean)
            OR extract(epoch FROM known.seen_at - excluded.seen_at) > CAST(:gap AS double precision)
            OR CAST(:newcomer AS boolean)
                AND extract(epoch FROM excluded.seen_at - known.seen_at) > CAST(:gap AS double precision)
        THEN excluded.seen_at
        ELSE known.jumped_at
    END
RETURNING seen_at AS now, since, jumped_at;

-- name: clock_jumped :one
-- Tell when the clock has jumped last, as far as the schedulers have noted it.
SELECT max(jumped_at) FROM watch;

-- name: pauses_rebase :exec
-- Count pauses between attempts from now on, where the attempt before has ended in the future: the clock went back since.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), put_off AS MATERIALIZED (
    SELECT tasks.id, tasks.wait_until - attempts.finished_at AS pause
    FROM tasks JOIN attempts ON attempts.task_id = tasks.id AND attempts.attempt = tasks.attempt
    WHERE tasks.wait_until > (SELECT now FROM clock) AND tasks.attempt > 0 AND tasks.state = 'waiting'
        AND attempts.finished_at
            > (SELECT now FROM clock) + make_interval(secs => CAST(:slack AS double precision))
        -- What has been put right is due before the attempt's end, and stays as it is.
        AND tasks.wait_until >= attempts.finished_at
    LIMIT :size
    FOR UPDATE OF tasks SKIP LOCKED
)
UPDATE tasks
SET wait_until = clock.now + put_off.pause, run_at = clock.now + put_off.pause
FROM put_off, clock
WHERE tasks.id = put_off.id AND tasks.state = 'waiting';

-- name: tasks_promote :many
-- transition: waiting -> ready
-- Make ready what is due, the longest due first, and say how late each one is (seconds).
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), due AS MATERIALIZED (
    SELECT id, wait_until
    FROM tasks
    WHERE wait_until <= (SELECT now FROM clock)
    ORDER BY wait_until
    LIMIT :size
    FOR UPDATE SKIP LOCKED
), promoted AS (
    UPDATE tasks
    SET state = 'ready', ready_at = (SELECT now FROM clock), wait_until = NULL
    WHERE id = ANY (ARRAY(SELECT id FROM due)) AND state = 'waiting'
    RETURNING id, ready_at
)
SELECT CAST(extract(epoch FROM promoted.ready_at - due.wait_until) AS double precision) AS late
FROM promoted JOIN due USING (id);

-- name: tasks_next_due :one
-- Say in how many seconds the next waiting task is due; null when none waits.
SELECT CAST(extract(epoch FROM min(wait_until) - coalesce(CAST(:now AS timestamptz), clock_timestamp()))
    AS double precision) AS seconds
FROM tasks
WHERE wait_until IS NOT NULL;

-- name: tasks_expire :many
-- transition: blocked -> expired, waiting -> expired, ready -> expired, queued -> expired
-- End what has not started in time.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), late AS MATERIALIZED (
    SELECT id
    FROM tasks
    WHERE expires_at <= (SELECT now FROM clock) AND remove_at IS NULL AND state IN ('blocked', 'waiting', 'ready', 'queued')
    ORDER BY expires_at
    LIMIT :size
    FOR UPDATE SKIP LOCKED
)
UPDATE tasks
SET state = 'expired', reason = 'expired', finished_at = clock.now,
    remove_at = clock.now + make_interval(secs => least(removal_delay, CAST(:longest AS double precision))),
    wait_until = NULL, ready_at = NULL, queued_at = NULL
FROM clock
WHERE id = ANY (ARRAY(SELECT id FROM late)) AND state IN ('blocked', 'waiting', 'ready', 'queued')
RETURNING id;

-- name: tasks_lapse :many
-- Note which tasks have not begun although somebody wants to know of it by now, and look no more at those that have. Say
-- which of the two each was.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), late AS MATERIALIZED (
    SELECT id
    FROM tasks
    WHERE late_at <= (SELECT now FROM clock) AND lapsed_at IS NULL AND remove_at IS NULL
    ORDER BY late_at
    LIMIT :size
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tasks
SET lapsed_at = CASE WHEN started_at IS NULL THEN clock.now END, late_at = CASE WHEN started_at IS NULL THEN late_at END
FROM clock
WHERE id = ANY (ARRAY(SELECT id FROM late)) AND state IN ('blocked', 'waiting', 'ready', 'queued', 'running')
RETURNING lapsed_at IS NOT NULL AS lapsed;

-- name: schedules_due :many
-- Hold the schedules that are due, the longest due first, with their open runs where the overlap policy asks for them.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
SELECT s.id, s.every, s.cron, s.timezone, CAST(s.rule AS text) AS rule, s.starts_at, s.next_run_at, s.overlap, s.fired,
    s.held_at, s.failures, (SELECT now FROM clock) AS now,
    CASE WHEN s.overlap = 'allow' THEN CAST('{}' AS uuid[]) ELSE ARRAY(
        SELECT t.id FROM tasks AS t WHERE t.schedule_id = s.id AND t.remove_at IS NULL LIMIT 100
    ) END AS open_runs
FROM schedules AS s
WHERE s.next_run_at <= (SELECT now FROM clock) AND s.retry_at IS NULL
ORDER BY s.next_run_at
LIMIT :size
FOR UPDATE OF s SKIP LOCKED;

-- name: schedules_retrying :many
-- Hold the schedules whose fire was refused, where the time of the next try has come.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
SELECT s.id, s.every, s.cron, s.timezone, CAST(s.rule AS text) AS rule, s.starts_at, s.next_run_at, s.overlap, s.fired,
    s.held_at, s.failures, (SELECT now FROM clock) AS now,
    CASE WHEN s.overlap = 'allow' THEN CAST('{}' AS uuid[]) ELSE ARRAY(
        SELECT t.id FROM tasks AS t WHERE t.schedule_id = s.id AND t.remove_at IS NULL LIMIT 100
    ) END AS open_runs
FROM schedules AS s
WHERE s.retry_at <= (SELECT now FROM clock) AND s.next_run_at <= (SELECT now FROM clock)
ORDER BY s.retry_at
LIMIT :size
FOR UPDATE OF s SKIP LOCKED;

-- name: schedules_freed :many
-- Hold the schedules with a fire that waited for a run to end, where it has ended.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
SELECT s.id, s.every, s.cron, s.timezone, CAST(s.rule AS text) AS rule, s.starts_at, s.next_run_at, s.overlap, s.fired,
    s.held_at, s.failures, (SELECT now FROM clock) AS now
FROM schedules AS s
WHERE s.held_at IS NOT NULL AND s.paused_at IS NULL
    AND (s.retry_at IS NULL OR s.retry_at <= (SELECT now FROM clock))
    AND NOT EXISTS (SELECT FROM tasks AS t WHERE t.schedule_id = s.id AND t.remove_at IS NULL)
ORDER BY s.held_at
LIMIT :size
FOR UPDATE OF s SKIP LOCKED;

-- name: schedules_fire :many
-- transition: (new) -> ready, (new) -> waiting
-- Write what became of each nominal time, a task for each that fires for the first time, and each schedule's next time.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), turn AS MATERIALIZED (
    SELECT *
    FROM unnest(CAST(:schedule_ids AS uuid[]), CAST(:followings AS timestamptz[]), CAST(:lasts AS timestamptz[]),
        CAST(:helds AS timestamptz[]), CAST(:counts AS integer[]), CAST(:ends AS boolean[]))
        AS given (schedule_id, following_at, last_at, held_at, fires, ends)
), entry AS MATERIALIZED (
    SELECT *
    FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:nominals AS timestamptz[]), CAST(:outcomes AS text[]),
        CAST(:reasons AS text[]), CAST(:task_ids AS uuid[]), CAST(:run_ats AS timestamptz[]),
        CAST(:expires_ats AS timestamptz[]))
        AS given (schedule_id, nominal_at, outcome, reason, task_id, run_at, expires_at)
), written AS (
    INSERT INTO fires (schedule_id, nominal_at, tenant_id, task_id, fired_at, outcome, reason, owes)
    SELECT entry.schedule_id, entry.nominal_at, schedules.tenant_id, entry.task_id, clock.now, entry.outcome,
        entry.reason,
        entry.outcome IN ('late', 'missed') AND (schedules.notify IS NOT NULL OR EXISTS (
            SELECT FROM notification_rules AS r
            WHERE r.tenant_id = schedules.tenant_id AND r.disabled_at IS NULL AND r.events && '{late,missed}'
        ))
    FROM clock, entry JOIN schedules ON schedules.id = entry.schedule_id
    ON CONFLICT (schedule_id, nominal_at) DO NOTHING
    RETURNING schedule_id, nominal_at, task_id, fired_at
), moved AS (
    UPDATE schedules
    SET next_run_at = turn.following_at, last_run_at = greatest(last_run_at, turn.last_at), held_at = turn.held_at,
        fired = fired + turn.fires, ended_at = CASE WHEN turn.ends THEN clock.now END, failures = 0,
        last_error = NULL, retry_at = NULL
    FROM turn, clock
    WHERE schedules.id = turn.schedule_id
)
INSERT INTO tasks (id, tenant_id, handler, queue, priority, state, payload, max_attempts, timeout, backoff,
    removal_delay, delivery, tags, schedule_id, nominal_at, run_at, expires_at, created_at, ready_at, wait_until, notify,
    owes, late_at)
SELECT written.task_id, s.tenant_id, s.handler, s.queue, s.priority,
    CASE WHEN entry.run_at > written.fired_at THEN 'waiting' ELSE 'ready' END, s.payload, s.max_attempts, s.timeout,
    s.backoff, s.removal_delay, s.delivery, s.tags, s.id, written.nominal_at, entry.run_at, entry.expires_at,
    written.fired_at, CASE WHEN entry.run_at <= written.fired_at THEN written.fired_at END,
    CASE WHEN entry.run_at > written.fired_at THEN entry.run_at END, s.notify,
    s.notify IS NOT NULL OR EXISTS (
        SELECT FROM notification_rules AS r
        WHERE r.tenant_id = s.tenant_id AND r.disabled_at IS NULL AND r.events && '{complete,dead}'
    ),
    greatest(entry.run_at, written.fired_at) + make_interval(secs => least(s.late_after, (
        SELECT min(r.late_after) FROM notification_rules AS r
        WHERE r.tenant_id = s.tenant_id AND r.disabled_at IS NULL
    )))
FROM written JOIN entry USING (schedule_id, nominal_at) JOIN schedules AS s ON s.id = written.schedule_id
WHERE written.task_id IS NOT NULL
RETURNING id;

-- name: tasks_supersede :many
-- transition: waiting -> cancelled, ready -> cancelled, queued -> cancelled
-- Cancel the runs that a newer fire of their schedule replaces; one that runs is asked to stop.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
)
UPDATE tasks SET
    state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
    reason = CASE WHEN state = 'running' THEN reason ELSE 'cancelled' END,
    cancel_requested_at = coalesce(cancel_requested_at, clock.now),
    finished_at = CASE WHEN state = 'running' THEN finished_at ELSE clock.now END,
    remove_at = CASE WHEN state = 'running' THEN NULL ELSE
        clock.now + make_interval(secs => least(removal_delay, CAST(:longest AS double precision))) END,
    wait_until = NULL,
    ready_at = NULL,
    queued_at = CASE WHEN state = 'running' THEN queued_at END
FROM clock
WHERE id = ANY (CAST(:ids AS uuid[])) AND state IN ('waiting', 'ready', 'queued', 'running')
RETURNING id;

-- name: schedules_waking :many
-- Hold the schedules whose pause is over.
SELECT id, every, cron, timezone, CAST(rule AS text) AS rule, starts_at, paused_until
FROM schedules
WHERE paused_until <= (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()))
ORDER BY paused_until
LIMIT :size
FOR UPDATE SKIP LOCKED;

-- name: schedules_wake :exec
-- End pauses: each schedule goes on with its first time after the end of its pause.
UPDATE schedules
SET paused_at = NULL, paused_until = NULL, pause_reason = NULL, next_run_at = woken.following_at, updated_at = clock.now,
    ended_at = CASE WHEN woken.following_at IS NULL THEN clock.now END
FROM unnest(CAST(:ids AS uuid[]), CAST(:followings AS timestamptz[])) AS woken (id, following_at),
    (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
WHERE schedules.id = woken.id;

-- name: schedules_pause :exec
-- Pause a schedule that no clock can follow.
UPDATE schedules
SET paused_at = clock.now, paused_until = NULL, pause_reason = :reason, next_run_at = NULL, updated_at = clock.now,
    failures = 0, last_error = NULL, retry_at = NULL
FROM (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
WHERE id = CAST(:id AS uuid);

-- name: schedules_put_off :exec
-- Write down why a schedule's fire was refused, and when it is tried again; its time stays as it is.
UPDATE schedules
SET failures = failures + 1, last_error = :reason,
    retry_at = coalesce(CAST(:now AS timestamptz), clock_timestamp())
        + make_interval(secs => CAST(:wait AS double precision))
WHERE id = CAST(:id AS uuid);

-- name: schedules_outlook :one
-- Say in how many seconds the next schedule is due, or the next pause is over, and how many fires are being refused.
WITH failing AS (
    SELECT greatest(retry_at, next_run_at) AS at FROM schedules WHERE retry_at IS NOT NULL
)
SELECT CAST(extract(epoch FROM least(
        (SELECT min(next_run_at) FROM schedules WHERE next_run_at IS NOT NULL AND retry_at IS NULL),
        (SELECT min(at) FROM failing),
        (SELECT min(paused_until) FROM schedules WHERE paused_until IS NOT NULL)
    ) - coalesce(CAST(:now AS timestamptz), clock_timestamp())) AS double precision) AS seconds,
    (SELECT count(*) FROM failing) AS failing;

-- name: tasks_lost :many
-- Hold the running tasks whose lease has passed, or whose executor has not been heard of for too long. What was claimed
-- before a jump of the clock has its whole lease again from there on, and a sign of life from the future is from before it.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), limits AS MATERIALIZED (
    SELECT now, now - make_interval(secs => CAST(:stale AS double precision)) AS heard_since,
        now + make_interval(secs => CAST(:slack AS double precision)) AS future
    FROM clock
)
SELECT id, attempt, failures, lost, delivery, max_attempts, cancel_requested_at IS NOT NULL AS cancel_requested
FROM tasks
WHERE queued_at IS NOT NULL AND state = 'running'
    AND (
        lease_until - started_at + CASE
            WHEN started_at BETWEEN CAST(:jumped_at AS timestamptz) AND (SELECT future FROM limits) THEN started_at
            ELSE CAST(:jumped_at AS timestamptz)
        END < (SELECT now FROM limits)
        OR (
            (started_at < (SELECT heard_since FROM limits) OR started_at > (SELECT future FROM limits))
            AND NOT EXISTS (
                SELECT FROM executors
                WHERE executors.id = tasks.executor_id
                    AND heartbeat_at BETWEEN (SELECT heard_since FROM limits) AND (SELECT future FROM limits)
            )
        )
    )
ORDER BY queued_at
LIMIT :size
FOR UPDATE OF tasks SKIP LOCKED;

-- name: tasks_rescue :many
-- transition: running -> waiting, running -> dead, running -> cancelled
-- Take tasks from executors that were lost, and log the attempts.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), verdict AS MATERIALIZED (
    SELECT *
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:states AS text[]),
        CAST(:losts AS integer[]), CAST(:waits AS double precision[]), CAST(:reasons AS text[]))
        AS given (id, attempt, state, lost, wait, reason)
), held AS MATERIALIZED (
    SELECT verdict.*, tasks.tenant_id, tasks.executor_id, tasks.started_at
    FROM verdict JOIN tasks ON tasks.id = verdict.id
), rescued AS (
    UPDATE tasks
    SET state = held.state, lost = held.lost, reason = held.reason, executor_id = NULL,
        queued_at = NULL, lease_until = NULL,
        wait_until = clock.now + make_interval(secs => held.wait),
        run_at = coalesce(clock.now + make_interval(secs => held.wait), run_at),
        finished_at = CASE WHEN held.state <> 'waiting' THEN clock.now END,
        remove_at = CASE WHEN held.state <> 'waiting' THEN
            clock.now + make_interval(secs => least(removal_delay, CAST(:longest AS double precision))) END
    FROM held, clock
    WHERE tasks.id = held.id AND tasks.state = 'running' AND tasks.attempt = held.attempt
    RETURNING tasks.id, tasks.state, held.tenant_id, held.attempt, held.executor_id, held.started_at, clock.now
), logged AS (
    INSERT INTO attempts (task_id, attempt, tenant_id, executor_id, state, started_at, finished_at)
    SELECT id, attempt, tenant_id, executor_id, 'lost', started_at, now
    FROM rescued
    ON CONFLICT (task_id, attempt) DO NOTHING
)
SELECT id, state FROM rescued;

-- name: executors_forget :exec
-- Forget executors that have long been silent and hold no task.
DELETE FROM executors
WHERE heartbeat_at < coalesce(CAST(:now AS timestamptz), clock_timestamp())
        - make_interval(secs => CAST(:silence AS double precision))
    AND NOT EXISTS (SELECT FROM tasks WHERE tasks.queued_at IS NOT NULL AND tasks.executor_id = executors.id);

-- name: handlers_forget :exec
-- Forget variants of handlers that no executor has had for long.
DELETE FROM handlers
WHERE seen_at < coalesce(CAST(:now AS timestamptz), clock_timestamp())
        - make_interval(secs => CAST(:silence AS double precision));

-- name: parents_ended :many
-- Hold tasks that have ended and whose dependants have not been told; submissions of more dependants wait meanwhile.
SELECT id
FROM tasks
WHERE awaited AND remove_at IS NOT NULL
ORDER BY finished_at
LIMIT :size
FOR NO KEY UPDATE SKIP LOCKED;

-- name: dependants_release :many
-- transition: blocked -> ready, blocked -> waiting, blocked -> cancelled
-- Tell the dependants of tasks that are held, and return those that moved. A statement of its own after the one that
-- holds the parents: its snapshot has every dependant that was submitted before.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), ended AS MATERIALIZED (
    SELECT id, state FROM tasks WHERE id = ANY (CAST(:ids AS uuid[]))
), settled AS (
    UPDATE dependencies
    SET outcome = ended.state
    FROM ended, tasks
    WHERE dependencies.parent_id = ended.id AND dependencies.outcome IS NULL AND tasks.id = dependencies.task_id
        AND (ended.state = 'complete' OR tasks.on_parent_failure <> 'block')
    RETURNING dependencies.task_id, ended.state <> 'complete' AND tasks.on_parent_failure = 'cancel' AS failed
), told AS MATERIALIZED (
    SELECT task_id, CAST(count(*) AS integer) AS parents, bool_or(failed) AS failed FROM settled GROUP BY task_id
), held AS MATERIALIZED (
    SELECT tasks.id, told.parents, told.failed
    FROM told JOIN tasks ON tasks.id = told.task_id
    WHERE tasks.state = 'blocked'
    ORDER BY tasks.id
    FOR UPDATE OF tasks
), quiet AS (
    UPDATE tasks SET awaited = false
    WHERE id = ANY (ARRAY(SELECT id FROM ended)) AND state IN ('complete', 'dead', 'cancelled', 'expired')
)
UPDATE tasks
SET pending_parents = pending_parents - held.parents,
    state = CASE
        WHEN held.failed THEN 'cancelled'
        WHEN pending_parents > held.parents THEN 'blocked'
        WHEN run_at > clock.now THEN 'waiting'
        ELSE 'ready'
    END,
    wait_until = CASE WHEN NOT held.failed AND pending_parents <= held.parents AND run_at > clock.now THEN run_at END,
    ready_at = CASE
        WHEN NOT held.failed AND pending_parents <= held.parents AND run_at <= clock.now THEN clock.now
    END,
    reason = CASE WHEN held.failed THEN 'parent_failed' END,
    finished_at = CASE WHEN held.failed THEN clock.now END,
    remove_at = CASE
        WHEN held.failed THEN clock.now + make_interval(secs => least(removal_delay, CAST(:longest AS double precision)))
    END
FROM held, clock
WHERE tasks.id = held.id AND state = 'blocked'
RETURNING tasks.id, tasks.state;
