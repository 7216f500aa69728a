-- The gateway's statements about handlers: what executors say of them. `:now` is null in production.

-- name: handlers_current :many
-- Read the variants of each handler that count: those that were seen about as lately as its latest one, the newest first. A
-- schema that is known already is left out.
SELECT name, digest, CASE WHEN digest = ANY (CAST(:known AS bytea[])) THEN NULL ELSE arguments END AS arguments
FROM (SELECT *, max(seen_at) OVER (PARTITION BY name) AS latest_at FROM handlers) AS seen
WHERE seen_at > latest_at - make_interval(secs => CAST(:overlap AS double precision))
ORDER BY name, first_seen_at DESC, digest;

-- name: handlers_list :many
-- Read the variants of each handler that count, the newest first, with the live executors that have the handler.
SELECT name, queue, description, arguments, first_seen_at, seen_at,
    ARRAY(
        SELECT e.id
        FROM executors AS e
        WHERE seen.name = ANY (e.handlers) AND e.heartbeat_at > coalesce(CAST(:now AS timestamptz), clock_timestamp())
            - make_interval(secs => CAST(:stale AS double precision))
        ORDER BY e.id
    ) AS executors
FROM (SELECT *, max(seen_at) OVER (PARTITION BY name) AS latest_at FROM handlers) AS seen
WHERE seen_at > latest_at - make_interval(secs => CAST(:overlap AS double precision))
ORDER BY name, first_seen_at DESC, digest;
