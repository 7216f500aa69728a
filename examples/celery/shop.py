"""A plain Celery app. It knows nothing of Tidewheel; README.md says which line to change."""

import logging
from datetime import datetime

from celery import Celery, chain, chord, group

app = Celery("shop", broker="redis://localhost:6379/0", backend="redis://localhost:6379/0")

log = logging.getLogger(__name__)

app.conf.timezone = "Europe/Berlin"
app.conf.beat_schedule = {
    "count-the-stock": {"task": "shop.count", "schedule": 1.0, "args": (["apples", "pears"],)},
}


class OutOfStock(Exception):
    """There is nothing left of it."""


class Noted(app.Task):
    """Keeps a note of what has failed."""

    abstract = True

    def on_failure(self, exc, task_id, args, kwargs, einfo) -> None:
        """Write it down."""
        log.warning("%s %s: %r", self.name, kwargs or args, exc)


@app.task(name="shop.price")
def price(item: str, pieces: int = 1) -> int:
    """Return what some pieces cost, in cents."""
    return {"apple": 40, "pear": 60}[item] * pieces


@app.task(name="shop.add")
def add(one: int, other: int) -> int:
    """Add two amounts."""
    return one + other


@app.task(name="shop.total")
def total(amounts: list[int]) -> int:
    """Add up amounts."""
    return sum(amounts)


@app.task(name="shop.charge", bind=True, autoretry_for=(ConnectionError,), max_retries=4, default_retry_delay=0)
def charge(self, amount: int, failures: int = 2) -> dict[str, int]:
    """Charge a card at a bank that fails for a while."""
    if self.request.retries < failures:
        raise ConnectionError("The bank does not answer.")
    return {"amount": amount, "tries": self.request.retries + 1}


@app.task(name="shop.reserve")
def reserve(item: str) -> None:
    """Fail: without `autoretry_for` nothing is tried again."""
    raise OutOfStock(item)


@app.task(name="shop.order", bind=True)
def order(self, item: str) -> str:
    """Submit another task from within a task."""
    return price.delay(item).id


@app.task(name="shop.deliver", base=Noted)
def deliver(item: str, at: datetime) -> str:
    """Deliver at a time, which comes as what it was sent as."""
    return f"{item}: {at:%d.%m. %H:%M}"


@app.task(name="shop.count")
def count(items: list[str]) -> int:
    """Count what is there."""
    return len(items)


def receipt(item: str, pieces: int):
    """Price, then add the delivery, then charge."""
    return chain(price.s(item, pieces), add.s(500), charge.s(failures=0))


def prices(items: list[str]):
    """Price everything at once."""
    return group(price.s(item) for item in items)


def sum_of(items: list[str]):
    """Price everything at once, then add it up."""
    return chord(prices(items), total.s())
