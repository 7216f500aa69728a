"""The programs of one stack, and the order in which they stop."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tidewheel_cli.dev.guard import Guard
from tidewheel_cli.dev.supervised import Supervised
from tidewheel_cli.embedded.program import Program
from tidewheel_cli.waiting import first_of, together


class Crew:
    """Keeps programs running and stops them in a given order.

    Args:
        stop_order: the names of all programs that may come.
        report: receives a text for people when a program has died.
        changed: is called when a process has started.
        guard: ends the processes should we be killed.
        hurry: once set, programs are killed instead of being given time to end.
    """

    def __init__(
        self,
        *,
        stop_order: Sequence[str],
        report: Callable[[str], None],
        changed: Callable[[], None],
        guard: Guard,
        hurry: asyncio.Event,
    ) -> None:
        self._stop_order = stop_order
        self._report = report
        self._changed = changed
        self._guard = guard
        self._hurry = hurry
        self._members: dict[str, Supervised] = {}

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes by name; one that has died keeps its number until it is started again."""
        return {name: member.pid for name, member in self._members.items() if member.pid is not None}

    async def employ(self, program: Program) -> None:
        """Start a program and wait until it is ready.

        Raises:
            CannotStart: it does not become ready.
        """
        member = Supervised(program, report=self._report, changed=self._changed, guard=self._guard, hurry=self._hurry)
        self._members[program.name] = member
        await member.until_ready()

    async def employ_all(self, programs: Sequence[Program]) -> None:
        """Start programs at the same time and wait until all are ready."""
        await together(*(self.employ(program) for program in programs))

    async def until_broken(self) -> None:
        """Wait until one can no longer be kept running, and raise why."""
        await first_of(*(member.until_over() for member in self._members.values()))
        for member in self._members.values():
            member.raise_failure()

    async def stop(self) -> None:
        """Stop one after the other."""
        for name in sorted(self._members, key=self._stop_order.index):
            await self._members[name].stop()
