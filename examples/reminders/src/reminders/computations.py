"""Work for the CPU: it runs on Tidewheel's executors, so that no request of others waits for it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, Field

from tidewheel_client import NotFound, StillRunning, Task
from tidewheel_client.fastapi import Tidewheel

router = APIRouter(tags=["computations"])

Wait = Annotated[float, Query(ge=0, le=30, description="Seconds to wait for the result.")]


class Texts(BaseModel):
    """Two texts to compare."""

    left: str = Field(max_length=20_000)
    right: str = Field(max_length=20_000)


class Computation(BaseModel):
    """A computation: where it stands, and what came of it."""

    id: UUID
    state: str
    result: int | None = None
    error: str | None = None

    @classmethod
    def of(cls, task: Task) -> "Computation":
        """Show a task to those who asked for the computation; of an error only what it says, not where in our code."""
        error = task.error.partition("\n")[0] if task.error else None
        return cls(id=task.id, state=task.state, result=task.result, error=error)


@router.post("/distance")
async def distance(texts: Texts, response: Response, tidewheel: Tidewheel, wait: Wait = 2.0) -> Computation:
    """Compute the edit distance of two texts: 200 with the result, or 202 and where it will be."""
    handle = await tidewheel.submit("reminders.distance", texts, timeout=60, max_attempts=2, removal_delay=3600)
    response.headers["Location"] = f"/computations/{handle.id}"
    try:
        return Computation.of(await handle.wait(wait))
    except StillRunning as error:
        response.status_code = 202
        return Computation.of(error.task)


@router.post("/memory-leak", status_code=202)
async def memory_leak(response: Response, tidewheel: Tidewheel) -> Computation:
    """Run a handler that takes memory without end. It ends at its limit; this backend and other tasks do not notice."""
    handle = await tidewheel.submit("reminders.leak", timeout=30, max_attempts=1, removal_delay=3600)
    response.headers["Location"] = f"/computations/{handle.id}"
    return Computation.of(await handle.get())


@router.get("/computations/{computation_id}")
async def read(computation_id: UUID, tidewheel: Tidewheel) -> Computation:
    """Read a computation."""
    try:
        return Computation.of(await tidewheel.tasks.get(computation_id))
    except NotFound:
        raise HTTPException(404, "There is no such computation, or it has been removed.") from None
