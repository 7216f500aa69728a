"""Cancelling tasks that run: asked first, and killed with their child when they do not listen."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.execution import Queued, World, opened_world

from tidewheel_executor.aborts import Aborted, give_order

NEVER = threading.Event()


@pytest.fixture
def world(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[World]:
    with opened_world(database_url, redis_url, orders=tmp_path) as world:
        yield world


class Order:
    """Somebody who cancels a task, from another thread, once its handler says that it runs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def cancel(self, *tasks: Queued) -> None:
        arguments = (self._directory, os.getpid(), [(task.id, task.attempt + 1) for task in tasks])
        threading.Thread(target=give_order, args=arguments).start()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(tmp_path)


def _end(world: World, task: Queued) -> tuple[Any, ...]:
    row = world.row(task)
    return row["state"], row["reason"], row["failures"], [attempt["state"] for attempt in world.attempts(task)]


CANCELLED = ("cancelled", "cancelled", 0, ["cancelled"])


def test_a_def_handler_is_interrupted_and_its_neighbours_go_on(world: World, order: Order) -> None:
    seen: list[object] = []

    @world.handler(name="t.def", bind=True)
    def body(self: Any) -> None:
        seen.append(self.is_aborted())
        order.cancel(task)
        try:
            NEVER.wait(60)
        except Aborted:
            seen.append(self.is_aborted())
            raise

    task, neighbour = world.queue("t.def"), world.queue("demo.echo", {"n": 1})
    world.run(task, neighbour)
    assert (_end(world, task), seen) == (CANCELLED, [False, True])
    assert world.row(neighbour)["state"] == "complete"


def test_a_coroutine_is_cancelled_and_may_clean_up(world: World, order: Order) -> None:
    seen: list[str] = []

    @world.handler(name="t.async")
    async def body(name: str) -> str:
        if name == "first":
            order.cancel(task)
        try:
            await asyncio.sleep(60 if name == "first" else 0)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append(name)
            raise
        return name

    task, neighbour = world.queue("t.async", {"name": "first"}), world.queue("t.async", {"name": "second"})
    world.run(task, neighbour)
    assert (_end(world, task), seen) == (CANCELLED, ["first"])
    assert world.result(neighbour) == "second"


def test_what_fails_after_it_was_asked_to_stop_is_cancelled_and_what_succeeds_is_complete(
    world: World, order: Order
) -> None:
    @world.handler(name="t.stubborn", autoretry_for=(Exception,))
    def body(fails: bool) -> str:
        order.cancel(failing if fails else succeeding)
        try:
            NEVER.wait(60)
        except Aborted as error:
            if fails:
                raise ValueError from error
        return "done"

    failing, succeeding = (world.queue("t.stubborn", {"fails": fails}) for fails in (True, False))
    world.run(failing)
    world.run(succeeding)
    assert _end(world, failing) == CANCELLED
    assert _end(world, succeeding) == ("complete", None, 0, ["complete"])


def test_what_has_not_begun_does_not_begin(world: World, order: Order) -> None:
    @world.handler(name="t.first")
    def body() -> None:
        order.cancel(first, later)
        NEVER.wait(60)

    first, later = world.queue("t.first"), world.queue("demo.echo")
    world.run(first, later)
    assert [_end(world, task) for task in (first, later)] == [CANCELLED, CANCELLED]


def test_a_redriven_task_is_not_stopped_by_the_order_for_its_attempt_before(world: World, order: Order) -> None:
    @world.handler(name="t.again", bind=True)
    def body(self: Any) -> str:
        if self.request.attempt == 1:
            order.cancel(task)
            NEVER.wait(60)
        return "done"

    task = world.queue("t.again")
    world.run(task)
    assert _end(world, task) == CANCELLED
    world.fetch("UPDATE tasks SET state = 'queued', queued_at = now(), remove_at = NULL WHERE id = $1", task.id)
    world.run(Queued(id=task.id, tenant_id=task.tenant_id, handler=task.handler, attempt=1))
    assert (world.row(task)["state"], world.result(task)) == ("complete", "done")
