"""Sealing: payloads, results and errors are encrypted in the database, and bound to their tenant, task and field."""
