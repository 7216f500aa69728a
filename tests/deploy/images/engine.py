"""A container engine: the one that answers on this machine, or one of its own."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.charts import verifier
from tests.support import wait_until

REPOSITORY = Path(__file__).parents[3]

_START = 30.0  # seconds
_COMPOSE = (("docker", "compose"), ("docker-compose",))


class NoEngine(Exception):
    """No engine can be had here; the message says why."""


class Failed(Exception):
    """A command of the engine failed; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    code: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """How Compose is called here."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine that answers.

    Attributes:
        version: of its daemon.
        host: where it answers, when it is not the one of the current context.
        started: whether it was started for this run.
    """

    version: str
    host: Mapping[str, str] = field(default_factory=dict)
    started: bool = False

    async def tries(self, *command: str, environment: Mapping[str, str] | None = None) -> Done:
        """Run a command against this engine, in the repository, and return how it ended."""
        return await run(*command, environment={**self.host, **(environment or {})})

    async def does(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command that must succeed, and return its output.

        Raises:
            Failed: it did not.
        """
        done = await self.tries(*command, environment=environment)
        if done.code:
            raise Failed(f"{' '.join(command[:4])}: {done.output[-1500:]}")
        return done.output.strip()

    async def has(self, image: str) -> bool:
        """Tell whether an image is here."""
        return (await self.tries("docker", "image", "inspect", image)).code == 0


@asynccontextmanager
async def compose_here(engine: Engine) -> AsyncIterator[Compose]:
    """Find Compose on this machine; where there is none, use that of Debian for as long as this lasts.

    Raises:
        NoEngine: there is none.
    """
    for command in _COMPOSE:
        if shutil.which(command[0]):
            told = await engine.tries(*command, "version", "--short")
            if told.code == 0:
                yield Compose(command=command, version=told.output.strip())
                return
    debian = verifier("debian")
    try:
        with debian.program("docker-compose", "docker-compose", release=debian.NEWER) as found:
            told = await engine.tries(str(found), "version", "--short")
            yield Compose(command=(str(found),), version=told.output.strip())
    except debian.NotHere as reason:
        raise NoEngine(f"neither `docker compose` nor `docker-compose` is installed, and {reason}") from None


async def run(*command: str, environment: Mapping[str, str] | None = None) -> Done:
    """Run a command in the repository; what it writes is one text."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},  # noqa: TID251 - tools find their engine and their proxies there
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return Done(code=process.returncode or 0, output=output.decode(errors="replace"))


async def engine_that_answers(host: Mapping[str, str] | None = None) -> Engine:
    """Return the engine of this machine; nothing is started.

    Raises:
        NoEngine: none answers.
    """
    if shutil.which("docker") is None:
        raise NoEngine("the command `docker` is not installed")
    done = await run("docker", "version", "--format", "{{.Server.Version}}", environment=host)
    if done.code:
        raise NoEngine(done.output.strip().splitlines()[-1])
    return Engine(version=done.output.strip(), host=host or {}, started=host is not None)


@asynccontextmanager
async def engine_here() -> AsyncIterator[Engine]:
    """Use the engine of this machine; where none answers, start one for as long as this lasts.

    Raises:
        NoEngine: none answers, and none can be started.
    """
    try:
        found = await engine_that_answers()
    except NoEngine as reason:
        if shutil.which("dockerd") is None or os.geteuid() != 0:
            raise NoEngine(f"{reason}; to start one takes root and `dockerd`") from None
    else:
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="tidewheel-engine-", ignore_cleanup_errors=True) as folder:
        async with _started(Path(folder)) as engine:
            yield engine


@asynccontextmanager
async def _started(folder: Path) -> AsyncIterator[Engine]:
    host = {"DOCKER_HOST": f"unix://{folder}/docker.sock"}
    places = ("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "dockerd", *places, "-H", host["DOCKER_HOST"], stdout=log, stderr=log
        )
    try:

        async def answers() -> bool:
            if process.returncode is not None:
                raise NoEngine(f"dockerd ended: {(folder / 'log').read_text(errors='replace')[-500:]}")
            try:
                await engine_that_answers(host)
            except NoEngine:
                return False
            return True

        await wait_until(answers, timeout=_START, what="dockerd to answer")
        yield await engine_that_answers(host)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await run("umount", f"{folder}/exec/netns/default")  # dockerd leaves it, and the folder could not be removed
