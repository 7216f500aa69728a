"""What the dispatcher needs to know."""

from pydantic import Field

from tidewheel_common.process.settings import Port, Settings


class DispatcherSettings(Settings):
    """The dispatcher's settings."""

    health_port: Port = Field(
        9102, description="The port that answers probes and metrics; 0 takes any free one.", examples=["9102"]
    )
    queued_overdue: float = Field(
        15.0,
        gt=0,
        description="Seconds that a task may be queued before its hint is looked for in Redis.",
        examples=["15"],
    )
    executor_stale: float = Field(
        15.0, gt=0, description="Seconds without a heartbeat after which an executor counts as lost.", examples=["15"]
    )
