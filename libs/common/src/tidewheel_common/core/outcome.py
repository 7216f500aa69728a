"""What one attempt may end in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Completed:
    """The handler returned."""

    result: bytes | None
    """The JSON of what it returned, not sealed yet; None when it returned nothing to keep."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised; another attempt may succeed."""

    error: str
    error_type: str
    retry_in: float | None = None
    """Seconds, when the handler itself asked for a moment to retry."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Trying again cannot help: a payload that does not open, arguments that do not fit, a rejected task."""

    error: str
    error_type: str
    unsealable: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The attempt was given back before its handler could decide; it costs no failure."""

    retry_in: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The executor, or its child process, died under the attempt."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A cancel that was asked for took effect."""


Outcome = Completed | Failed | Refused | Interrupted | Lost | Cancelled
