"""What ends a command early: a sentence on stderr and an exit code; never a traceback."""

import contextlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import typer

from tidewheel_cli.show import printable
from tidewheel_client import (
    ApiError,
    BadRequest,
    ChangedMeanwhile,
    ClientError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotConfigured,
    NotFound,
    StillRunning,
    TaskFailed,
    Unauthorized,
    Unreachable,
)
from tidewheel_common.core.errors import TidewheelError


class Exit(IntEnum):
    """Exit codes; `docs/cli.md` lists them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    CONFLICT = 5
    UNAVAILABLE = 6
    TOO_LATE = 7


EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 the task, the check or the step failed; 2 it cannot be done as it was asked; 3 not there; "
    "4 no valid key, or the key may not; 5 in conflict with how things are; 6 the service is not available; "
    "7 not done in time. `schedules plan` exits 3 when there is something to do."
)

_CODES: Final[tuple[tuple[tuple[type[Exception], ...], Exit], ...]] = (
    ((TaskFailed,), Exit.FAILED),
    ((NotConfigured, BadRequest, InvalidRequest), Exit.USAGE),
    ((NotFound,), Exit.NOT_FOUND),
    ((Unauthorized, Forbidden), Exit.NOT_ALLOWED),
    ((Conflict, ChangedMeanwhile), Exit.CONFLICT),
    ((StillRunning,), Exit.TOO_LATE),
)


class NotFoundHere(TidewheelError):
    """What the command is about is not there."""


class Unavailable(TidewheelError):
    """A server that the command needs does not answer."""


class TooLate(TidewheelError):
    """It was not done in time."""


_OURS: Final[dict[type[TidewheelError], Exit]] = {
    NotFoundHere: Exit.NOT_FOUND,
    Unavailable: Exit.UNAVAILABLE,
    TooLate: Exit.TOO_LATE,
}


def exit_code(error: TidewheelError | ClientError) -> Exit:
    """Return the exit code for an error."""
    if isinstance(error, TidewheelError):
        return _OURS.get(type(error), Exit.USAGE)
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), Exit.UNAVAILABLE)


def sentence(error: TidewheelError | ClientError) -> str:
    """Return what went wrong as a person reads it."""
    match error:
        case NotFound():
            return (
                "Nothing of yours is there: the id is mistyped or another tenant's, it was removed, "
                f"or --url leads elsewhere.{_request(error)}"
            )
        case Unauthorized():
            return f"The key does not open this gateway; give another one with --api-key.{_request(error)}"
        case ApiError():
            places = "; ".join(f"{each.field}: {each.detail}" for each in error.errors)
            return f"{places or error.detail}{_request(error)}"
        case TaskFailed():
            return f"{printable(str(error).partition(chr(10))[0])} `tidewheel get {error.task.id}` shows all of it."
        case Unreachable():
            return f"{error} Is it running, and is --url its address?"
        case _:
            return str(error)


def _request(error: ApiError) -> str:
    return f" [request {error.request_id}]" if error.request_id else ""


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn the errors of the block into a sentence and an exit code.

    Raises:
        typer.Exit: there was one.
    """
    try:
        yield
    except (TidewheelError, ClientError) as error:
        typer.echo(sentence(error), err=True)
        raise typer.Exit(exit_code(error)) from None
