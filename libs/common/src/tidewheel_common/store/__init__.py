"""PostgreSQL: the engine, the `.sql` loader, the tables and their migrations."""
