"""What the fake keeps besides tasks and schedules."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Shelf:
    """Bulk operations that are over, and notification rules, which tell nobody here."""

    operations: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    rules: dict[UUID, dict[str, Any]] = field(default_factory=dict)
