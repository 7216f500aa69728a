"""`make verify-images`: each image is built and compose.yaml is run on a real engine. Prints what ran and what not.

Exit codes: 0 all that could run was content, 1 something is wrong.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path

from tests.deploy.images import around, beside, built, promises
from tests.deploy.images.bases import Bases, find_bases
from tests.deploy.images.composed import Composed, composed
from tests.deploy.images.engine import Compose, Engine, Failed, NoEngine, compose_here, engine_here

VERSION = "verify"


class Report:
    """What was tried, and how it went."""

    def __init__(self) -> None:
        self.failed = False

    async def check(self, what: str, tried: Awaitable[list[str]]) -> None:
        """Wait for what a check finds, and print it."""
        try:
            found = await tried
        except (Failed, AssertionError) as failure:
            found = [str(failure)]
        self.failed = self.failed or bool(found)
        say("FAILED" if found else "ok", what)
        for finding in found:
            say("", finding)


def say(outcome: str, line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{outcome:8}{line}\n")
    sys.stdout.flush()


async def main() -> int:
    """Check everything that can be checked here."""
    report = Report()
    try:
        async with engine_here() as engine, compose_here(engine) as compose:
            mine = ", started for this" if engine.started else ""
            say("", f"engine {engine.version}{mine}; Compose {compose.version}")
            bases = await find_bases(engine)
            say("", f"base {bases.base}; {', '.join(f'{name}: {image}' for name, image in bases.images.items())}")
            if bases.standins:
                say("", f"no registry answers, so these stand in: {', '.join(bases.standins)}")
            for name in bases.lacking:
                say("skipped", f"{name}: no registry answers, and no package index has its program")
            await _check(report, engine, compose, bases)
    except NoEngine as reason:
        say("skipped", f"images and compose.yaml: {reason}.")
    except Failed as failure:
        say("FAILED", str(failure))
        return 1
    return int(report.failed)


async def _check(report: Report, engine: Engine, compose: Compose, bases: Bases) -> None:
    await _images(report, engine, bases)
    with tempfile.TemporaryDirectory(prefix="tidewheel-compose-") as folder:
        async with composed(engine, compose, bases, VERSION, Path(folder)) as stack:
            await report.check(f"all become healthy: {', '.join(stack.services)}", promises.coming_up(stack))
            say("", f"running: {await around.versions(stack)}")
            await _closed(report, stack, bases)
            await _working(report, stack)
            await report.check("each is killed and comes back; the demo ends well", promises.healing(stack, VERSION))
            await report.check("the services end by themselves when they are stopped", promises.ending(stack))


async def _images(report: Report, engine: Engine, bases: Bases) -> None:
    for service in built.SERVICES:
        image = built.tag(service, VERSION)
        await built.build(engine, service, bases.base, image)
        size = (await built.inspect(engine, image))["Size"]
        over = size - (await built.inspect(engine, bases.base))["Size"]
        what = f"{image}: {size / 1e6:.0f} MB, {over / 1e6:.0f} MB over its base; no root, labels, refuses in words"
        await report.check(what, built.findings(engine, image))
    await report.check("two builds of the executor have the same layers", _twice(engine, bases))
    await beside.build(engine, bases.base, VERSION)
    await built.build_flower(engine, bases.base, built.tag("flower", VERSION))


async def _closed(report: Report, stack: Composed, bases: Bases) -> None:
    await report.check("no root, no writable root, no capability, no secret in sight", promises.hardening(stack))
    await report.check("plaintext is refused by PostgreSQL, Redis and the gateway", promises.plaintext(stack, bases))
    await report.check("Traefik lets the API through and nothing else, over TLS alone", around.edge(stack))


async def _working(report: Report, stack: Composed) -> None:
    await report.check(f"make demo TARGET={stack.url}", promises.demo(stack, stack.url))
    await report.check(f"through Traefik: make demo TARGET={stack.edge}", promises.demo(stack, stack.edge))
    await report.check("Prometheus reads all five, has all alerts, knows whom to call", around.watching(stack))
    await report.check("Flower sees the executor, and nobody without a password", around.flower(stack))
    await report.check("tidewheel/cli: the canary's task comes back", beside.canary(stack, VERSION))
    await report.check("tidewheel/backend: the example is ready beside the stack", beside.backend(stack, VERSION))


async def _twice(engine: Engine, bases: Bases) -> list[str]:
    again = built.tag("executor", f"{VERSION}-again")
    await built.build(engine, "executor", bases.base, again, "--no-cache")
    found = await built.differences(engine, built.tag("executor", VERSION), again)
    await engine.does("docker", "image", "rm", again)
    return found


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
