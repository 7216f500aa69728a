-- What the doctor asks the database.

-- name: clock_read :one
-- Read the clock that decides when tasks are due.
SELECT clock_timestamp() AS now;
