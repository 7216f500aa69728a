-- Statements of the dispatcher. A line is one priority of one queue.

-- name: lines_ready :many
-- List every line that has ready rows: for how many seconds its oldest has been due, and whether any is parked.
-- A loose index scan: it touches one entry of tasks_ready for each line, however many rows wait in it.
-- Its plan is kept where it is asked again and again: no other index has the order of the lines.
WITH RECURSIVE clock AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
lines AS (
    (
        SELECT queue, priority FROM tasks
         WHERE ready_at IS NOT NULL
         ORDER BY queue, priority
         LIMIT 1
    )
    UNION ALL
    SELECT following.queue, following.priority
      FROM lines
     CROSS JOIN LATERAL (
        SELECT tasks.queue, tasks.priority FROM tasks
         WHERE tasks.ready_at IS NOT NULL AND (tasks.queue, tasks.priority) > (lines.queue, lines.priority)
         ORDER BY tasks.queue, tasks.priority
         LIMIT 1
     ) AS following
)
SELECT lines.queue,
       lines.priority,
       (
        SELECT CAST(extract(epoch FROM clock.now - tasks.ready_at) AS double precision) FROM tasks
         WHERE tasks.queue = lines.queue AND tasks.priority = lines.priority
           AND tasks.ready_at <= (SELECT now FROM clock)
         ORDER BY tasks.ready_at
         LIMIT 1
       ) AS due_for,
       -- Not EXISTS: its plan may be to read the whole table in search of what is not there.
       coalesce((
        SELECT true FROM tasks
         WHERE tasks.queue = lines.queue AND tasks.priority = lines.priority
           AND tasks.ready_at > (SELECT now FROM clock)
         ORDER BY tasks.ready_at
         LIMIT 1
       ), false) AS parked
  FROM lines, clock;

