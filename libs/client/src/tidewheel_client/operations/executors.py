"""The operations on executors."""

from tidewheel_client.call import Call, many
from tidewheel_client.models import Executor


def list_executors() -> Call[list[Executor]]:
    """Read the live executors: what they serve, and how much each holds."""
    return Call(method="GET", path="/v1/executors", read=many(Executor))
