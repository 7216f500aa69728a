"""Between SQLAlchemy and the driver: the few queries that truly vary, and statements in somebody else's session."""

from typing import Any, Final

from sqlalchemy import ClauseElement, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.types import NULLTYPE

from tidewheel_common.store.sql import Query, Statement

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]  # it has no types


def render(expression: ClauseElement) -> Query:
    """Return what `select` and its kin built, as the driver takes it."""
    compiled: Any = expression.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    values = compiled.construct_params()
    convert = compiled._bind_processors  # noqa: SLF001 -- how its types make values; there is no public way
    places = compiled.positiontup or ()
    return Query(str(compiled), [convert[name](values[name]) if name in convert else values[name] for name in places])


def clause(statement: Statement) -> TextClause:
    """Return a statement as a session of SQLAlchemy's runs it."""
    # Without a type SQLAlchemy would cast each bind by its Python value; PostgreSQL infers better.
    return text(statement.sql).bindparams(*(bindparam(name, type_=NULLTYPE) for name in statement.names))
