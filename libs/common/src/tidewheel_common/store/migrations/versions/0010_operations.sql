-- Bulk operations; and running tasks whose cancellation was asked for are found by an index.

-- A claim changes none of its columns and stays a heap-only-tuple update.
CREATE INDEX tasks_cancelling ON tasks (cancel_requested_at)
    WHERE cancel_requested_at IS NOT NULL AND remove_at IS NULL;

-- `reached` is the last task that was looked at: a gateway that takes an operation over goes on behind it.
CREATE TABLE operations (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    action text NOT NULL,
    filter jsonb NOT NULL,
    priority smallint,
    dry_run boolean NOT NULL,
    counted bigint NOT NULL,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    reached uuid,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT operations_action CHECK (action IN ('cancel', 'redrive', 'delete', 'reprioritise')),
    CONSTRAINT operations_priority CHECK ((priority IS NOT NULL) = (action = 'reprioritise'))
) WITH (fillfactor = 50);

CREATE INDEX operations_open ON operations (created_at, id) WHERE finished_at IS NULL;
