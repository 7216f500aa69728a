-- Tasks that have not begun in time, and whom schedules tell.

-- `late_at`: when somebody wants to be told that it has not begun; null when nobody does, or once it has begun.
-- `lapsed_at`: when it was seen that it had not, while nobody has been told. A claim changes neither.
ALTER TABLE tasks
    ADD COLUMN late_at timestamptz,
    ADD COLUMN lapsed_at timestamptz;

CREATE INDEX tasks_late ON tasks (late_at) WHERE late_at IS NOT NULL AND lapsed_at IS NULL AND remove_at IS NULL;

CREATE INDEX tasks_lapsed ON tasks (lapsed_at) WHERE lapsed_at IS NOT NULL;

-- `notify`: whom its fires and its tasks concern, sealed. `late_after`: the shortest time of those who want to know of late
-- tasks; it stands in the open, because the scheduler has no keys.
ALTER TABLE schedules
    ADD COLUMN notify bytea,
    ADD COLUMN late_after double precision;

ALTER TABLE schedules ALTER COLUMN notify SET STORAGE EXTERNAL;

-- After how many seconds a task is late for a rule; null where it tells only of schedules that are.
ALTER TABLE notification_rules
    ADD COLUMN late_after double precision,
    ADD CONSTRAINT notification_rules_late CHECK (late_after IS NULL OR late_after > 0 AND 'late' = ANY (events));
