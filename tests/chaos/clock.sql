-- What the services ask the database for when they want to know the time, so that a fault can move it. It must be there
-- before the migrations, because the defaults of columns keep the function that they were made with.
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp()';
