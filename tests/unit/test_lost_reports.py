"""Reports of lost tasks wait for PostgreSQL, and what waits is bounded."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import STATEMENT_TIMEOUT
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.reports import BATCH, MOST_WAITING, REPEATED, SLACK, LostReports


class Ledger:
    """Takes reports, unless it is away."""

    def __init__(self) -> None:
        self.away = False
        self.sizes: list[int] = []
        self.repeated: list[tuple[int, float]] = []
        self.ids: set[UUID] = set()

    async def report(self, hints: Sequence[Hint], ago: float | None) -> None:
        if self.away:
            raise ConnectionError
        if ago is not None:
            self.repeated.append((len(hints), ago))
            return
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
    assert await reports.tick() != AGAIN
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


async def test_a_report_is_made_again_until_nothing_of_a_dead_child_can_come_any_more(ledger: Ledger) -> None:
    now = 0.0
    reports = LostReports(lost=ledger.report, interrupted=ledger.report, clock=lambda: now)
    reports.add(hints(2))
    due: float | None = await reports.tick()
    while due is not None:
        assert due > 0
        now += due
        ledger.away = True
        with pytest.raises(ConnectionError):
            await reports.tick()
        ledger.away = False
        due = await reports.tick()
    assert ledger.repeated == [(2, after - SLACK) for after in REPEATED]
    assert REPEATED[-1] > STATEMENT_TIMEOUT


async def test_what_is_said_again_and_again_fills_no_memory(ledger: Ledger) -> None:
    now = 0.0
    reports = LostReports(lost=ledger.report, interrupted=ledger.report, clock=lambda: now)
    for _ in range(MOST_WAITING // BATCH + 3):
        reports.add(hints(BATCH))
        await reports.finish()
    now = REPEATED[0]
    while await reports.tick() == AGAIN:
        continue
    assert sum(count for count, _ in ledger.repeated) == MOST_WAITING
