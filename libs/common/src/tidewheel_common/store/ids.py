"""Ids as the driver makes them: like Python's UUIDs and equal to them, but several times faster to read and write."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto

make_id: Final[Callable[[str | bytes], UUID]] = pgproto.UUID
"""Makes an id of its text, with or without dashes, or of its 16 bytes; a ValueError says that it is none."""


def uuid7() -> UUID:
    """Return a new UUIDv7; those of one process grow."""
    return make_id(uuid_utils.uuid7().bytes)
