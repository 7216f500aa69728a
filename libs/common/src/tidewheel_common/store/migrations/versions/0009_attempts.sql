-- The order in which a task named its parents, and what attempts say while they run.

-- Parents that were named before have no order but that of their ids, which break ties.
ALTER TABLE dependencies ADD COLUMN place integer NOT NULL DEFAULT 0;

-- What handlers logged: sealed pieces of many lines each.
CREATE TABLE attempt_logs (
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    part integer NOT NULL,
    tenant_id uuid NOT NULL,
    lines bytea NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, attempt, part)
);

ALTER TABLE attempt_logs ALTER COLUMN lines SET STORAGE EXTERNAL;

-- How far attempts are, in the words of their handlers.
CREATE TABLE attempt_progress (
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    tenant_id uuid NOT NULL,
    state text NOT NULL,
    meta bytea NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, attempt)
) WITH (fillfactor = 50);
