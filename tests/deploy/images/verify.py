"""`make verify-images`: each image is built and compose.yaml is run on a real engine. Prints what ran and what not.

Exit codes: 0 all that could run was content, 1 something is wrong.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path

from tests.deploy.images import built, promises
from tests.deploy.images.bases import Bases, find_bases
from tests.deploy.images.composed import composed
from tests.deploy.images.engine import REPOSITORY, Engine, Failed, NoEngine, engine_here

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


def official() -> dict[str, str]:
    """Return the images that compose.yaml names, by the variable that replaces each."""
    text = (REPOSITORY / "compose.yaml").read_text(encoding="utf-8")
    return dict(re.findall(r"image: \$\{(\w+_IMAGE):-([^}]+)\}", text))


async def main() -> int:
    """Check everything that can be checked here."""
    report = Report()
    try:
        async with engine_here() as engine:
            compose, version = await engine.compose()
            mine = ", started for this" if engine.started else ""
            say("", f"engine {engine.version}{mine}; {' '.join(compose)} {version}")
            bases = await find_bases(engine, official())
            say("", f"base {bases.base}; {bases.postgres} and {bases.redis}{' (stand-ins)' if bases.standins else ''}")
            await _check(report, engine, bases)
    except NoEngine as reason:
        say("skipped", f"images and compose.yaml: {reason}.")
    except Failed as failure:
        say("FAILED", str(failure))
        return 1
    return int(report.failed)


async def _check(report: Report, engine: Engine, bases: Bases) -> None:
    for service in built.SERVICES:
        image = built.tag(service, VERSION)
        await built.build(engine, service, bases.base, image)
        size = (await built.inspect(engine, image))["Size"]
        over = size - (await built.inspect(engine, bases.base))["Size"]
        what = f"{image}: {size / 1e6:.0f} MB, {over / 1e6:.0f} MB over its base; no root, labels, refuses in words"
        await report.check(what, built.findings(engine, image))
    await report.check("two builds of the executor have the same layers", _twice(engine, bases))
    with tempfile.TemporaryDirectory(prefix="tidewheel-compose-") as folder:
        async with composed(engine, bases, VERSION, Path(folder)) as stack:
            await report.check("compose.yaml: every container becomes healthy", promises.coming_up(stack))
            await report.check(
                "no root, no writable root, no capability, no secret in sight", promises.hardening(stack)
            )
            await report.check(
                "plaintext is refused by PostgreSQL, Redis and the gateway", promises.plaintext(stack, bases)
            )
            await report.check(f"make demo TARGET={stack.url}", promises.demo(stack))
            await report.check(
                "each container is killed and comes back; the demo ends well", promises.healing(stack, VERSION)
            )
            await report.check("the services end by themselves when they are stopped", promises.ending(stack))


async def _twice(engine: Engine, bases: Bases) -> list[str]:
    again = built.tag("executor", f"{VERSION}-again")
    await built.build(engine, "executor", bases.base, again, "--no-cache")
    found = await built.differences(engine, built.tag("executor", VERSION), again)
    await engine.does("docker", "image", "rm", again)
    return found


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
