-- Rules of several specs, pauses that end by themselves, schedules that end, and a ledger that says why.

ALTER TABLE schedules
    ADD COLUMN rule jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN overlap text NOT NULL DEFAULT 'allow'
        CONSTRAINT schedules_overlap CHECK (overlap IN ('allow', 'skip', 'queue_one', 'cancel_running')),
    ADD COLUMN fired integer NOT NULL DEFAULT 0,
    ADD COLUMN held_at timestamptz,
    ADD COLUMN paused_until timestamptz,
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN source text NOT NULL DEFAULT 'api',
    DROP CONSTRAINT schedules_spec,
    ADD CONSTRAINT schedules_spec
        CHECK (num_nonnulls(every, cron) = CASE WHEN jsonb_exists(rule, 'specs') THEN 0 ELSE 1 END),
    ADD CONSTRAINT schedules_paused_until CHECK (paused_until IS NULL OR paused_at IS NOT NULL),
    ADD CONSTRAINT schedules_ended CHECK (ended_at IS NULL OR next_run_at IS NULL);

CREATE INDEX schedules_waking ON schedules (paused_until) WHERE paused_until IS NOT NULL;

CREATE INDEX schedules_held ON schedules (held_at) WHERE held_at IS NOT NULL;

-- The runs of a schedule that have not ended. A claim changes none of its columns and stays a heap-only-tuple update.
CREATE INDEX tasks_schedule_open ON tasks (schedule_id) WHERE schedule_id IS NOT NULL AND remove_at IS NULL;

-- One row per nominal time of a schedule, whatever became of it.
ALTER TABLE fires
    ALTER COLUMN task_id DROP NOT NULL,
    ADD COLUMN outcome text NOT NULL DEFAULT 'fired'
        CONSTRAINT fires_outcome CHECK (outcome IN ('fired', 'skipped', 'late', 'missed')),
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT fires_task CHECK (task_id IS NOT NULL OR outcome IN ('skipped', 'missed'));
