"""What became of one accepted task, and what is wrong with it. Pure, so that each check can be seen to fail."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

RUNS_FOR = {"complete": {1}, "failed": {1}, "lost": {0, 1}, "interrupted": {0, 1}}
"""How often an attempt may have run whose end was recorded so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One task: where it is now, its execution log, and how often each attempt has had its effect.

    Attributes:
        state: None when it is gone.
        short_lived: It may be gone by now.
    """

    state: str | None
    attempt: int
    log: Sequence[tuple[int, str]]
    ran: Counter[int]
    short_lived: bool = False

    @property
    def losses(self) -> int:
        """How many of its attempts were lost."""
        return sum(state == "lost" for _, state in self.log)

    @property
    def repeats(self) -> int:
        """How many of them had had their effect all the same."""
        return sum(state == "lost" and self.ran[number] > 0 for number, state in self.log)


def faults(story: Story) -> Iterator[str]:
    """Say what must not be."""
    if story.state is None:
        yield from _faults_of_gone(story)
        return
    if story.state != "complete":
        yield f"it ended {story.state}"
    if [number for number, _ in story.log] != list(range(1, story.attempt + 1)):
        yield f"of {story.attempt} attempts it logged {[number for number, _ in story.log]}"
    for number, state in story.log:
        if story.ran[number] not in RUNS_FOR.get(state, set()):
            yield f"attempt {number} ended {state} and ran {story.ran[number]} times"
    if unknown := story.ran.keys() - {number for number, _ in story.log}:
        yield f"the attempts {sorted(unknown)} ran and nobody knows"


def _faults_of_gone(story: Story) -> Iterator[str]:
    if not story.short_lived:
        yield "it has vanished"
    elif not story.ran:
        yield "it was removed and never ran"
    elif max(story.ran.values()) > 1:
        yield "an attempt ran twice"
