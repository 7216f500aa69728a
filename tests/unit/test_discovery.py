"""Looking for new queues."""

from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from tidewheel_executor import discovery


def _consumer(add: Any) -> Any:
    channel = SimpleNamespace(task_streams=True)
    task_consumer = SimpleNamespace(channel=channel, consuming_from=lambda name: name == "default")
    return SimpleNamespace(app=None, task_consumer=task_consumer, add_task_queue=add)


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    found = {"default", "mail"}
    executor = SimpleNamespace(intake=SimpleNamespace(streams=SimpleNamespace(queues=lambda: found)))
    monkeypatch.setattr(discovery, "executor_of", lambda _: executor)
    return found


def test_a_queue_that_is_new_is_served(queues: set[str]) -> None:
    served: list[str] = []

    discovery.look(_consumer(served.append))

    assert served == sorted(queues - {"default"})


def test_a_queue_that_a_full_redis_refuses_waits_for_the_next_look(queues: set[str]) -> None:
    def refuse(_: str) -> None:
        raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")

    discovery.look(_consumer(refuse))

    assert "mail" in queues
