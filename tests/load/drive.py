"""`make load ARGS="sustained"`: loads any deployment, and says whether it kept up. k6 is not needed.

The deployment is the one of TIDEWHEEL_URL and TIDEWHEEL_API_KEY, or the one that `make up` started here. Requests go at
their time, however slow the answers are (open loop). Afterwards every task is looked at. The exit code is 1 when a
limit of tests/load/scenarios.json was not kept.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import uvloop
from pydantic_settings import BaseSettings
from rich.console import Console
from rich.table import Table
from tests.bench.offer import Offered, offer
from tests.bench.wire import CONNECTIONS, Pool, open_pool
from tests.load.k6 import k6_run
from tests.load.plan import Plan, plans
from tests.load.verdict import Line, verdict
from tests.support import wait_until

from tidewheel_cli.dev.address import read_stack
from tidewheel_client import ApiError, AsyncClient

_OPEN = ("blocked", "waiting", "ready", "queued", "running")
_KEPT_AFTERWARDS = 600  # seconds in which the tasks can be asked for


class Surroundings(BaseSettings):
    """Where to, and how much."""

    tidewheel_url: str = ""
    tidewheel_api_key: str = ""
    load_seconds: float | None = None
    load_rate: float | None = None
    load_handler: str = "demo.noop"


def deployment(given: Surroundings) -> tuple[str, str]:
    """Return the address and the key of what is to be loaded; ends the program when there is nothing."""
    if given.tidewheel_url and given.tidewheel_api_key:
        return given.tidewheel_url.rstrip("/"), given.tidewheel_api_key
    stack = read_stack(Path(".tidewheel"))
    if stack is None:
        sys.exit("There is nothing to load: set TIDEWHEEL_URL and TIDEWHEEL_API_KEY, or run `make up` beside this.")
    return stack.api_url, stack.api_key


async def drive(plan: Plan, url: str, api_key: str, handler: str) -> list[Line]:
    """Offer a load, wait until nothing of it is open, and look at every task."""
    tag = f"load-{uuid4().hex[:12]}"
    task = {"handler": handler, "tags": [tag], "removal_delay": plan.seconds + _KEPT_AFTERWARDS}
    async with open_pool(url, api_key, CONNECTIONS) as pool, AsyncClient(url, api_key) as client:
        load = await _offered(pool, plan, task)
        drained = await _drained(client, tag, patience=max(60.0, 10 * plan.limits["drained_seconds"]))
        return await verdict(client, tag, load, drained=drained, limits=plan.limits)


async def _offered(pool: Pool, plan: Plan, task: dict[str, object]) -> Offered:
    single = plan.batch == 1
    body = task if single else {"tasks": [task] * plan.batch}
    request = pool.encode("/v1/tasks" if single else "/v1/tasks:batch", body)
    return await offer(pool, ((due, request) for due in plan.dues()))


async def _drained(client: AsyncClient, tag: str, *, patience: float) -> float:
    """Return the seconds until nothing of a load was open any more, or until the patience was over."""
    began = time.monotonic()
    with contextlib.suppress(AssertionError):  # what is still open then shows in the verdict
        await wait_until(lambda: _none_open(client, tag), timeout=patience)
    return time.monotonic() - began


async def _none_open(client: AsyncClient, tag: str) -> bool:
    async for _ in client.tasks.list(tag=tag, state=_OPEN, limit=1):
        return False
    return True


def show(plan: Plan, lines: Sequence[Line]) -> None:
    """Print what was measured."""
    table = Table(title=f"{plan.name}: {plan.about}", title_justify="left", box=None)
    for column in ("what", "measured", "at most", ""):
        table.add_column(column, justify="left" if column == "what" else "right")
    for line in lines:
        limit = "" if line.limit is None else f"{line.limit:,g}"
        table.add_row(line.what, f"{line.measured:,.1f}", limit, "" if line.met else "missed")
    Console().print(table)


def main() -> None:
    known = plans()
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("scenario", choices=known)
    parser.add_argument("--k6", action="store_true", help="let k6 do it")
    arguments = parser.parse_args()
    given = Surroundings()
    url, api_key = deployment(given)
    if arguments.k6:
        command = k6_run(arguments.scenario, {"TIDEWHEEL_URL": url, "TIDEWHEEL_API_KEY": api_key})
        sys.exit(subprocess.run(command, check=False).returncode)
    plan = known[arguments.scenario].scaled(seconds=given.load_seconds, rate=given.load_rate)
    try:
        lines = uvloop.run(drive(plan, url, api_key, given.load_handler))
    except (ApiError, OSError) as refusal:
        sys.exit(f"{url} cannot be loaded: {refusal}")
    show(plan, lines)
    sys.exit(0 if all(line.met for line in lines) else 1)


if __name__ == "__main__":
    main()
