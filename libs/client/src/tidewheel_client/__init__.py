"""The Python client of Tidewheel.

    with Client() as client:                       # TIDEWHEEL_URL and TIDEWHEEL_API_KEY
        handle = client.submit("reports.daily", {"user_id": 42}, delay=timedelta(minutes=5))
        print(handle.result(timeout=600))

`AsyncClient` is the same with `await`. Errors: `tidewheel_client.errors`; what is answered: `tidewheel_client.models`;
a Tidewheel in memory for your tests: `tidewheel_client.testing`.
"""

from tidewheel_client.async_client import AsyncClient
from tidewheel_client.client import Client
from tidewheel_client.errors import (
    ApiError,
    BadRequest,
    ChangedMeanwhile,
    ClientError,
    Conflict,
    FieldError,
    Forbidden,
    InvalidRequest,
    NotConfigured,
    NotFound,
    ServiceFailed,
    StillRunning,
    TaskFailed,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from tidewheel_client.handles import AsyncTaskHandle, TaskHandle
from tidewheel_client.models import Schedule, Task
from tidewheel_client.options import NewTask

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncTaskHandle",
    "BadRequest",
    "ChangedMeanwhile",
    "Client",
    "ClientError",
    "Conflict",
    "FieldError",
    "Forbidden",
    "InvalidRequest",
    "NewTask",
    "NotConfigured",
    "NotFound",
    "Schedule",
    "ServiceFailed",
    "StillRunning",
    "Task",
    "TaskFailed",
    "TaskHandle",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
]
