-- What the doctor asks the database.

-- name: server_read :one
-- Read the clock that decides when tasks are due, and which PostgreSQL this is.
SELECT clock_timestamp() AS now, CAST(current_setting('server_version_num') AS integer) / 10000 AS release;
