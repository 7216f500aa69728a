"""`make fuzz`: schemathesis asks a stack of its own whatever the OpenAPI document lets it ask, and what it forbids.

All checks of all phases are on. What a schema cannot say stands in `accepted.json`, each finding with its reason; any
other finding, any answer of 5xx above all, ends with exit code 1. Options go to schemathesis: `ARGS="-n 200 --seed 5"`;
`ARGS=--baseline-update` notes what is new, for somebody to give it a reason or mend it.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.peers.environments import python_of
from tests.stack import Stack, running_stack

_HERE = Path(__file__).parent
ACCEPTED = _HERE / "accepted.json"

_LONGEST = ("--request-timeout", "90", "--max-response-time", "65")
"""Seconds; `?wait=60` holds an answer for as long as it was asked to."""

_OPTIONS = (
    *_LONGEST,
    *("--checks", "all", "--continue-on-failure"),
    *("--max-examples", "30", "--seed", "1", "--no-color"),
    *("--suppress-health-check", "all"),
)


async def main(options: list[str]) -> int:
    """Return the exit code."""
    program = python_of("schemathesis", _HERE / "requirements.txt").with_name("schemathesis")
    with tempfile.TemporaryDirectory(prefix="tidewheel-fuzz-") as directory:
        async with running_stack(Path(directory)) as stack:
            found = await _ask(stack, program, options)
    wrong = [entry["id"] for entry in json.loads(ACCEPTED.read_text())["entries"] if not _may_stay(entry)]
    if wrong:
        sys.stderr.write(f"{ACCEPTED.name} has findings without a reason, or answers of 5xx: {', '.join(wrong)}\n")
    return found or bool(wrong)


def _may_stay(entry: dict[str, str]) -> bool:
    return bool(entry.get("reason")) and entry["check"] != "not_a_server_error"


async def _ask(stack: Stack, program: Path, options: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(
        *(str(program), "run", f"{stack.api_url}/openapi.json"),
        *("--header", f"Authorization: Bearer {stack.api_key}", "--baseline", str(ACCEPTED)),
        *(*_OPTIONS, *options),
        cwd=stack.directory,
    )
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
