"""What every Tidewheel process shares.

core     pure decisions: the task, its lifecycle, retry or die, backoff, cron. No I/O, no clock.
store    PostgreSQL: the engine, the `.sql` loader, the migrations.
streams  Redis: the client, every key, the hint that travels on a stream, wake-ups.
crypto   the key ring; sealing and opening of payloads.
process  what makes a process: settings, the one loop skeleton, health, logs, metrics, tracing.
weather  which errors of the two stores pass by themselves.
"""
