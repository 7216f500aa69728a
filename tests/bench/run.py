"""`make bench`: measures a real stack on this machine, prints a table and writes JSON.

The stack is the one of `make up`: five processes, fsync and synchronous_commit on, payloads sealed. The load generator,
PostgreSQL and Redis share the machine.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table
from tests.bench.measure import Figures, single_submits, sustained, throughput
from tests.bench.wire import open_pool
from tests.stack import running_stack


async def measure(seconds: int, tasks: int) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as directory:
        async with running_stack(Path(directory)) as stack, open_pool(stack.api_url, stack.api_key) as pool:
            database = await asyncpg.connect(stack.database_url)
            try:
                await throughput(pool, database, tasks=2_000)  # warm up: caches, plans, the packer's averages
                return {
                    "300 single submits a second": await sustained(pool, database, rate=300, seconds=seconds),
                    "single submits, 32 connections": await single_submits(pool, database, tasks=tasks // 4),
                    "batches of 1,000": await throughput(pool, database, tasks=tasks),
                }
            finally:
                await database.close()


def show(results: dict[str, Figures]) -> None:
    table = Table(box=None)
    for column in ("what", "figure", "value"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for what, figures in results.items():
        for name, value in figures.items():
            table.add_row(what, name, f"{value:,.1f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="length of the sustained load")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks of the batch run")
    parser.add_argument("--out", type=Path, default=Path("bench-results/latest.json"))
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments.seconds, arguments.tasks))
    show(results)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if results["300 single submits a second"]["lost"] else 0)


if __name__ == "__main__":
    main()
