"""What a handler knows of the tasks that its own depended on, and what a batch does for those that depend on it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import WorkerShutdown
from tests.execution import SEALER, Queued, World, opened_world

from tidewheel_common.crypto.sealed import Subject
from tidewheel_executor import queries


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


def _sealed(child: Queued, parent: Queued, payload: bytes = b"{}") -> bytes:
    return SEALER.seal(payload, tenant=parent.tenant_id, subject=Subject.task(child.id), field="payload")


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


def _with_references(world: World, payload: bytes) -> tuple[Queued, list[Queued]]:
    """Link a task to two parents, of which it named the second one first."""
    first, second = world.queue("demo.echo", {"n": 1}), world.queue("demo.echo", sealed=b"later")
    child = world.queue("demo.echo", sealed=b"later")
    _link(world, child, first, second)
    for task, text in ((child, payload), (second, b'{"n": 2}')):
        sealed = _sealed(task, first, text)
        world.fetch("UPDATE tasks SET tenant_id = $2, payload = $3 WHERE id = $1", task.id, first.tenant_id, sealed)
    world.fetch("UPDATE dependencies SET place = 1 WHERE parent_id = $1", first.id)
    return child, [first, second]


def _run_after(world: World, child: Queued, parents: list[Queued]) -> Any:
    world.run(*parents)
    _queue_again(world, child)
    world.run(child)
    return world.row(child)


def test_an_argument_may_be_the_result_of_a_parent_or_of_all_as_they_were_named(world: World) -> None:
    child, parents = _with_references(world, b'{"one": {"$parent": 1}, "all": {"$parent": "*"}, "own": {"a": 1}}')
    sealed = _run_after(world, child, parents)["result"]
    text = SEALER.open(sealed, tenant=parents[0].tenant_id, task_id=child.id, schedule_id=None, field="result")
    assert json.loads(text) == {"one": {"n": 1}, "all": [{"n": 2}, {"n": 1}], "own": {"a": 1}}


def test_a_task_is_refused_that_asks_for_a_result_that_is_not_there(world: World) -> None:
    row = _run_after(world, *_with_references(world, b'{"one": {"$parent": 7}}'))
    assert (row["state"], row["reason"], row["error_type"]) == ("dead", "permanent", "ParentWithoutResult")


def _children(world: World, handler: str, count: int) -> tuple[list[Queued], int]:
    """Queue tasks of which each has a parent that is complete; return them and the size of a parent's result."""
    parents = [world.queue("demo.echo", {"n": n}) for n in range(count)]
    children = [world.queue(handler, sealed=b"later") for _ in parents]
    world.run(*parents)
    for child, parent in zip(children, parents, strict=True):
        _link(world, child, parent)
        world.fetch("UPDATE dependencies SET outcome = 'complete' WHERE task_id = $1", child.id)
        world.fetch("UPDATE tasks SET payload = $2 WHERE id = $1", child.id, _sealed(child, parent))
        _queue_again(world, child)
    return children, len(world.row(parents[0])["result"])


def test_a_batch_holds_no_more_of_its_parents_results_than_there_is_room_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no room is read, and run, when what came before has ended."""
    steps: list[Any] = []
    read = queries.parents_results

    async def noting(connection: Any, ids: Any) -> Any:
        found = await read(connection, ids)
        steps.append({task_id: len(b"".join(filter(None, each.results.values()))) for task_id, each in found.items()})
        return found

    @world.handler(name="tests.look", bind=True)
    def look(self: Any, **_: Any) -> Any:
        steps.append(self.request.id)
        return list(self.request.parents.values())

    children, size = _children(world, "tests.look", 3)
    monkeypatch.setattr(queries, "PARENT_BYTES", size + 1)
    monkeypatch.setattr(queries, "parents_results", noting)
    world.child._watch._patience = 60.0  # however slow this machine is, none of them takes long
    alone = world.queue("demo.echo")

    world.run(*children, alone)

    first, second, third = (child.id for child in children)
    assert steps == [{first: size, second: size}, str(first), str(second), {third: size}, str(third)]
    assert [world.row(task)["state"] for task in (*children, alone)] == ["complete"] * 4


def test_what_waits_for_room_is_given_back_when_the_child_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @world.handler(name="tests.end")
    def end(**_: Any) -> None:
        raise WorkerShutdown(0)

    children, _ = _children(world, "tests.end", 2)
    monkeypatch.setattr(queries, "PARENT_BYTES", 1)

    with pytest.raises(WorkerShutdown):
        world.run(*children)

    ended, waited = (world.attempts(child)[0] for child in children)
    assert waited["state"] == "interrupted"
    assert [world.row(child)["state"] for child in children] == ["waiting", "waiting"]
    assert ended["attempt"] == waited["attempt"] == 1
