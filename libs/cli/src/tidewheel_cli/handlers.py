"""`tidewheel handlers`."""

from typing import Any

from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import print_line, print_table
from tidewheel_client.models import Handler

_COLUMNS = ("name", "queue", "arguments", "executors", "last seen", "says")


@in_session
def list_handlers(session: Session) -> None:
    """List the handlers that executors have published: their arguments, and how many executors have them."""
    with session.client() as client:
        found = client.handlers.list()
    if session.json:
        for handler in found:
            print_line(handler)
    else:
        print_table(_COLUMNS, map(_row, found), empty="No executor has published a handler yet.")


def _row(handler: Handler) -> tuple[object, ...]:
    says = handler.description.partition("\n")[0]
    place = handler.name, handler.queue, _arguments(handler.arguments), len(handler.executors)
    return *place, handler.last_seen_at, says


def _arguments(schema: dict[str, Any]) -> str:
    """Return the names of the arguments; those that may be left out stand in brackets."""
    required = schema.get("required", ())
    names = [name if name in required else f"[{name}]" for name in schema.get("properties", ())]
    return " ".join(names) if names or not schema.get("additionalProperties", True) else "anything"
