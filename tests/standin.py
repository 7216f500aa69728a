"""A stack whose services do nothing but answer `/readyz`: for the tests of the supervisor.

Usage: standin.py stack STATE_DIR PORT [BEHAVIOUR], standin.py service NAME STATE_DIR [BEHAVIOUR]
"""

import asyncio
import http.server
import os
import signal
import sys
from pathlib import Path
from typing import Never

from tidewheel_cli.dev.blueprint import Blueprint, Service
from tidewheel_cli.dev.command import dev
from tidewheel_cli.dev.options import Options
from tidewheel_cli.errors import CannotStart

NAMES = ("gateway", "scheduler", "dispatcher", "executor", "reaper")


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def serve(name: str, state_dir: Path, behaviour: str) -> None:
    if behaviour == f"{name}-broken":
        sys.exit(f"{name} has no luck")

    def stopped(*_: object) -> Never:
        with (state_dir / "stopped").open("a") as file:
            file.write(f"{name}\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == f"{name}-stubborn" else stopped)
    if name == "executor" and os.fork() == 0:  # a child as in Celery's prefork pool
        signal.pause()
    setting = "TIDEWHEEL_PORT" if name == "gateway" else "TIDEWHEEL_HEALTH_PORT"
    http.server.HTTPServer(("127.0.0.1", int(os.environ[setting])), Ready).serve_forever()  # noqa: TID251 - a stand-in


def blueprint(state_dir: Path, behaviour: str) -> Blueprint:
    return Blueprint(
        migrate=(sys.executable, "-c", "print('migrated')"),
        services=tuple(
            Service(
                name=name,
                command=(sys.executable, __file__, "service", name, str(state_dir), behaviour),
                port_setting="TIDEWHEEL_PORT" if name == "gateway" else "TIDEWHEEL_HEALTH_PORT",
                grace=60.0,
            )
            for name in NAMES
        ),
    )


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "service":
        serve(rest[0], Path(rest[1]), rest[2])
        return
    state_dir, port, behaviour = Path(rest[0]), int(rest[1]), rest[2]
    options = Options(state_dir=state_dir, port=port, environment=dict(os.environ))  # noqa: TID251 - as the command does
    try:
        asyncio.run(dev(options, say=_say, report=_report, blueprint=blueprint(state_dir, behaviour)))
    except CannotStart as error:
        _report(str(error))
        sys.exit(2)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _report(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
