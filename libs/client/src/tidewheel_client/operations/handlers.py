"""The operation on handlers."""

from tidewheel_client.call import Call, many
from tidewheel_client.models import Handler


def list_handlers() -> Call[list[Handler]]:
    """Read the handlers that executors have published, with the JSON Schema of their arguments."""
    return Call(method="GET", path="/v1/handlers", read=many(Handler))
