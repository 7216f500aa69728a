"""`/reminders`: create, read, change, delete. Each is one transaction of our own, and the task is part of it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from reminders.tables import Delivery, Reminder, kept
from tidewheel_client import Conflict, NotFound
from tidewheel_client.fastapi import Tidewheel
from tidewheel_client.sqlalchemy import Enqueuer

router = APIRouter(prefix="/reminders", tags=["reminders"])


class NewReminder(BaseModel):
    """A reminder: at a time, or again and again."""

    text: str
    due: AwareDatetime | None = None
    every: timedelta | None = None
    cron: str | None = None
    timezone: str = "UTC"

    @model_validator(mode="after")
    def one_time(self) -> "NewReminder":
        """Check that it says when, in one way."""
        if [self.due, self.every, self.cron].count(None) != 2:  # noqa: PLR2004 - two of three
            raise ValueError("Give `due`, `every` or `cron`: exactly one of them.")
        return self


class ReminderChange(BaseModel):
    """What may be changed of a reminder."""

    text: str | None = None
    due: AwareDatetime | None = None


class ReminderView(BaseModel):
    """A reminder as its owner sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    text: str
    due: datetime | None
    recurring: bool
    delivered_at: datetime | None
    deliveries: list[datetime]


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Open a transaction for one call; it commits before the answer is sent."""
    async with request.app.state.sessions() as session, session.begin():
        yield session


def get_keep(request: Request) -> timedelta:
    """Return how long a delivered reminder stays readable."""
    keep: timedelta = request.app.state.keep
    return keep


def get_enqueuer(request: Request) -> Enqueuer:
    """Return what writes tasks into our transactions."""
    enqueuer: Enqueuer = request.app.state.enqueuer
    return enqueuer


Transaction = Annotated[AsyncSession, Depends(get_session, scope="function")]
Keep = Annotated[timedelta, Depends(get_keep)]
Tasks = Annotated[Enqueuer, Depends(get_enqueuer)]


async def find(session: AsyncSession, reminder_id: UUID, keep: timedelta) -> Reminder:
    """Return a reminder that is still to be seen, or answer 404."""
    found = await session.scalar(select(Reminder).where(Reminder.id == reminder_id, kept(keep)))
    if found is None:
        raise HTTPException(404, "There is no such reminder.")
    return found


async def show(session: AsyncSession, reminder: Reminder) -> ReminderView:
    """Return a reminder with its deliveries."""
    await session.flush()
    times = select(Delivery.delivered_at).where(Delivery.reminder_id == reminder.id).order_by(Delivery.delivered_at)
    deliveries = list(await session.scalars(times))
    return ReminderView(
        id=reminder.id,
        text=reminder.text,
        due=reminder.due,
        recurring=reminder.schedule_id is not None,
        # Not the reminder's own column: a delivery may have been committed since the reminder was read.
        delivered_at=deliveries[-1] if deliveries else None,
        deliveries=deliveries,
    )


@router.post("", status_code=201)
async def create(
    wanted: NewReminder, session: Transaction, tasks: Tasks, tidewheel: Tidewheel, keep: Keep
) -> ReminderView:
    """Keep a reminder, and see to its delivery."""
    reminder = Reminder(id=uuid4(), text=wanted.text, due=wanted.due)
    session.add(reminder)
    payload = {"reminder_id": str(reminder.id)}
    if wanted.due is not None:
        # The task is written in this very transaction: there is never one without the other.
        reminder.task_id = await tasks.enqueue(
            session, "reminders.deliver", payload, run_at=wanted.due, removal_delay=keep, tags=["reminder"]
        )
    else:
        # A schedule is made over HTTP. Should our commit fail after it, its fires find no reminder and deliver nothing.
        schedule = await tidewheel.schedules.create(
            f"reminder {reminder.id}",
            "reminders.deliver",
            payload,
            every=wanted.every,
            cron=wanted.cron,
            timezone=wanted.timezone,
            removal_delay=keep,
            tags=["reminder"],
        )
        reminder.schedule_id = schedule.id
    return await show(session, reminder)


@router.get("")
async def read_all(session: Transaction, keep: Keep) -> list[ReminderView]:
    """List the reminders, the newest first."""
    found = await session.scalars(select(Reminder).where(kept(keep)).order_by(Reminder.created_at.desc()).limit(100))
    return [await show(session, each) for each in found]


@router.get("/{reminder_id}")
async def read(reminder_id: UUID, session: Transaction, keep: Keep) -> ReminderView:
    """Read a reminder."""
    return await show(session, await find(session, reminder_id, keep))


@router.patch("/{reminder_id}")
async def change(
    reminder_id: UUID, change: ReminderChange, session: Transaction, tidewheel: Tidewheel, keep: Keep
) -> ReminderView:
    """Change a reminder's text, or the time of one that is to come."""
    reminder = await find(session, reminder_id, keep)
    reminder.text = change.text or reminder.text
    if change.due is not None:
        if reminder.task_id is None:
            raise HTTPException(422, "A recurring reminder has no single time; delete it and make another one.")
        try:
            await tidewheel.tasks.edit(reminder.task_id, run_at=change.due)
        except (Conflict, NotFound):
            raise HTTPException(409, "The reminder is being delivered, or was.") from None
        reminder.due = change.due
    return await show(session, reminder)


@router.delete("/{reminder_id}", status_code=204)
async def remove(reminder_id: UUID, session: Transaction, tidewheel: Tidewheel, keep: Keep) -> None:
    """Delete a reminder, and what would deliver it."""
    reminder = await find(session, reminder_id, keep)
    try:
        if reminder.schedule_id is not None:
            await tidewheel.schedules.delete(reminder.schedule_id)
        elif reminder.task_id is not None:
            await tidewheel.tasks.cancel(reminder.task_id)
    except (Conflict, NotFound):
        pass  # it was delivered, or is gone already
    await session.delete(reminder)
