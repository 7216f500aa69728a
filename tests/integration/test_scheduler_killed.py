"""Two schedulers, killed again and again: each nominal time stands in the ledger exactly once, each with a reason."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from tests.integration.scheduler_rows import Rows
from tests.integration.test_scheduler_beat import MODULE, beat
from tests.support import Surroundings, text, wait_until

from tidewheel_common.store.engine import Engine

FIRES = Surroundings().fires
SCHEDULES = 40
EVERY = 0.2  # seconds; 200 fires a second in all


class Killed:
    """A scheduler that is killed each time after some fires, and started again."""

    def __init__(self, engine: Engine, directory: Path, urls: tuple[str, str], seed: int) -> None:
        self._engine = engine
        self._directory = directory
        self._urls = urls
        self._random = random.Random(seed)  # noqa: S311 - it is to be the same each time
        self.lives = 0

    async def written(self) -> int:
        async with self._engine.connect() as connection:
            return int((await connection.execute(text("SELECT count(*) FROM fires"))).scalar_one())

    async def live(self) -> None:
        while await self.written() < FIRES:
            self.lives += 1
            home = self._directory / str(self.lives)
            home.mkdir(parents=True)
            until = min(FIRES, await self.written() + self._random.randint(50, 1000))
            async with beat(MODULE, home, *self._urls):
                await wait_until(partial(self._reached, until), timeout=60, what=f"{until} fires")

    async def _reached(self, count: int) -> bool:
        return await self.written() >= count


@pytest.mark.timeout(FIRES * 0.02 + 120)
async def test_killed_schedulers_write_each_nominal_time_down_exactly_once(
    engine: Engine, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    rows, start = Rows(engine), datetime(2026, 1, 1, tzinfo=UTC)
    async with engine.connect() as connection:
        now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    misfire = {"misfire": {"policy": "all", "limit": 1000}}
    for _ in range(SCHEDULES):
        await rows.schedule(every=EVERY, starts_at=start, next_run_at=now.replace(microsecond=0), rule=misfire)
    urls = (database_url, redis_url)
    killed = [Killed(engine, tmp_path / str(seed), urls, seed) for seed in range(2)]
    await asyncio.gather(*(each.live() for each in killed))

    times: dict[UUID, list[datetime]] = defaultdict(list)
    fires = await rows.all_fires()
    for row in fires:
        assert row["outcome"] in {"fired", "late"}
        assert row["reason"]
        times[row["schedule_id"]].append(row["nominal_at"])
    step = timedelta(seconds=EVERY)
    assert len(times) == SCHEDULES
    for nominal in times.values():
        first, last = min(nominal), max(nominal)
        assert sorted(nominal) == [first + number * step for number in range((last - first) // step + 1)]
        assert first == now.replace(microsecond=0)
    assert {row["id"] for row in await rows.all_tasks()} == {row["task_id"] for row in fires}
    assert min(each.lives for each in killed) >= 1
