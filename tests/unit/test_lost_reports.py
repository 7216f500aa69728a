"""Reports of lost tasks wait for PostgreSQL, and what waits is bounded."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.reports import BATCH, MOST_WAITING, LostReports


class Ledger:
    """Takes reports, unless it is away."""

    def __init__(self) -> None:
        self.away = False
        self.sizes: list[int] = []
        self.ids: set[UUID] = set()

    async def report(self, hints: Sequence[Hint]) -> None:
        if self.away:
            raise ConnectionError
        self.sizes.append(len(hints))
        self.ids |= {hint.task_id for hint in hints}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def hints(count: int, first: int = 0) -> list[Hint]:
    return [Hint(task_id=UUID(int=first + number), attempt=0, handler="h") for number in range(count)]


async def test_what_could_not_be_reported_is_reported_later_batch_by_batch(ledger: Ledger) -> None:
    reports = LostReports(lost=ledger.report, interrupted=ledger.report)
    ledger.away = True
    reports.add(hints(BATCH + 1))
    with pytest.raises(ConnectionError):
        await reports.tick()
    ledger.away = False
    assert await reports.tick() == AGAIN
    assert await reports.tick() is None
    assert ledger.sizes == [BATCH, 1]
    assert len(ledger.ids) == BATCH + 1


async def test_children_that_die_for_hours_while_postgresql_is_away_fill_no_memory(ledger: Ledger) -> None:
    reports = LostReports(lost=ledger.report, interrupted=ledger.report)
    for number in range(3 * MOST_WAITING // BATCH):
        reports.add(hints(BATCH, first=number * BATCH))
    reports.interrupt(hints(3, first=10 * MOST_WAITING))
    await reports.finish()
    assert len(ledger.ids) == MOST_WAITING + 3
    reports.add(hints(1, first=11 * MOST_WAITING))
    await reports.finish()
    assert len(ledger.ids) == MOST_WAITING + 4
