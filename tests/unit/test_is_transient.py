"""Which errors of PostgreSQL pass by themselves."""

import asyncpg
import pytest

from tidewheel_common.store.errors import is_transient
from tidewheel_common.weather import store_is_away


class Raised(Exception):
    """What the driver raises."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("no")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    "state",
    ["08006", "53100", "53200", "53300", "57P01", "57P02", "57P03", "57014", "25006", "25P03", "40001", "40P01"],
)
def test_what_is_no_fault_of_the_statement_passes(state: str) -> None:
    assert is_transient(Raised(state))
    assert store_is_away(Raised(state))


@pytest.mark.parametrize("state", ["22000", "23505", "23514", "28P01", "3D000", "42501", "42P01", "42601", None])
def test_a_mistake_stays_a_mistake(state: str | None) -> None:
    assert not is_transient(Raised(state))


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InterfaceError("cannot perform operation: connection is closed"),
        asyncpg.InterfaceError("cannot call Transaction.rollback(): the underlying connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    ],
)
def test_a_lost_connection_passes_whatever_it_was_lost_with(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError()])
def test_what_the_network_raises_passes(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error", [ValueError("closed"), asyncpg.exceptions.DataError("invalid input"), KeyError("state")]
)
def test_a_bug_does_not(error: Exception) -> None:
    assert not store_is_away(error)
