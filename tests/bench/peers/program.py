"""The small contract that every compared system is behind; it runs in that system's own environment.

`python -m tests.bench.peers.NAME.program` with

    prepare        make the schema in the empty servers, and end
    serve N        be the N-th process that must run besides the workers
    work           be a worker, until SIGTERM
    produce        answer the commands on stdin, one JSON document each, until it is closed
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn


def surroundings() -> Mapping[str, str]:
    """Return what the runner says: DATABASE_URL, REDIS_URL, RECORDS, PORT, SECRET, SETTINGS."""
    return os.environ  # noqa: TID251 - this is where the programs read it, once for all


def settings() -> Mapping[str, Any]:
    """Return the settings that this trial is made with, by the names that the system's grid has."""
    return dict(json.loads(surroundings()["SETTINGS"]))


def become(*arguments: str, environment: Mapping[str, str] | None = None) -> NoReturn:
    """Turn this process into `python ARGUMENTS`; the environment is added to the present one."""
    os.execve(sys.executable, (sys.executable, *arguments), {**surroundings(), **(environment or {})})  # noqa: S606


def run(
    *,
    prepare: Callable[[], None],
    enqueue: Callable[[int, int], None],
    unfinished: Callable[[int], int],
    work: Callable[[], None],
    recorders: int,
    serve: Callable[[int], None] | None = None,
) -> None:
    """Do what the command line asks for.

    Args:
        prepare: makes the schema.
        enqueue: takes the first number and how many; returns when the last is accepted.
        unfinished: takes how many were enqueued so far; returns how many of them have not durably ended.
        work: runs handlers until it is stopped.
        recorders: how many processes run handlers, all workers together.
        serve: is one of the other processes.
    """
    command, *rest = sys.argv[1:]
    if command == "prepare":
        prepare()
    elif command == "work":
        work()
    elif command == "serve" and serve is not None:
        serve(int(rest[0]))
    elif command == "produce":
        _produce(enqueue, unfinished, recorders)
    else:
        sys.exit(f"There is no command {command}.")


def _produce(enqueue: Callable[[int, int], None], unfinished: Callable[[int], int], recorders: int) -> None:
    enqueued = 0
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    for line in sys.stdin:
        wish = json.loads(line)
        began = time.monotonic_ns()
        if "count" in wish:
            enqueue(wish["first"], wish["count"])
            enqueued += wish["count"]
            answer = {"began": began, "ended": time.monotonic_ns()}
        else:
            answer = {"unfinished": unfinished(enqueued), "at": time.monotonic_ns(), "recorders": recorders}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
