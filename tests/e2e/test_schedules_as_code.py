"""Schedules as code on a real stack: the shop of `examples/`, from its file to a task in its queue."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.stack import Stack, running_stack
from tests.support import wait_until

from tidewheel_client import AsyncClient
from tidewheel_client.models import ScheduleSummary, TaskSummary

QUEUES = {"backups", "pricing", "reports", "accounting", "monitoring", "webhooks", "notifications"}


@pytest.fixture(scope="module")
async def shop(
    server_binaries: tuple[Path, Path], repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    assert server_binaries
    handlers = {"PYTHONPATH": str(repository / "examples" / "shop")}
    directory = tmp_path_factory.mktemp("shop")
    async with running_stack(directory, "--handlers", "shop", environment=handlers) as running:
        yield running


async def schedules(stack: Stack, verb: str, file: Path, *options: str) -> tuple[int, str, str]:
    """Run the command as a person does; return its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidewheel_cli", "schedules", verb, str(file), *options),
        *("--state-dir", str(stack.directory)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUTF8": "1"},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def planned(stack: Stack, file: Path, *options: str) -> list[tuple[str, str]]:
    _, out, _ = await schedules(stack, "plan", file, "--json", *options)
    return [(step["action"], step["name"]) for step in json.loads(out)["steps"]]


async def test_the_shop_is_applied_once_and_then_nothing_is_left_to_do(shop: Stack, repository: Path) -> None:
    file = repository / "examples" / "shop" / "schedules.yaml"

    wanted = await schedules(shop, "plan", file)
    applied = await schedules(shop, "apply", file)
    again = await schedules(shop, "plan", file)

    assert (wanted[0], applied[0], again[0]) == (3, 0, 0), (wanted, applied, again)
    assert "20 to create" in wanted[1]
    assert "At 02:00, by the clocks of Europe/Berlin." in wanted[1]
    assert "Nothing to do; 20 as the file says." in again[1]

    async with AsyncClient(shop.api_url, shop.api_key) as client:
        made = {each.name: each async for each in client.schedules.list(managed_by="shop")}
        assert {each.queue for each in made.values()} == QUEUES
        assert (made["back up the database"].cron, made["back up the database"].priority) == ("0 2 * * *", "high")


async def test_a_change_fires_in_its_queue_and_what_is_taken_out_is_paused(
    shop: Stack, repository: Path, tmp_path: Path
) -> None:
    file, text = tmp_path / "schedules.yaml", (repository / "examples" / "shop" / "schedules.yaml").read_text()
    file.write_text(text)
    await schedules(shop, "apply", file)

    async with AsyncClient(shop.api_url, shop.api_key) as client:
        made = {each.name: each async for each in client.schedules.list(managed_by="shop")}
        theirs = await client.schedules.create("somebody else's", "demo.echo", every=3600)

        file.write_text(_without(text, "weekly report").replace("every: 300\n    misfire", "every: 1\n    misfire"))
        assert await planned(shop, file) == [("change", "fetch gold rates"), ("pause", "weekly report")]
        code, out, _ = await schedules(shop, "apply", file)
        assert (code, "300 → 1" in out) == (0, True), out

        fired = await wait_until(lambda: _complete(client, made["fetch gold rates"]), timeout=30, what="a fire")
        assert fired is not None
        assert (fired.queue, fired.priority, fired.handler) == ("pricing", "high", "pricing.gold_rates")
        assert (await client.tasks.get(fired)).result == {"EUR": 3000.0, "CHF": 3000.0, "USD": 3000.0}

        paused = await client.schedules.get(made["weekly report"])
        assert (paused.next_run_at, paused.pause_reason) == (
            None,
            "By the schedules file of 'shop': it is gone from there.",
        )
        file.write_text(text)
        assert await planned(shop, file) == [("change", "fetch gold rates"), ("resume", "weekly report")]
        assert (await schedules(shop, "apply", file))[0] == 0
        assert (await client.schedules.get(made["weekly report"])).paused_at is None

        file.write_text("managed_by: shop\nschedules: {}\n")
        await schedules(shop, "apply", file, "--delete")
        assert [each.id async for each in client.schedules.list()] == [theirs.id]


async def test_what_cannot_be_done_is_said_and_has_a_code_of_its_own(shop: Stack, tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text("managed_by: bad\nschedules:\n  never:\n    handler: a.b\n    cron: 0 0 31 2 *\n")
    never = await schedules(shop, "apply", file)
    file.write_text("managed_by: bad\nschedules: {taken: {handler: a.b, every: 60}}\n")
    async with AsyncClient(shop.api_url, shop.api_key) as client:
        await client.schedules.create("taken", "demo.echo", every=3600)
        taken = await schedules(shop, "plan", file)
        assert [each async for each in client.schedules.list(managed_by="bad")] == []

    assert (never[0], taken[0]) == (2, 1)
    assert "line 5, schedules.never.cron: '0 0 31 2 *' is not a cron expression" in never[2]
    assert "was not made by this file" in taken[1]


def _without(text: str, name: str) -> str:
    before, _, rest = text.partition(f"  {name}:\n")
    lines = rest.splitlines(keepends=True)
    kept = next(place for place, line in enumerate(lines) if not line.startswith("    "))
    return before + "".join(lines[kept:])


async def _complete(client: AsyncClient, schedule: ScheduleSummary) -> TaskSummary | None:
    async for task in client.tasks.list(schedule=schedule, state="complete"):
        return task
    return None
