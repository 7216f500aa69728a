"""What tests share besides fixtures."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from pydantic_settings import BaseSettings

from tidewheel_common.store.sql import Statement, parse_statements

T = TypeVar("T")

_POLL = 0.01  # seconds


class Surroundings(BaseSettings):
    """What the environment says about this test run."""

    ci: bool = False
    fires: int = 1000
    """After how many fires the killing of schedulers ends; 200 are due each second."""
    examples: int = 150
    """How many random cases the longest campaigns take; `EXAMPLES=100000` for a long one."""


@overload
async def wait_until(
    condition: Callable[[], Coroutine[Any, Any, T]], *, timeout: float = ..., what: str = ...
) -> T: ...


@overload
async def wait_until(condition: Callable[[], T], *, timeout: float = ..., what: str = ...) -> T: ...


async def wait_until(
    condition: Callable[[], Any],
    *,
    timeout: float = 10.0,
    what: str = "",
) -> Any:
    """Wait until a condition holds and return what it answered; an error that it raises fails the test at once.

    Args:
        condition: a plain or an async function; it holds when its answer is true.
        timeout: seconds.
        what: the condition in words, for the failure.
    """
    deadline = time.monotonic() + timeout
    never = asyncio.Event()
    while True:
        answer = condition()
        held = await answer if inspect.isawaitable(answer) else answer
        if held:
            return held
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or condition} did not hold within {timeout} s; the last answer was {held!r}")
        try:
            await asyncio.wait_for(never.wait(), _POLL)
        except TimeoutError:
            continue


def text(sql: str) -> Statement:
    """Return a statement of a test's own, with its parameters by name (`:name`)."""
    return parse_statements(f"-- name: of_a_test :many\n{sql}", source="a test")["of_a_test"]
