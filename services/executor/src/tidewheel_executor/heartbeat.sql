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

-- name: handlers_publish :exec
-- Say what the handlers of this executor are. Of many executors that say the same, one in a while is enough.
INSERT INTO handlers AS h (name, digest, queue, description, arguments, first_seen_at, seen_at)
SELECT said.name, said.digest, said.queue, said.description, said.arguments, clock.now, clock.now
FROM unnest(
    CAST(:names AS text[]), CAST(:digests AS bytea[]), CAST(:queues AS text[]), CAST(:descriptions AS text[]),
    CAST(:arguments AS text[])
) AS said (name, digest, queue, description, arguments)
CROSS JOIN (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now) AS clock
ORDER BY said.name
ON CONFLICT (name, digest) DO UPDATE SET seen_at = excluded.seen_at
WHERE h.seen_at < excluded.seen_at - make_interval(secs => CAST(:enough AS double precision));

-- name: tasks_cancelling :many
-- Read what this executor runs although somebody has asked for its cancellation, and how many seconds ago that was.
SELECT id, attempt,
    CAST(extract(epoch FROM coalesce(CAST(:now AS timestamptz), clock_timestamp()) - cancel_requested_at)
        AS double precision) AS seconds
FROM tasks
WHERE cancel_requested_at IS NOT NULL AND remove_at IS NULL AND state = 'running'
    AND executor_id = CAST(:executor_id AS uuid);
