"""`make example`: a whole Tidewheel with our handlers, and the backend beside it, on this machine."""

import asyncio
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import uvicorn
from pydantic import SecretStr

from reminders.app import create_app
from reminders.settings import Settings
from tidewheel_cli.dev.options import Options
from tidewheel_cli.dev.stack import running_stack
from tidewheel_client import AsyncClient
from tidewheel_client.sqlalchemy import Enqueuer
from tidewheel_common.crypto.keyring import Keyring

PORT = 8000
STATE = Path(".tidewheel/example")


def introduction(tidewheel: str) -> str:
    """Say what can be tried, given the address of Tidewheel."""
    here, json = f"http://127.0.0.1:{PORT}", "-H 'Content-Type: application/json'"
    return "\n".join(
        (
            "",
            f"Reminders at {here}/docs, Tidewheel at {tidewheel}/docs. Try:",
            "",
            f"""  curl -s {here}/reminders {json} -d '{{"text": "Tea", "every": 5}}'""",
            f"""  curl -s {here}/reminders {json} -d '{{"text": "Lunch", "due": "'$(date -u -d +10sec +%FT%TZ)'"}}'""",
            f"  curl -s {here}/reminders",
            f"""  curl -si {here}/distance {json} -d '{{"left": "kitten", "right": "sitting"}}'""",
            f"  curl -si -X POST {here}/memory-leak",
            "",
            f"Ctrl-C ends all of it; the state is kept in {STATE}.",
        )
    )


async def serve() -> None:
    """Run everything until Ctrl-C."""
    environment = dict(os.environ)  # noqa: TID251 - the stack inherits it
    options = Options(state_dir=STATE, port=0, handlers="reminders.handlers", environment=environment)
    async with running_stack(options, report=partial(print, file=sys.stderr)) as stack:
        found = stack.address
        keys = (STATE / "secrets" / "keys").read_text(encoding="utf-8")
        app = create_app(
            Settings(REMINDERS_DATABASE_URL=SecretStr(found.database_url)),
            make_client=partial(AsyncClient, found.api_url, found.api_key),
            enqueuer=Enqueuer(Keyring.parse(keys)),
        )
        print(introduction(found.api_url), flush=True)  # noqa: T201 - that is what it is for
        await uvicorn.Server(uvicorn.Config(app, port=PORT, log_level="warning")).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
