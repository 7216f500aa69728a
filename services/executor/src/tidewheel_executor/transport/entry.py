"""A stream entry as the executor holds it: where it stands and the bundle that it carries."""

from collections.abc import Mapping
from typing import NamedTuple

from tidewheel_common.streams.bundle import FIELD, Bundle


class Entry(NamedTuple):
    """An entry that this worker has read and not acknowledged. `stream` and `id` together name it."""

    stream: str
    id: bytes
    bundle: Bundle

    @property
    def size(self) -> int:
        """Count its hints."""
        return self.bundle.size


class Unreadable(NamedTuple):
    """An entry that no dispatcher wrote."""

    stream: str
    id: bytes

    @property
    def size(self) -> int:
        """Count it as one hint."""
        return 1


def read_entry(stream: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry | Unreadable:
    """Read an entry; one that makes no sense is a value, because it must be acknowledged like any other."""
    try:
        return Entry(stream=stream, id=entry_id, bundle=Bundle.read(fields[FIELD].decode()))
    except (KeyError, ValueError):
        return Unreadable(stream=stream, id=entry_id)
