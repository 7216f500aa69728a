"""Between SQLAlchemy and the driver: the few queries that truly vary, and statements in somebody else's session."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Executable, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.types import NULLTYPE

from tidewheel_common.store.sql import Statement

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]


def render(expression: Executable, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return an expression as text with places for its values, and the values in their order.

    Args:
        expression: what `select` and its kin built.
        parameters: the values of its open binds, by name.
    """
    compiled = expression.compile(  # type: ignore[attr-defined]  # every executable has it; the class does not say so
        dialect=_DIALECT,
        column_keys=list(parameters) or None,
        compile_kwargs={"render_postcompile": True},
    )
    values = compiled.construct_params(parameters)
    convert = compiled._bind_processors  # noqa: SLF001 -- how its types make values; there is no public way
    return str(compiled), [
        convert[name](values[name]) if name in convert else values[name] for name in compiled.positiontup
    ]


def clause(statement: Statement) -> TextClause:
    """Return a statement as a session of SQLAlchemy's runs it."""
    # Without a type SQLAlchemy would cast each bind by its Python value; PostgreSQL infers better.
    return text(statement.sql).bindparams(*(bindparam(name, type_=NULLTYPE) for name in statement.names))
