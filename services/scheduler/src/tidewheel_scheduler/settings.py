"""What the scheduler needs to know."""

from pydantic import Field

from tidewheel_common.process.settings import Port, Settings


class SchedulerSettings(Settings):
    """The scheduler's settings. It needs no keys: it copies sealed payloads."""

    health_port: Port = Field(
        9101, description="The port of /healthz, /readyz and /metrics; 0 takes any free one.", examples=["9101"]
    )
    executor_stale: float = Field(
        15.0,
        gt=0,
        description="Seconds without a heartbeat after which an executor is lost, and its tasks are rescued.",
        examples=["15"],
    )
