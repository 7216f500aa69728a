"""Places at which a test makes a process die, stumble or hang: between two steps that nothing else can come between.

`fp("name")` does nothing unless the process was started with `TIDEWHEEL_FAILPOINTS`, which names a directory. Then a
failpoint is armed by a file of its name in it, whose text is an action and, if it is not to act at the first passing, a
number: `crash`, `raise 3`, `hang`. Whoever acts takes the file away first. So a failpoint acts once, whatever is forked
or started again, and a running stack can be armed again and again (ADR 11).
"""

import os
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Never

EXIT_CRASHED = 137
"""What a process killed by SIGKILL shows to a shell."""


@dataclass(frozen=True, slots=True)
class Failpoint:
    """One place: `service.moment`, and what is done and not done there."""

    name: str
    meaning: str

    @property
    def service(self) -> str:
        """Return the service whose source has the place."""
        return self.name.partition(".")[0]


FAILPOINTS = (
    Failpoint("gateway.before_insert", "a submission is about to be sent to PostgreSQL"),
    Failpoint("gateway.after_insert", "PostgreSQL has committed it; nobody has been told"),
    Failpoint("gateway.before_answer", "its wake-ups are on their way; the caller has no answer"),
    Failpoint("gateway.replaying", "a repeated key was found; the caller has no answer"),
    Failpoint("scheduler.promoted", "due tasks are ready; the dispatcher has not been woken"),
    Failpoint("scheduler.firing", "due schedules are locked; their tasks are not inserted"),
    Failpoint("scheduler.fired", "the fires are committed; the dispatcher has not been woken"),
    Failpoint("scheduler.rescuing", "lost tasks are locked; they still run"),
    Failpoint("dispatcher.marked", "tasks are queued; their hints are not in Redis"),
    Failpoint("dispatcher.pushed", "their hints are in Redis; the window knows nothing of it"),
    Failpoint("dispatcher.rehydrating", "the epoch is doubtful; nothing has been brought back"),
    Failpoint("dispatcher.rehydrated", "everything is brought back; the epoch is still doubtful"),
    Failpoint("executor.hinted", "a child has its hints; it has not claimed them"),
    Failpoint("executor.claimed", "a child has claimed its tasks; none has begun"),
    Failpoint("executor.ran", "handlers have had their effect; nothing is recorded"),
    Failpoint("executor.finished", "a child's results are committed; its main process does not know"),
    Failpoint("executor.acking", "results are committed; the stream entries are not acknowledged"),
    Failpoint("executor.beating", "the main process is about to say that it is alive"),
    Failpoint("executor.giving_back", "the executor stops; what it has not started is still its own"),
    Failpoint("reaper.choosing", "tasks are due for removal; the statement has not been sent"),
    Failpoint("reaper.removed", "they are deleted; nobody has counted them"),
)
"""Every failpoint there is. A test holds that each stands once in its service's source, and crashes at each."""


class Stumbled(ConnectionError):
    """What a failpoint raises: to its surroundings a connection was lost there."""


class Armory:
    """The failpoints of a process that a test may arm.

    Args:
        directory: Where a file arms the failpoint of its name.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._passed: Counter[str] = Counter()

    def pass_by(self, name: str) -> None:
        """Act, if the failpoint is armed and this process has passed it often enough since.

        Raises:
            Stumbled: That is what it was armed to do.
        """
        armed = self._directory / name
        try:
            action, _, number = armed.read_text(encoding="utf-8").strip().partition(" ")
        except FileNotFoundError:
            return
        self._passed[name] += 1
        if self._passed[name] < int(number or 1):
            return
        try:
            armed.rename(fired(self._directory, name))
        except FileNotFoundError:  # another process was faster
            return
        del self._passed[name]
        _act(name, action)


def _act(name: str, action: str) -> None:
    if action == "crash":
        _crash()
    if action == "hang":
        threading.Event().wait()
    if action == "raise":
        raise Stumbled(f"The failpoint {name} was armed.")
    raise ValueError(f"The failpoint {name} is armed to {action!r}; it knows crash, raise and hang.")


def _crash() -> Never:
    os._exit(EXIT_CRASHED)


def fired(directory: Path, name: str) -> Path:
    """Return the file that a failpoint leaves behind when it has acted."""
    return directory / f"{name}.fired"


_armory: Armory | None = None
"""The one thing here that is remembered: set by `arm` at the start of a process, inherited by its forked children."""


def arm(directory: Path | None) -> None:
    """Let failpoints act that are armed in a directory; None, as in production, makes all of them do nothing.

    Called by composition roots, with the setting `failpoints`.
    """
    global _armory  # noqa: PLW0603 -- a failpoint that had to be handed through every call would change what it watches
    _armory = None if directory is None else Armory(directory)


def fp(name: str) -> None:
    """Be a failpoint. Costs a comparison in production.

    Raises:
        Stumbled: It was armed to do so.
    """
    if _armory is not None:
        _armory.pass_by(name)