-- name: tasks_dispatch :many
-- transition: ready -> queued
-- Mark the next tasks of some lines as queued, each line up to its room and from an instant on; park those whose handler
-- nobody serves, and those whose concurrency key has no slot left. Tasks with a key are left alone unless `keyed` says that it
-- is our turn, and queues for which anything is set unless they are `minded`: their rooms are within their limits.
-- The lines come in the order in which they are served. Nothing sorts what the nested loop finds in that order, and
-- if a planner ever did otherwise, the budget would be spent on other tasks than the most urgent: never on wrong ones.
-- Its plan is kept: LATERAL, IN, and ANY of an array of one, leave no other way than by tasks_ready to the rows by their ids.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
chosen AS MATERIALIZED (
    SELECT due.id, due.ready_at, line.queue, due.handler, due.tenant_id, due.concurrency_key, due.concurrency_limit
      FROM unnest(
               CAST(:queues AS text[]), CAST(:priorities AS smallint[]), CAST(:rooms AS integer[]),
               CAST(:afters AS timestamptz[])
           ) AS line (queue, priority, room, after)
     CROSS JOIN LATERAL (
        SELECT tasks.id, tasks.ready_at, tasks.handler, tasks.tenant_id, tasks.concurrency_key, tasks.concurrency_limit
          FROM tasks
         WHERE tasks.queue = line.queue AND tasks.priority = line.priority
           AND tasks.ready_at >= line.after AND tasks.ready_at <= (SELECT now FROM clock)
           AND (tasks.concurrency_key IS NULL OR CAST(:keyed AS boolean))
         ORDER BY tasks.ready_at, tasks.id
         LIMIT line.room
           FOR UPDATE SKIP LOCKED
     ) AS due
     WHERE line.queue = ANY (CAST(:minded AS text[]))
        OR NOT EXISTS (
            SELECT FROM queues
             WHERE queues.name = line.queue
               AND (rate IS NOT NULL OR concurrency IS NOT NULL
                    OR (paused_at IS NOT NULL AND coalesce(paused_until > (SELECT now FROM clock), true)))
           )
     LIMIT CAST(:budget AS integer)
),
busy AS MATERIALIZED (
    SELECT keys.tenant_id, keys.concurrency_key,
           (
            SELECT count(*) FROM tasks
             WHERE tasks.tenant_id = keys.tenant_id AND tasks.concurrency_key = keys.concurrency_key
               AND tasks.queued_at IS NOT NULL
           ) AS tasks
      FROM (SELECT DISTINCT tenant_id, concurrency_key FROM chosen WHERE concurrency_key IS NOT NULL) AS keys
),
slots AS MATERIALIZED (
    SELECT chosen.id, busy.tasks, coalesce(chosen.concurrency_limit, 1) AS most,
           row_number() OVER (
               PARTITION BY chosen.tenant_id, chosen.concurrency_key ORDER BY chosen.ready_at, chosen.id
           ) AS place
      FROM chosen
      JOIN busy ON busy.tenant_id = chosen.tenant_id AND busy.concurrency_key = chosen.concurrency_key
),
sorted AS (
    SELECT chosen.id, chosen.ready_at,
           (chosen.queue, chosen.handler) IN (
               SELECT pair.queue, pair.handler
                 FROM unnest(CAST(:served_queues AS text[]), CAST(:served_handlers AS text[])) AS pair (queue, handler)
           ) AND coalesce(slots.tasks + slots.place <= slots.most, true) AS served,
           -- Those of a key that are parked together keep their order.
           coalesce(slots.place, 0) * interval '1 microsecond' AS after
      FROM chosen
      LEFT JOIN slots ON slots.id = chosen.id
),
moved AS (
    UPDATE tasks
       SET state = CASE WHEN sorted.served THEN 'queued' ELSE 'ready' END,
           queued_at = CASE WHEN sorted.served THEN clock.now END,
           ready_at = CASE
               WHEN sorted.served THEN NULL
               ELSE clock.now + make_interval(secs => CAST(:park AS double precision)) + sorted.after
           END
      FROM sorted, clock
     WHERE tasks.id = ANY (ARRAY[sorted.id]) AND tasks.state = 'ready'
    RETURNING tasks.id, tasks.queue, tasks.priority, tasks.queued_at, tasks.attempt, tasks.handler, tasks.timeout,
              tasks.lost, tasks.traceparent, sorted.ready_at AS was_ready_at
)
SELECT id, queue, priority, queued_at, attempt, handler, timeout, lost, traceparent, was_ready_at
  FROM moved
 ORDER BY priority, was_ready_at, id;

-- name: keyed_ready :one
-- Tell whether any task with a concurrency key is in a line. Not EXISTS: until a table is analysed for the first time, its plan
-- is to read all of it in search of what is not there.
SELECT coalesce((
        SELECT true FROM tasks
         WHERE concurrency_key IS NOT NULL AND ready_at IS NOT NULL
         ORDER BY tenant_id, concurrency_key
         LIMIT 1
       ), false) AS found;

-- name: keys_turn :one
-- Ask for the turn to give out slots, which one dispatcher has at a time and until its transaction ends.
SELECT pg_try_advisory_xact_lock(hashtextextended('tidewheel concurrency keys', 0)) AS mine;

-- name: keys_parked :many
-- List the concurrency keys that have tasks in the lines, from behind a key on, with their first task's limit and how
-- many of their tasks are queued or running. A loose index scan: it touches one entry for each key.
WITH RECURSIVE keys AS (
    (
        SELECT tenant_id, concurrency_key, concurrency_limit FROM tasks
         WHERE concurrency_key IS NOT NULL AND ready_at IS NOT NULL
           AND (tenant_id, concurrency_key) > (CAST(:after_tenant AS uuid), CAST(:after_key AS text))
         ORDER BY tenant_id, concurrency_key
         LIMIT 1
    )
    UNION ALL
    SELECT following.tenant_id, following.concurrency_key, following.concurrency_limit
      FROM keys
     CROSS JOIN LATERAL (
        SELECT tasks.tenant_id, tasks.concurrency_key, tasks.concurrency_limit FROM tasks
         WHERE tasks.concurrency_key IS NOT NULL AND tasks.ready_at IS NOT NULL
           AND (tasks.tenant_id, tasks.concurrency_key) > (keys.tenant_id, keys.concurrency_key)
         ORDER BY tasks.tenant_id, tasks.concurrency_key
         LIMIT 1
     ) AS following
)
SELECT tenant_id, concurrency_key,
       CAST(coalesce(concurrency_limit, 1) - (
        SELECT count(*) FROM tasks
         WHERE tasks.tenant_id = keys.tenant_id AND tasks.concurrency_key = keys.concurrency_key
           AND tasks.queued_at IS NOT NULL
       ) AS integer) AS free
  FROM keys
 LIMIT CAST(:most AS integer);

