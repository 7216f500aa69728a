"""What Tidewheel refuses of what a user has sent, such as a `cron` that is none: a 422 that names our field."""

from fastapi.responses import JSONResponse
from starlette.requests import Request

from tidewheel_client import FieldError, InvalidRequest

_OURS = {"run_at": "due"}
"""Fields that have another name here."""


def refuse(_: Request, error: Exception) -> JSONResponse:
    """Answer in the form that FastAPI's own refusals have."""
    faults = error.errors if isinstance(error, InvalidRequest) else ()
    return JSONResponse({"detail": [_shown(fault) for fault in faults]}, status_code=422)


def _shown(fault: FieldError) -> dict[str, object]:
    names = fault.field.strip("/").split("/")
    return {"type": fault.code, "loc": ["body", *(_OURS.get(name, name) for name in names)], "msg": fault.detail}
