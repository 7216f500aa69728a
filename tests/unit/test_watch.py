"""The thread that takes away what waits behind a long task."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tidewheel_executor.watch import GiveBack, Rest, Watch

PATIENCE = 10.0


@contextmanager
def watching(give_back: GiveBack[int]) -> Iterator[Watch[int]]:
    watch = Watch(give_back, patience=0.0)
    try:
        yield watch
    finally:
        watch.close()


def test_each_task_is_taken_by_one_thread_alone() -> None:
    rest = Rest(range(5000), range(5000, 10_000))
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
    given: list[int] = []
    done = threading.Event()

    async def give_back(tasks: Sequence[int]) -> None:
        given.extend(tasks)
        done.set()

    with watching(give_back) as watch:
        for batch in (0, 10):  # one watch, one batch after the other
            done.clear()
            rest = Rest([batch + 1, batch + 2], [batch + 3])
            assert rest.next_first() == batch + 1
            watch.begin(rest)
            assert done.wait(PATIENCE)
            assert rest.next_first() is None
            watch.end()
        assert given == [2, 3, 12, 13]


def test_what_could_not_be_given_back_is_tried_again_and_owed_until_then() -> None:
    tries: list[Sequence[int]] = []
    failed, done = threading.Event(), threading.Event()

    async def give_back(tasks: Sequence[int]) -> None:
        tries.append(tasks)
        if len(tries) == 1:
            failed.set()
            raise OSError
        done.set()

    with watching(give_back) as watch:
        rest = Rest([1, 2], [])
        watch.begin(rest)
        assert failed.wait(PATIENCE)
        assert rest.owed == [1, 2]
        assert done.wait(PATIENCE)
    assert watch.end() == []
    assert tries == [(1, 2), (1, 2)]


def test_a_batch_that_has_ended_is_left_alone() -> None:
    tries = threading.Semaphore(0)

    async def give_back(_: Sequence[int]) -> None:
        tries.release()
        raise OSError

    with watching(give_back) as watch:
        watch.begin(Rest([1], []))
        assert tries.acquire(timeout=PATIENCE)
        assert watch.end() == [1]
        watch.begin(Rest([2], []))
        assert tries.acquire(timeout=PATIENCE)
        assert watch.end() == [2]
