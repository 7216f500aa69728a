"""The processes of one trial: fresh servers, the peer's services and workers, and one producer."""

import asyncio
import functools
import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.peers.peer import REPOSITORY, Peer
from tests.bench.peers.processes import descendants

from tidewheel_cli.embedded import embedded_postgres, embedded_valkey
from tidewheel_cli.embedded.ports import free_ports
from tidewheel_cli.embedded.program import Program, finish, start, stop


class Producer:
    """The process that enqueues, and that is asked how much has not ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def enqueue(self, numbers: range) -> float:
        """Enqueue tasks; return the seconds from the first call to the return of the last."""
        answer = await self._ask({"first": numbers.start, "count": len(numbers)})
        return float(answer["ended"] - answer["began"]) / 1e9

    async def unfinished(self) -> tuple[int, int]:
        """Return how many tasks have not durably ended, and the nanosecond at which that was so."""
        answer = await self._ask({})
        return int(answer["unfinished"]), int(answer["at"])

    async def recorders(self) -> int:
        """Return how many processes run handlers."""
        return int((await self._ask({}))["recorders"])

    async def _ask(self, wish: dict[str, int]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("A process that was started with pipes has them.")
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The producer ended with {await self._process.wait()}; its log says why.")
        return dict(json.loads(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """All that runs in one trial."""

    producer: Producer
    workers: list[int]
    records: Path

    def working(self) -> list[int]:
        """Return the processes of the workers, parents before children."""
        return [pid for worker in self.workers for pid in (worker, *descendants(worker))]


@asynccontextmanager
async def on_stage(peer: Peer, python: Path) -> AsyncIterator[Cast]:
    """Run everything that a peer needs, on servers that nobody has used before.

    Raises:
        CannotStart: something did not start.
    """
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"tidewheel-peers-{peer.key}-")))
        records = directory / "records"
        records.mkdir()
        environment = {
            **peer.variables,
            "DATABASE_URL": await stack.enter_async_context(embedded_postgres(directory / "postgres")),
            "REDIS_URL": await stack.enter_async_context(embedded_valkey(directory / "valkey")),
            "RECORDS": str(records),
            "PORT": str(free_ports(1)[0]),
            "SECRET": secrets.token_urlsafe(32),
            "SETTINGS": json.dumps(peer.chosen),
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
        }
        program = functools.partial(_program, peer, python, environment, directory)
        await finish(program("prepare"))
        services = [program("serve", str(number)) for number in range(peer.services)]
        await _run(stack, services)
        workers = await _run(stack, [program("work", name=f"work{number}") for number in range(peer.workers)])
        log = stack.enter_context((directory / "producer.log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            *program("produce").command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment,
        )
        stack.push_async_callback(_end, process)
        try:
            yield Cast(producer=Producer(process), workers=workers, records=records)
        except (Exception, asyncio.CancelledError) as error:  # a trial that takes too long is cancelled
            error.add_note(_logs(directory))
            raise


def _program(
    peer: Peer, python: Path, environment: Mapping[str, str], directory: Path, *arguments: str, name: str = ""
) -> Program:
    name = name or "-".join(arguments)
    return Program(
        name=f"{peer.name}: {name}",
        command=(str(python), "-m", peer.module, *arguments),
        environment=environment,
        log=directory / f"{name}.log",
    )


async def _run(stack: AsyncExitStack, programs: list[Program]) -> list[int]:
    """Start programs, to be stopped all at once; return their process ids."""
    running: dict[asyncio.subprocess.Process, Program] = {}

    async def stop_all() -> None:
        await asyncio.gather(*(stop(process, program) for process, program in running.items()))

    stack.push_async_callback(stop_all)
    for program in programs:
        running[await start(program)] = program
    return [process.pid for process in running]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


def _logs(directory: Path) -> str:
    ends = {path.name: path.read_text(errors="replace")[-2000:] for path in sorted(directory.glob("*.log"))}
    return "\n".join(f"--- {name}\n{text}" for name, text in ends.items() if text)
