-- What the rig adds to the database under test: a trail of every change of state, written in the same transaction.
-- `at` is on this machine's clock, `clock` on the one that the services ask the database for and that a fault may move.
CREATE SCHEMA chaos;

CREATE TABLE chaos.trail (
    n bigserial PRIMARY KEY,
    task_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    source text,
    target text,
    attempt integer NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    clock timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_at timestamptz NOT NULL,
    remove_at timestamptz,
    tag text
);

CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO chaos.trail (task_id, tenant_id, source, target, attempt, by, run_at, remove_at, tag)
        VALUES (NEW.id, NEW.tenant_id, NULL, NEW.state, NEW.attempt, current_setting('application_name'),
            NEW.run_at, NULL, NEW.tags[1]);
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO chaos.trail (task_id, tenant_id, source, target, attempt, by, run_at, remove_at)
        VALUES (NEW.id, NEW.tenant_id, OLD.state, NEW.state, NEW.attempt, current_setting('application_name'),
            NEW.run_at, NEW.remove_at);
    ELSE
        INSERT INTO chaos.trail (task_id, tenant_id, source, target, attempt, by, run_at, remove_at)
        VALUES (OLD.id, OLD.tenant_id, OLD.state, NULL, OLD.attempt, current_setting('application_name'),
            OLD.run_at, OLD.remove_at);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER chaos_born_or_gone AFTER INSERT OR DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION chaos.note();

CREATE TRIGGER chaos_moved AFTER UPDATE ON tasks FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION chaos.note();
