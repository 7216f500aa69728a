"""PostgreSQL and Valkey as children of this process, for development and tests; not for production."""

from tidewheel_cli.embedded.postgres import embedded_postgres
from tidewheel_cli.embedded.valkey import embedded_valkey

__all__ = ["embedded_postgres", "embedded_valkey"]
