"""The backend's own tables, in a schema of their own."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, ForeignKey, MetaData, func, make_url, or_
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema


class Base(DeclarativeBase):
    """The tables."""

    metadata = MetaData(schema="reminders")
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own way


class Reminder(Base):
    """A reminder: `due` once, or again and again by a schedule of Tidewheel."""

    __tablename__ = "reminders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    text: Mapped[str]
    due: Mapped[datetime | None]
    task_id: Mapped[UUID | None]
    schedule_id: Mapped[UUID | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delivery(Base):
    """One delivery. The task that made it is its key: running that task twice delivers once."""

    __tablename__ = "deliveries"

    task_id: Mapped[UUID] = mapped_column(primary_key=True)
    reminder_id: Mapped[UUID] = mapped_column(ForeignKey("reminders.reminders.id", ondelete="CASCADE"), index=True)
    delivered_at: Mapped[datetime] = mapped_column(server_default=func.now())


def kept(keep: timedelta) -> ColumnElement[bool]:
    """Tell whether a reminder is still to be seen: it recurs, is to come, or was delivered not long ago."""
    recent = Reminder.delivered_at > func.now() - keep
    return or_(Reminder.schedule_id.is_not(None), Reminder.delivered_at.is_(None), recent)


def open_engine(url: str, *, pooled: bool = True) -> AsyncEngine:
    """Connect to PostgreSQL; handlers do without a pool, as each child process runs few at once."""
    address = make_url(url).set(drivername="postgresql+asyncpg")
    return create_async_engine(address) if pooled else create_async_engine(address, poolclass=NullPool)


async def create_tables(engine: AsyncEngine) -> None:
    """Create what is missing; a backend that lives longer than an example has migrations."""
    async with engine.begin() as connection:
        await connection.execute(CreateSchema("reminders", if_not_exists=True))
        await connection.run_sync(Base.metadata.create_all)
