"""`tidewheel.canary`: what every executor serves, so that a task can go through everything without anyone's handler."""

from typing import Any

from celery import shared_task


@shared_task(name="tidewheel.canary", bind=True, as_in_celery=False)  # type: ignore[call-overload, untyped-decorator]  # the last option is ours
def canary(self: Any, /, **given: Any) -> dict[str, Any]:  # noqa: D417 -- no payload has a self
    """Return what it was given, when it began by the database's clock, and who ran it.

    Args:
        given: anything.
    """
    return {"given": given, "started_at": self.request.started_at.isoformat(), "hostname": self.request.hostname}
