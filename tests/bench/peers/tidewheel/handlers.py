"""The handler that Tidewheel's executor serves in the comparison."""

from celery import shared_task
from tests.bench.peers.record import ran


@shared_task(name="peers.noop")
def noop(number: int) -> None:
    ran(number)
