"""How large the tables are that every task goes through."""

from dataclasses import dataclass
from typing import Any

_MIB = 1024 * 1024

_SIZES = """
    SELECT sum(pg_table_size(relid)) AS tables, sum(pg_indexes_size(relid)) AS indexes, sum(n_dead_tup) AS dead
    FROM pg_stat_user_tables WHERE relname IN ('tasks', 'attempts')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """MiB of the tables and of their indexes; rows that are dead and not cleaned away, as far as PostgreSQL knows."""

    tables: float
    indexes: float
    dead: int

    @property
    def both(self) -> float:
        return self.tables + self.indexes


async def sizes(database: Any) -> Sizes:
    row = await database.fetchrow(_SIZES)
    return Sizes(tables=float(row["tables"]) / _MIB, indexes=float(row["indexes"]) / _MIB, dead=int(row["dead"]))
