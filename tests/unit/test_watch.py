"""The thread that takes away what waits behind a long task."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tidewheel_executor.watch import Relieve, Rest, Watch

PATIENCE = 10.0


@contextmanager
def watching(relieve: Relieve[int, str]) -> Iterator[Watch[int, str]]:
    watch = Watch(relieve, patience=0.0)
    try:
        yield watch
    finally:
        watch.close()


def test_each_task_is_taken_by_one_thread_alone() -> None:
    rest = Rest(range(5000), range(5000, 10_000), [], deque[str]())
    start = threading.Barrier(2)
    theirs: list[int] = []

    def drain() -> None:
        start.wait()
        theirs.extend(rest.drain())

    thread = threading.Thread(target=drain)
    thread.start()
    start.wait()
    ours = []
    while (task := rest.next_first()) is not None:
        ours.append(task)
    thread.join()
    assert sorted([*ours, *theirs]) == list(range(10_000))


def test_what_is_given_back_is_not_owed_any_more() -> None:
    given: list[int | str] = []
    done = threading.Event()

    async def relieve(tasks: Sequence[int], ended: Sequence[str]) -> None:
        given.extend([*tasks, *ended])
        done.set()

    with watching(relieve) as watch:
        for batch in (0, 10):  # one watch, one batch after the other
            done.clear()
            rest = Rest([batch + 1, batch + 2], [batch + 3], [], deque([f"end of {batch}"]))
            assert rest.next_first() == batch + 1
            watch.begin(rest)
            assert done.wait(PATIENCE)
            assert rest.next_first() is None
            assert watch.end() == ([], [])
        assert given == [2, 3, "end of 0", 12, 13, "end of 10"]


def test_what_could_not_be_given_back_is_tried_again_and_owed_until_then() -> None:
    tries: list[Sequence[int | str]] = []
    failed, done = threading.Event(), threading.Event()

    async def relieve(tasks: Sequence[int], ended: Sequence[str]) -> None:
        tries.append([*tasks, *ended])
        if len(tries) == 1:
            failed.set()
            raise OSError
        done.set()

    with watching(relieve) as watch:
        rest = Rest([1, 2], [], [], deque(["end"]))
        watch.begin(rest)
        assert failed.wait(PATIENCE)
        assert (rest.owed, rest.unsaid) == ([1, 2], ["end"])
        assert done.wait(PATIENCE)
        assert watch.end() == ([], [])
    assert tries == [[1, 2, "end"], [1, 2, "end"]]


def test_a_batch_that_has_ended_is_left_alone() -> None:
    tries = threading.Semaphore(0)

    async def relieve(_: Sequence[int], __: Sequence[str]) -> None:
        tries.release()
        raise OSError

    with watching(relieve) as watch:
        watch.begin(Rest([1], [], [], deque(["end"])))
        assert tries.acquire(timeout=PATIENCE)
        assert watch.end() == ([1], ["end"])
        watch.begin(Rest([2], [], [], deque[str]()))
        assert tries.acquire(timeout=PATIENCE)
        assert watch.end() == ([2], [])
