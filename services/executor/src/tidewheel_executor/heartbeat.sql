-- name: executors_beat :exec
-- Say that this executor is alive, which queues it serves and which handlers it has. It also bears witness that PostgreSQL
-- is there, so that the schedulers' watch has no gap while they are away; where there is one already, they must see it.
WITH clock AS MATERIALIZED (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now
), witnessed AS (
    UPDATE watch SET seen_at = clock.now
    FROM clock
    WHERE clock.now BETWEEN seen_at AND seen_at + make_interval(secs => CAST(:gap AS double precision))
)
INSERT INTO executors (id, hostname, pid, queues, handlers, started_at, heartbeat_at)
SELECT :id, :hostname, :pid, CAST(:queues AS text[]), CAST(:handlers AS text[]), clock.now, clock.now
FROM clock
ON CONFLICT (id) DO UPDATE
SET queues = excluded.queues, handlers = excluded.handlers, heartbeat_at = excluded.heartbeat_at;

-- name: executors_leave :exec
-- Sign off: this executor has finished what it held.
DELETE FROM executors WHERE id = :id;
