-- name: executors_beat :exec
-- Say that this executor is alive, which queues it serves and which handlers it has.
INSERT INTO executors (id, hostname, pid, queues, handlers, started_at, heartbeat_at)
VALUES (:id, :hostname, :pid, CAST(:queues AS text[]), CAST(:handlers AS text[]),
        coalesce(CAST(:now AS timestamptz), clock_timestamp()), coalesce(CAST(:now AS timestamptz), clock_timestamp()))
ON CONFLICT (id) DO UPDATE
SET queues = excluded.queues, handlers = excluded.handlers, heartbeat_at = excluded.heartbeat_at;

-- name: executors_leave :exec
-- Sign off: this executor has finished what it held.
DELETE FROM executors WHERE id = :id;
