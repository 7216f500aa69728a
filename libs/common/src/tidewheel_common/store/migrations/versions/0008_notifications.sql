-- Notifications: what a task's end owes to whom, and the rules of tenants.

-- `notify`: whom the task's own submission wants to be told, sealed. `owes`: its end has still to be told of, to those or
-- to the rules of its tenant. Most tasks have neither. A claim changes none of these columns.
ALTER TABLE tasks
    ADD COLUMN notify bytea,
    ADD COLUMN owes boolean NOT NULL DEFAULT false;

ALTER TABLE tasks ALTER COLUMN notify SET STORAGE EXTERNAL;

CREATE INDEX tasks_owing ON tasks (finished_at) WHERE owes AND remove_at IS NOT NULL;

ALTER TABLE fires ADD COLUMN owes boolean NOT NULL DEFAULT false;

CREATE INDEX fires_owing ON fires (fired_at) WHERE owes;

-- What a tenant wants to be told of. `handler`, `queue` and `tag` are patterns, null for any; `target` is sealed.
CREATE TABLE notification_rules (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    events text[] NOT NULL,
    handler text,
    queue text,
    tag text,
    target bytea NOT NULL,
    disabled_at timestamptz,
    disabled_reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT notification_rules_events CHECK (events <@ ARRAY['complete', 'dead', 'late', 'missed'] AND events <> '{}'),
    CONSTRAINT notification_rules_disabled CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);

CREATE UNIQUE INDEX notification_rules_name ON notification_rules (tenant_id, name);
