"""A Redis that is emptied while 100,000 tasks are queued: how soon does everything flow again, and is anything lost?"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
from redis.asyncio import Redis
from tests.chaos.cluster import Cluster, Shape
from tests.chaos.ledger import instant, read_runs
from tests.chaos.probe import Probe
from tests.chaos.starting import running_cluster
from tests.chaos.wire import ask, request
from tests.support import wait_until

_TASKS = 100_000
_BATCH = 1_000
_PATIENCE = 600.0  # seconds until all work must have ended
_BOUND = 10.0  # seconds from the emptying to normal flow

_QUEUE_ALL = (
    "UPDATE tasks SET state = 'queued', queued_at = clock_timestamp() - interval '5 seconds', ready_at = NULL "
    "WHERE state = 'ready'"
)


async def hundred_thousand_queued(directory: Path, say: Callable[[str], None], *, tasks: int = _TASKS) -> list[str]:
    """Queue tasks while no executor can fetch any, empty Redis, and let the executors in again."""
    async with running_cluster(directory, Shape()) as cluster:
        database = await asyncpg.connect(cluster.database_url)
        try:
            return await _carry_out(cluster, database, say, tasks)
        finally:
            await database.close()


async def _carry_out(
    cluster: Cluster, database: asyncpg.Connection, say: Callable[[str], None], tasks: int
) -> list[str]:
    links = [cluster.links[f"{name}-redis"] for name in cluster.shape.services if name.startswith("executor")]
    for link in links:
        await link.cut()
    accepted = await _submit(cluster, tasks)
    # The window keeps most of them `ready`. As if it had been that wide: what the dispatcher marks, it pushes.
    await database.execute("SET application_name = 'tidewheel-dispatcher'")
    await database.execute(_QUEUE_ALL)
    queued = await database.fetchval("SELECT count(*) FROM tasks WHERE state = 'queued'")
    async with Redis.from_url(cluster.redis_url) as redis:
        await redis.flushall()
    emptied = instant()
    for link in links:
        await link.heal()
    say(f"accepted {accepted}, queued {queued} when Redis was emptied")
    new, old = await asyncio.gather(_until_new_work(cluster), _until_old_work(database))
    say(
        f"a new task was complete {new - emptied:.1f} s after the emptying, the first of the old ones after "
        f"{old - emptied:.1f} s"
    )
    await wait_until(lambda: _all_complete(database), timeout=_PATIENCE, what="the end of all work")
    say(f"all {accepted} complete after {instant() - emptied:.1f} s")
    found = await _judge(cluster, database, accepted, queued)
    if max(new, old) - emptied > _BOUND:
        found.append(f"normal flow came back after {max(new, old) - emptied:.1f} s instead of {_BOUND:g} s")
    return found


async def _submit(cluster: Cluster, tasks: int) -> int:
    body = {"tasks": [{"handler": "chaos.touch", "payload": {"who": "alpha"}} for _ in range(_BATCH)]}
    asked = request(cluster.api_url, "/v1/tasks:batch", cluster.api_keys["alpha"], body)
    accepted = 0
    while accepted < tasks:
        answer = await ask(cluster.api_url, asked, patience=60.0)
        if answer.status == 201:
            accepted += sum(1 for each in answer.content["results"] if "id" in each)
    return accepted


async def _until_new_work(cluster: Cluster) -> float:
    probe = Probe(cluster.api_url, cluster.api_keys["alpha"], "alpha")
    try:
        return await probe.until_through()
    finally:
        await probe.close()


async def _until_old_work(database: asyncpg.Connection) -> float:
    await wait_until(
        lambda: database.fetchval("SELECT EXISTS (SELECT FROM tasks WHERE state = 'complete' AND tags = '{}')"),
        timeout=_PATIENCE,
        what="the first old task to be complete",
    )
    return instant()


async def _all_complete(database: asyncpg.Connection) -> bool:
    return not await database.fetchval("SELECT EXISTS (SELECT FROM tasks WHERE remove_at IS NULL)")


async def _judge(cluster: Cluster, database: asyncpg.Connection, accepted: int, queued: int) -> list[str]:
    complete = await database.fetchval("SELECT count(*) FROM tasks WHERE state = 'complete' AND tags = '{}'")
    runs = read_runs(cluster.ledger.read_text(encoding="utf-8").splitlines())
    twice = len(runs) - len({run.task for run in runs})
    found = []
    if queued < accepted:
        found.append(f"only {queued} of {accepted} tasks were queued")
    if complete != accepted:
        found.append(f"{accepted} were accepted and {complete} are complete")
    if twice:
        found.append(f"{twice} ran twice")
    return found
