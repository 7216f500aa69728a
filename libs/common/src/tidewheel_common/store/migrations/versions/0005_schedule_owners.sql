-- Schedules that belong to a file, pauses with a reason, and fires that are refused and tried again.

ALTER TABLE schedules
    ADD COLUMN managed_by text,
    ADD COLUMN pause_reason text,
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    ADD COLUMN last_error text,
    ADD COLUMN retry_at timestamptz,
    ADD CONSTRAINT schedules_failing CHECK ((retry_at IS NOT NULL) = (failures > 0));

CREATE INDEX schedules_managed ON schedules (tenant_id, managed_by, id) WHERE managed_by IS NOT NULL;

-- What has been refused is looked for by the time of its next try, and is out of the way of all others.
DROP INDEX schedules_due;

CREATE INDEX schedules_due ON schedules (next_run_at) WHERE next_run_at IS NOT NULL AND retry_at IS NULL;

CREATE INDEX schedules_retrying ON schedules (retry_at) WHERE retry_at IS NOT NULL;
