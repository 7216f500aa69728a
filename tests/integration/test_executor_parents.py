"""What a handler knows of the tasks that its own depended on, and what a batch does for those that depend on it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.execution import SEALER, Queued, World, opened_world

from tidewheel_common.crypto.sealed import Subject


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        yield world


def _link(world: World, child: Queued, *parents: Queued) -> None:
    """Let a task depend on others that are queued, as if it had been submitted after them."""
    world.fetch(
        "UPDATE tasks SET state = 'blocked', queued_at = NULL, pending_parents = $2, on_parent_failure = 'cancel', "
        "tenant_id = $3 WHERE id = $1",
        child.id,
        len(parents),
        parents[0].tenant_id,
    )
    for parent in parents:
        world.fetch("UPDATE tasks SET awaited = true WHERE id = $1", parent.id)
        world.fetch("INSERT INTO dependencies (task_id, parent_id) VALUES ($1, $2)", child.id, parent.id)


def _queue_again(world: World, child: Queued) -> None:
    world.fetch("UPDATE tasks SET state = 'queued', queued_at = now(), ready_at = NULL WHERE id = $1", child.id)


def test_a_handler_reads_the_results_of_its_parents(world: World) -> None:
    seen: list[Any] = []

    @world.handler(name="tests.look", bind=True)
    def look(self: Any, **_: Any) -> None:
        seen.append(self.request.parents)

    parent = world.queue("demo.echo", {"n": 1})
    child = world.queue("tests.look", sealed=b"later")
    _link(world, child, parent)
    world.fetch("UPDATE tasks SET payload = $2 WHERE id = $1", child.id, _sealed(child, parent))

    world.run(parent)
    assert world.row(child)["state"] == "ready", "the batch that ends the parent releases it"
    assert world.row(parent)["awaited"] is False
    _queue_again(world, child)
    world.run(child)

    assert world.row(child)["state"] == "complete"
    assert seen == [{str(parent.id): {"n": 1}}]


def _sealed(child: Queued, parent: Queued) -> bytes:
    return SEALER.seal(b"{}", tenant=parent.tenant_id, subject=Subject.task(child.id), field="payload")


def test_a_task_without_parents_has_none(world: World) -> None:
    seen: list[Any] = []

    @world.handler(name="tests.look", bind=True)
    def look(self: Any, **_: Any) -> None:
        seen.append(self.request.parents)

    world.finish("tests.look")
    assert seen == [{}]


def test_a_packed_message_ends_plain_and_awaited_tasks_alike(world: World) -> None:
    plain, parent = world.queue("demo.echo"), world.queue("demo.echo")
    child = world.queue("demo.echo")
    _link(world, child, parent)
    world.run(plain, parent)
    assert [world.row(task)["state"] for task in (plain, parent, child)] == ["complete", "complete", "ready"]
    assert len(world.attempts(parent)) == 1
