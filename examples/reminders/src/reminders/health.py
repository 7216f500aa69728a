"""`/healthz`: we live, and ask nobody. `/readyz`: we can serve requests, so PostgreSQL answers."""

from fastapi import APIRouter, HTTPException
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> str:
    """Say that the process lives: a restart would not bring PostgreSQL back."""
    return "alive"


@router.get("/readyz")
async def ready(request: Request) -> str:
    """Say whether requests can be served now. Without Tidewheel most can."""
    try:
        async with request.app.state.sessions() as session:
            await session.execute(text("SELECT 1"))
    except (OSError, SQLAlchemyError):
        raise HTTPException(503, "PostgreSQL does not answer.") from None
    return "ready"
