"""How one call is carried through: what is sent, what is tried again, and after which pause.

Pure: it yields what is to be done, and is told what came of it. The callers only do it.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar
from uuid import uuid4

from tidewheel_client.call import Call, Reply
from tidewheel_client.errors import ApiError, Unreachable, api_error
from tidewheel_client.values import decode, encode

T = TypeVar("T")

LONGEST_PAUSE: Final = 60.0
"""Seconds. A service that wants to be asked again later than that is not waited for: the caller hears of it at once."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same call may succeed."""

_NOT_DONE: Final = frozenset({408, 429})
"""Those among them that say for certain that nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be sent; `hold` seconds may pass before the service begins to answer."""

    method: str
    path: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    content: bytes | None
    hold: float


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds are to be waited."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No answer came; `sent` tells whether the service may have seen the request."""

    reason: str
    sent: bool


Step = Request | Pause
Outcome = Reply | Lost | None
Flow = Generator[Step, Outcome, T]
"""Yields steps, is sent their outcomes (None after a pause), and returns the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient a client is.

    Attributes:
        tries: how often a call is made before it fails.
        jitter: draws from [0, 1); spreads the pauses, so that clients that failed together do not return together.
        new_key: makes idempotency keys.
    """

    tries: int
    jitter: Callable[[], float]
    new_key: Callable[[], str] = lambda: uuid4().hex

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after so many tries when the service names none."""
        return float(min(0.2 * 2.0**attempt, 5.0) * (0.5 + self.jitter() / 2))


def exchange(call: Call[T], policy: Policy, headers: Mapping[str, str]) -> Flow[T]:
    """Carry a call through.

    Args:
        call: what to ask.
        policy: how often.
        headers: what every request of this client carries.

    Raises:
        ApiError: the service refused.
        Unreachable: no answer came, after all tries.
    """
    request = _request(call, policy, headers)
    for attempt in range(1, policy.tries + 1):
        outcome = yield request
        if isinstance(outcome, Reply) and _settled(call, outcome, attempt):
            return call.read(outcome)
        error = _error(outcome)
        pause = _pause(call, outcome, error, policy.pause(attempt))
        if pause is None or attempt == policy.tries:
            raise error
        yield Pause(pause)
    raise AssertionError("unreachable: the last try returns or raises")


def _request(call: Call[T], policy: Policy, headers: Mapping[str, str]) -> Request:
    made = {**headers, **call.headers}
    content = None
    if call.body is not None:
        content = encode(call.body)
        made["Content-Type"] = "application/json"
    if call.keyed:  # one key for all tries: that is what makes them one submission
        made[IDEMPOTENCY_KEY] = call.key or policy.new_key()
    return Request(
        method=call.method, path=call.path, params=call.params, headers=made, content=content, hold=call.hold
    )


def _settled(call: Call[T], reply: Reply, attempt: int) -> bool:
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES or reply.status in call.accepts:
        return True
    # Whoever deletes again after a lost answer finds nothing: it is done.
    return call.method == "DELETE" and attempt > 1 and reply.status == HTTPStatus.NOT_FOUND


def _pause(call: Call[T], outcome: Outcome, error: ApiError | Unreachable, patience: float) -> float | None:
    """Return the seconds after which the call is to be made again, or None when its failure is final."""
    harmless = call.repeatable or call.keyed
    if isinstance(outcome, Lost):
        return patience if harmless or not outcome.sent else None
    if not isinstance(error, ApiError):
        return None
    # 409 with Retry-After: an earlier try of this very call is still under way; later it can be answered.
    passing = error.status in _BUSY or (error.status == HTTPStatus.CONFLICT and error.retry_after is not None)
    if not passing or not (harmless or error.status in _NOT_DONE):
        return None
    wanted = patience if error.retry_after is None else error.retry_after
    return wanted if wanted <= LONGEST_PAUSE else None


def _error(outcome: Outcome) -> ApiError | Unreachable:
    if not isinstance(outcome, Reply):
        reason = outcome.reason if outcome is not None else "nothing was sent"
        return Unreachable(f"Tidewheel does not answer: {reason}.")
    try:
        problem = decode(outcome.content)
    except ValueError:
        problem = {"detail": outcome.content[:200].decode(errors="replace")}
    return api_error(
        outcome.status,
        problem if isinstance(problem, dict) else {},
        request_id=outcome.headers.get("x-request-id"),
        retry_after=_seconds(outcome.headers.get("retry-after")),
    )


def _seconds(text: str | None) -> float | None:
    # Retry-After may be a date too; Tidewheel sends seconds, and our own pause is as good as a foreign clock.
    return float(text) if text is not None and text.isdecimal() else None
