"""Which errors of PostgreSQL pass by themselves."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tidewheel_common.store.engine import is_transient
from tidewheel_common.weather import store_is_away


class Raised(Exception):
    """What the driver raises, as SQLAlchemy hands it on."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("no")
        self.sqlstate = sqlstate


def wrapped(sqlstate: str | None, *, invalidated: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 1", None, Raised(sqlstate), connection_invalidated=invalidated)


@pytest.mark.parametrize(
    "state",
    ["08006", "53100", "53200", "53300", "57P01", "57P02", "57P03", "57014", "25006", "25P03", "40001", "40P01"],
)
def test_what_is_no_fault_of_the_statement_passes(state: str) -> None:
    assert is_transient(wrapped(state))
    assert is_transient(Raised(state))  # as it comes while a connection is made
    assert store_is_away(wrapped(state))


@pytest.mark.parametrize("state", ["22000", "23505", "23514", "28P01", "3D000", "42501", "42P01", "42601", None])
def test_a_mistake_stays_a_mistake(state: str | None) -> None:
    assert not is_transient(wrapped(state))
    assert not is_transient(Raised(state))


def test_a_lost_connection_passes_whatever_it_was_lost_with() -> None:
    assert is_transient(wrapped("XX000", invalidated=True))
    assert is_transient(wrapped(None, invalidated=True))
    assert is_transient(asyncpg.InterfaceError("cannot perform operation: connection is closed"))
    assert is_transient(InterfaceError("SELECT 1", None, asyncpg.InterfaceError("connection is closed")))


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), PoolTimeout()])
def test_what_the_network_and_the_pool_raise_passes(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [ValueError("closed"), asyncpg.DataError("invalid input"), KeyError("state")])
def test_a_bug_does_not(error: Exception) -> None:
    assert not store_is_away(error)