-- name: keys_unpark :exec
-- Let the first parked tasks of some concurrency keys come back, as many as each has slots.
WITH clock AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
parked AS MATERIALIZED (
    SELECT first.id
      FROM unnest(CAST(:tenants AS uuid[]), CAST(:keys AS text[]), CAST(:frees AS integer[]))
           AS wanted (tenant_id, concurrency_key, free)
     CROSS JOIN LATERAL (
        SELECT tasks.id, tasks.ready_at FROM tasks
         WHERE tasks.tenant_id = wanted.tenant_id AND tasks.concurrency_key = wanted.concurrency_key
           AND tasks.ready_at IS NOT NULL
         ORDER BY tasks.ready_at, tasks.id
         LIMIT wanted.free
           FOR UPDATE SKIP LOCKED
     ) AS first
     WHERE first.ready_at > (SELECT now FROM clock)
)
UPDATE tasks
   SET ready_at = clock.now
  FROM parked, clock
 WHERE tasks.id = parked.id AND tasks.state = 'ready';

-- name: limits_exist :one
-- Tell in one round trip what most dispatches need not heed: whether anything is set for a queue, and whether a task with a
-- concurrency key is in a line. The latter is asked as `keyed_ready` asks it.
SELECT EXISTS (
           SELECT FROM queues WHERE paused_at IS NOT NULL OR rate IS NOT NULL OR concurrency IS NOT NULL
       ) AS valved,
       coalesce((
        SELECT true FROM tasks
         WHERE concurrency_key IS NOT NULL AND ready_at IS NOT NULL
         ORDER BY tenant_id, concurrency_key
         LIMIT 1
       ), false) AS keyed;

-- name: queues_valves :many
-- Read what is set for queues, and the clock; few queues have anything set.
SELECT name, paused_at, paused_until, rate, concurrency, tokens, tokens_at,
       coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
  FROM queues
 WHERE paused_at IS NOT NULL OR rate IS NOT NULL OR concurrency IS NOT NULL;

-- name: queues_hold :many
-- Hold what is set for some queues, until what they may send is marked; one that another dispatcher holds is left out.
SELECT name, paused_at, paused_until, rate, concurrency, tokens, tokens_at,
       coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
  FROM queues
 WHERE name = ANY (CAST(:names AS text[]))
 ORDER BY name
   FOR UPDATE SKIP LOCKED;

-- name: queues_in_flight :many
-- Count the tasks of some queues that are queued or running.
SELECT queue, CAST(count(*) AS integer) AS tasks
  FROM tasks
 WHERE queued_at IS NOT NULL AND queue = ANY (CAST(:names AS text[]))
 GROUP BY queue;

-- name: queues_spend :exec
-- Write down how much of their rates queues have left.
UPDATE queues
   SET tokens = spent.tokens, tokens_at = spent.tokens_at
  FROM unnest(CAST(:names AS text[]), CAST(:tokens AS double precision[]), CAST(:instants AS timestamptz[]))
       AS spent (name, tokens, tokens_at)
 WHERE queues.name = spent.name;

-- name: tasks_withdraw :exec
-- transition: queued -> ready
-- Take back what is queued in paused queues; its hints lead nowhere then. It keeps its place in the line, unless the clock
-- has gone back: then it must not be ready in the future, where only parked tasks are.
WITH held AS MATERIALIZED (
    SELECT id
      FROM tasks
     WHERE queued_at IS NOT NULL AND state = 'queued' AND queue = ANY (CAST(:names AS text[]))
     ORDER BY id
     LIMIT CAST(:most AS integer)
       FOR UPDATE SKIP LOCKED
)
UPDATE tasks
   SET state = 'ready', queued_at = NULL,
       ready_at = least(tasks.queued_at, coalesce(CAST(:now AS timestamptz), clock_timestamp()))
  FROM held
 WHERE tasks.id = held.id AND tasks.state = 'queued';

