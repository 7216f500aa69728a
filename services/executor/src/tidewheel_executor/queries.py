"""Stand-in until the child half is here."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from tidewheel_common.streams.hint import Hint


async def report_lost(engine: AsyncEngine, executor_id: UUID, hints: Sequence[Hint]) -> None:
    """Do nothing."""
