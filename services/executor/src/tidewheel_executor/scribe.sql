-- name: logs_append :exec
-- Keep what attempts have logged. The tasks are held meanwhile, so that nothing is kept of one that has been removed.
WITH held AS MATERIALIZED (
    SELECT id FROM tasks WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR KEY SHARE
)
INSERT INTO attempt_logs (task_id, attempt, part, tenant_id, lines, written_at)
SELECT l.task_id, l.attempt, l.part, l.tenant_id, l.lines, coalesce(CAST(:now AS timestamptz), clock_timestamp())
FROM unnest(
    CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:parts AS integer[]), CAST(:tenants AS uuid[]),
    CAST(:lines AS bytea[])
) AS l (task_id, attempt, part, tenant_id, lines)
JOIN held ON held.id = l.task_id
ON CONFLICT (task_id, attempt, part) DO NOTHING;

-- name: progress_put :exec
-- Keep how far attempts are; the last word of each counts.
WITH held AS MATERIALIZED (
    SELECT id FROM tasks WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR KEY SHARE
)
INSERT INTO attempt_progress (task_id, attempt, tenant_id, state, meta, updated_at)
SELECT p.task_id, p.attempt, p.tenant_id, p.state, p.meta, coalesce(CAST(:now AS timestamptz), clock_timestamp())
FROM unnest(
    CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:tenants AS uuid[]), CAST(:states AS text[]),
    CAST(:metas AS bytea[])
) AS p (task_id, attempt, tenant_id, state, meta)
JOIN held ON held.id = p.task_id
ON CONFLICT (task_id, attempt) DO UPDATE
SET state = excluded.state, meta = excluded.meta, updated_at = excluded.updated_at;