-- name: tasks_release :exec
-- transition: queued -> ready
-- Take back tasks whose hint did not reach Redis, or is there no more; they keep their place in the line as well.
WITH hints AS MATERIALIZED (
    SELECT tasks.id
      FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:queued_ats AS timestamptz[]))
           AS hint (id, attempt, queued_at)
      JOIN tasks ON tasks.id = hint.id
     WHERE tasks.state = 'queued' AND tasks.attempt = hint.attempt AND tasks.queued_at = hint.queued_at
     ORDER BY tasks.id
       FOR UPDATE OF tasks SKIP LOCKED
)
UPDATE tasks
   SET state = 'ready', queued_at = NULL,
       ready_at = least(tasks.queued_at, coalesce(CAST(:now AS timestamptz), clock_timestamp()))
  FROM hints
 WHERE tasks.id = hints.id AND tasks.state = 'queued';

-- name: tasks_queued :many
-- Read the next tasks that were queued before an instant, the oldest first, from a place in that order on.
SELECT id, attempt, queue, priority, queued_at
  FROM tasks
 WHERE queued_at >= CAST(:after AS timestamptz)
   AND (queued_at, id) > (CAST(:after AS timestamptz), CAST(:after_id AS uuid))
   AND queued_at < CAST(:before AS timestamptz)
   AND state = 'queued'
 ORDER BY queued_at, id
 LIMIT CAST(:most AS integer);

-- name: queued_count :many
-- Count the queued tasks of each line that were queued more than some seconds ago.
SELECT queue, priority, count(*) AS tasks
  FROM tasks
 WHERE queued_at < coalesce(CAST(:now AS timestamptz), clock_timestamp())
                   - make_interval(secs => CAST(:age AS double precision))
   AND state = 'queued'
 GROUP BY queue, priority;

-- name: tasks_unpark :exec
-- Let parked tasks of some handlers come back at once, because an executor serves them now.
WITH clock AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
),
parked AS MATERIALIZED (
    SELECT tasks.id
      FROM tasks
     WHERE tasks.queue = :queue AND tasks.priority = CAST(:priority AS smallint)
       AND tasks.ready_at > (SELECT now FROM clock)
       AND tasks.handler = ANY (CAST(:handlers AS text[]))
     ORDER BY tasks.ready_at, tasks.id
     LIMIT CAST(:most AS integer)
       FOR UPDATE SKIP LOCKED
)
UPDATE tasks
   SET ready_at = clock.now
  FROM parked, clock
 WHERE tasks.id = parked.id AND tasks.state = 'ready';

-- name: executors_live :many
-- List what live executors serve; executors that serve the same are one row. A sign of life from the future is from before
-- a jump of the clock, and from nobody now.
WITH clock AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now,
           make_interval(secs => CAST(:stale AS double precision)) AS stale
)
SELECT DISTINCT queues, handlers
  FROM executors, clock
 WHERE heartbeat_at BETWEEN clock.now - clock.stale AND clock.now + clock.stale;

-- name: watch_witness :one
-- Bear witness that PostgreSQL is there, so that the schedulers' watch has no gap while they are away, and tell when its
-- clock has jumped last. Where there is a gap or a jump already, they must see it.
UPDATE watch
   SET seen_at = CASE
           WHEN clock.now BETWEEN seen_at AND seen_at + make_interval(secs => CAST(:gap AS double precision))
           THEN clock.now
           ELSE seen_at
       END
  FROM (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
RETURNING jumped_at;

-- name: clock_ago :one
-- Tell the instant that was some seconds ago, by the database's clock.
SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp())
       - make_interval(secs => CAST(:seconds AS double precision)) AS instant;
