"""Weather: the errors that pass by themselves, so that a loop waits and tries again instead of ending its process."""

from tidewheel_common.store.errors import is_transient
from tidewheel_common.streams.client import TRANSIENT


def store_is_away(error: BaseException) -> bool:
    """Tell whether an error means that PostgreSQL or Redis cannot do its work for a moment."""
    return is_transient(error) or isinstance(error, TRANSIENT)
