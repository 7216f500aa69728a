"""The bundle: the hints that one stream entry carries, and how they are written.

What an entry costs in Redis and in its clients hardly depends on what it says. So hints that differ in nothing but the
task and the attempt share one: of a handler whose runs are so short that hundreds of them travel in one message.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tidewheel_common.store.ids import make_id
from tidewheel_common.streams.hint import Hint

FIELD = b"h"
"""The one field of a stream entry; its value is the bundle's text."""

PARTS = 8
"""A bundle is at most one of so many parts of a message. What fits is not divided, so these are the steps in which work
is spread over children and executors; a message itself is made no smaller than a quarter."""

LARGEST = 100
"""Hints in a bundle at most; the id of its entry has three digits for their number."""

_HEX = 32
_TEXT = re.compile(r"([0-9a-f]{32}(?:,[0-9a-f]{32})*) (\d+(?:,\d+)*) (\d+) (-|[0-9.e+-]+) (\S+) (.+)", re.DOTALL)


class Bundle(NamedTuple):
    """Hints of one handler that agree in all but the task and the attempt, in the order in which they are to run."""

    text: str
    """As it stands in a stream entry: ids, attempts, and what all share. The handler's name is last, for it may have
    spaces."""
    size: int
    """How many hints they are."""
    handler: str
    timeout: float | None
    """Seconds; None for the executor's default."""
    lost: int

    @classmethod
    def of(cls, hints: Sequence[Hint]) -> "Bundle":
        """Write hints that agree so; one at least."""
        _, _, handler, timeout, lost, traceparent = hints[0]
        ids = ",".join([hint.task_id.hex for hint in hints])
        attempts = ",".join([str(hint.attempt) for hint in hints])
        seconds = "-" if timeout is None else repr(timeout)
        text = f"{ids} {attempts} {lost} {seconds} {traceparent or '-'} {handler}"
        return cls(text, len(hints), handler, timeout, lost)

    @classmethod
    def read(cls, text: str) -> "Bundle":
        """Read what stands in a stream entry.

        Raises:
            ValueError: the entry was not written by a dispatcher.
        """
        ids, attempts, lost, timeout, _, handler = _words(text)
        size = (len(ids) + 1) // (_HEX + 1)
        if attempts.count(",") != size - 1:
            raise ValueError("An entry has as many attempts as ids.")
        return cls(text, size, handler, None if timeout == "-" else float(timeout), int(lost))

    @property
    def hints(self) -> list[Hint]:
        """The hints, one by one."""
        ids, attempts, _, _, trace, _ = _words(self.text)
        traceparent = None if trace == "-" else trace
        return [
            Hint(make_id(task_id), int(attempt), self.handler, self.timeout, self.lost, traceparent)
            for task_id, attempt in zip(ids.split(","), attempts.split(","), strict=True)
        ]

    def split(self, most: int) -> list["Bundle"]:
        """Return the same hints in bundles of at most `most`."""
        if self.size <= most:
            return [self]
        hints = self.hints
        return [Bundle.of(hints[first : first + most]) for first in range(0, self.size, most)]


def largest(capacity: int) -> int:
    """Return how many hints of a handler may share an entry, if a message holds `capacity` of its runs."""
    return max(1, min(LARGEST, capacity // PARTS))


def bundle(hints: Iterable[Hint], size_of: Callable[[str], int]) -> list[Bundle]:
    """Put the hints for one stream into bundles; each stands where its first hint would stand.

    A task with a timeout of its own travels alone: that may be longer than executors let tasks be packed with. So does
    one that was lost before, and one that is traced, whose span no other shares.

    Args:
        hints: in the order in which they are to run.
        size_of: tells how many hints of a handler may share an entry.
    """
    made: list[list[Hint]] = []
    filling: dict[str, list[Hint]] = {}
    for hint in hints:
        _, _, handler, timeout, lost, traceparent = hint
        if timeout is not None or lost or traceparent is not None:
            made.append([hint])
            continue
        current = filling.get(handler)
        if current is None or len(current) >= size_of(handler):
            current = filling[handler] = []
            made.append(current)
        current.append(hint)
    return [Bundle.of(alike) for alike in made]


def read_bundles(texts: Iterable[str]) -> list[Hint]:
    """Return the hints of some bundles, one by one.

    Raises:
        ValueError: a text was not written by a dispatcher.
    """
    return [hint for text in texts for hint in Bundle.read(text).hints]


def identities_of(text: str) -> Iterable[tuple[str, str]]:
    """Return the task id (hex) and the attempt of each hint of a stream entry, without making the hints.

    Raises:
        ValueError: the entry was not written by a dispatcher.
    """
    ids, attempts, *_ = _words(text)
    return zip(ids.split(","), attempts.split(","), strict=True)


def hints_of(entry_id: bytes) -> int:
    """Return how many hints an entry carries, by the last three digits of its id; see `append.lua`."""
    sequence = int(entry_id.partition(b"-")[2])
    return sequence % (10 * LARGEST) if sequence >= 10 * LARGEST else 1  # nobody but us has ids with a time in them


def _words(text: str) -> Sequence[str]:
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError("An entry is: ids, attempts, times lost, timeout, trace, handler.")
    return match.groups()
