-- The two roles that outlast a password of the database's owner: one has the schema, one is what services connect as.
-- Run once by the owner (it needs CREATEROLE, not more), before the first migration:
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -v schema_password="…" -v services_password="…" -f deploy/postgres/roles.sql

CREATE ROLE tidewheel_schema LOGIN PASSWORD :'schema_password';
CREATE ROLE tidewheel_services LOGIN PASSWORD :'services_password';

GRANT CREATE, USAGE ON SCHEMA public TO tidewheel_schema;
GRANT USAGE ON SCHEMA public TO tidewheel_services;

-- What tidewheel_schema makes, now and in each migration to come, services may read and change, but not alter.
GRANT tidewheel_schema TO CURRENT_USER;
ALTER DEFAULT PRIVILEGES FOR ROLE tidewheel_schema IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tidewheel_services;
ALTER DEFAULT PRIVILEGES FOR ROLE tidewheel_schema IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO tidewheel_services;
