"""Uses the example's app as its owner would, and prints what came of it as JSON: on Celery and on Tidewheel alike."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import shop  # type: ignore[import-not-found]  # the example, wherever PYTHONPATH has it
from celery import chain, chord, group

WAIT = 60.0


def ended(result: Any) -> list[Any]:
    """Return the state of a result, and its value or the type of its error."""
    try:
        value = result.get(timeout=WAIT)
    except Exception as error:  # noqa: BLE001 -- the outcome
        value = type(error).__name__
        settle(result)
    return [result.state, result.successful(), value]


def settle(result: Any) -> None:
    """Wait until a result has ended: the error of the task before it may be known earlier."""
    deadline = time.monotonic() + WAIT
    while not result.ready() and time.monotonic() < deadline:
        time.sleep(0.05)  # noqa: TID251 -- between two looks at a condition with a deadline


OUTCOMES: dict[str, Callable[[], Any]] = {
    "delay": lambda: shop.price.delay("apple", pieces=3),
    "countdown": lambda: shop.price.apply_async(kwargs={"item": "pear"}, countdown=0.3),
    "eta": lambda: shop.price.apply_async(("pear",), eta=shop.app.now() + timedelta(seconds=0.3), expires=60),
    "priority": lambda: shop.price.apply_async(("pear",), priority=0, queue="celery"),
    "link": lambda: shop.price.apply_async(("pear",), link=shop.add.s(1)),
    "by name": lambda: shop.app.send_task("shop.add", (1, 2)),
    "a date": lambda: shop.deliver.delay("pear", at=datetime(2026, 12, 1, 9, tzinfo=UTC)),
    "no date at all": lambda: shop.deliver.delay("pear", "soon"),
    "not as annotated": lambda: shop.add.delay(1, 2.5),
    "an argument too few": lambda: shop.add.delay(one=1),
    "by an id of its own": lambda: shop.app.AsyncResult(named(shop.price.apply_async(("pear",), task_id="order-1"))),
    "retries": lambda: shop.charge.delay(10),
    "retries exhausted": lambda: shop.charge.delay(10, failures=9),
    "failure": lambda: shop.reserve.delay("pear"),
    "wrong arguments": lambda: shop.app.send_task("shop.price", kwargs={"item": "plum"}),
    "chain": lambda: shop.receipt("apple", 2),
    "chain, partial": lambda: shop.receipt("apple", 2).clone().apply_async(),
    "immutable chain": lambda: chain(shop.price.s("apple"), shop.price.si("pear")),
    "broken chain": lambda: chain(shop.reserve.si("pear"), shop.price.si("apple")),
    "group": lambda: shop.prices(["apple", "pear", "apple"]),
    "group of chains": lambda: group(shop.receipt("apple", 1), shop.receipt("pear", 1)),
    "chord": lambda: shop.sum_of(["apple", "pear"]),
    "chord, called with its body": lambda: chord(shop.prices(["apple", "pear"]))(shop.total.s()),
    "chord of nothing": lambda: chord([])(shop.total.s()),
    "group, then a task": lambda: shop.prices(["apple", "pear"]) | shop.total.s() | shop.add.s(1),
}


def named(_: Any) -> str:
    return "order-1"


def outcome(make: Callable[[], Any]) -> list[Any]:
    try:
        made = make()
    except TypeError as error:
        return [str(error)]
    result = made if hasattr(made, "get") and hasattr(made, "ready") else made.delay()
    if hasattr(result, "results"):
        return [result.successful() or result.get(timeout=WAIT) is not None, result.get(timeout=WAIT)]
    return ended(result)


def from_within() -> list[Any]:
    return ended(shop.app.AsyncResult(shop.order.delay("pear").get(timeout=WAIT)))


if __name__ == "__main__":
    found = {name: outcome(make) for name, make in OUTCOMES.items()}
    json.dump({**found, "from within a task": from_within()}, sys.stdout)
