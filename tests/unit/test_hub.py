"""What Celery's event loop asks the kernel for."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.asynchronous.hub import ERR, READ, WRITE

from tidewheel_executor.transport.hub import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


@pytest.fixture
def asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    for name in ("register", "unregister"):
        asks = getattr(hub.poller, name)

        def counted(*args: Any, name: str = name, asks: Any = asks) -> Any:
            calls.append(name)
            return asks(*args)

        monkeypatch.setattr(hub.poller, name, counted)
    return calls


def test_what_is_watched_already_is_not_watched_anew(hub: Hub, pipe: tuple[int, int], asked: list[str]) -> None:
    heard: list[str] = []
    hub.add_reader(pipe[0], heard.append, "one")
    hub.add_reader(pipe[0], heard.append, "one")
    assert asked == ["register"]
    hub.add_reader(pipe[0], heard.append, "other")
    os.write(pipe[1], b"x")
    hub.run_once()
    assert heard == ["other"]


def test_what_was_taken_out_is_watched_again(hub: Hub, pipe: tuple[int, int]) -> None:
    heard: list[str] = []
    hub.add_reader(pipe[0], heard.append, "one")
    hub.remove(pipe[0])
    hub.add_reader(pipe[0], heard.append, "one")
    os.write(pipe[1], b"x")
    hub.run_once()
    assert heard == ["one"]


def test_a_writer_that_is_none_is_not_taken_out(hub: Hub, pipe: tuple[int, int], asked: list[str]) -> None:
    hub.remove_writer(pipe[1])
    assert asked == []
    hub.add(pipe[1], None, WRITE | ERR, consolidate=True)
    hub.remove_writer(pipe[1])
    assert asked == ["register", "unregister"]
    assert pipe[1] not in hub.writers
    assert pipe[1] not in hub.consolidate


def test_one_that_is_read_and_written_is_still_read(hub: Hub, pipe: tuple[int, int]) -> None:
    heard: list[str] = []
    hub.add_reader(pipe[0], heard.append, "one")
    hub.remove_writer(pipe[0])
    os.write(pipe[1], b"x")
    assert hub.poller.poll(0) == [(pipe[0], READ)]
