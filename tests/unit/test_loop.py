"""The loop skeleton: pauses, wake-ups, lost connections, bugs, stopping."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from tidewheel_common.process.health import Health
from tidewheel_common.process.loop import AGAIN, LONGEST_REST, Loop, LoopFailed, Transient, run_loops
from tidewheel_common.process.metrics import Metrics

DEADLINE = 5.0


class LostError(Exception):
    """What the tests call a lost connection."""


class Bench:
    """Runs loops with pauses that are noted instead of waited for."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.transient: Transient = (LostError,)
        self.health = Health(clock=lambda: 0.0)
        self.pauses: list[float] = []
        self.pauses_end_with: list[asyncio.Event] = []

    def script(self, *steps: float | BaseException | None) -> Callable[[], Awaitable[float | None]]:
        """Return a tick that plays the steps, then stops the loops."""
        left = list(steps)

        async def tick() -> float | None:
            step = left.pop(0)
            if not left:
                self.stop.set()
            if isinstance(step, BaseException):
                raise step
            return step

        return tick

    async def rest(self, seconds: float, until: asyncio.Event) -> None:
        self.pauses.append(seconds)
        self.pauses_end_with.append(until)
        await asyncio.sleep(0)

    async def run(self, *loops: Loop, jitter: float = 0.0, metrics: Metrics | None = None) -> None:
        async with asyncio.timeout(DEADLINE):
            await run_loops(
                loops,
                stop=self.stop,
                transient=self.transient,
                health=self.health,
                jitter=lambda: jitter,
                metrics=metrics,
                rest=self.rest,
            )


@pytest.fixture
def bench() -> Bench:
    return Bench()


def start(*loops: Loop, stop: asyncio.Event, grace: float = DEADLINE) -> asyncio.Task[None]:
    """Run the loops with real pauses."""
    health = Health()
    return asyncio.create_task(
        run_loops(loops, stop=stop, transient=(LostError,), health=health, jitter=lambda: 0.0, grace=grace)
    )


async def test_a_full_batch_runs_again_without_a_pause(bench: Bench) -> None:
    await bench.run(Loop(name="promote", tick=bench.script(AGAIN, AGAIN, AGAIN), every=7))
    assert bench.pauses == [0.0]


async def test_a_short_batch_pauses_for_every_and_a_due_moment_for_less_but_never_for_more(bench: Bench) -> None:
    await bench.run(Loop(name="promote", tick=bench.script(None, 2.5, 60.0, AGAIN), every=7))
    assert bench.pauses == [0.0, 7, 2.5, 7]


async def test_jitter_spreads_the_first_tick_and_shortens_pauses_but_not_due_moments(bench: Bench) -> None:
    await bench.run(Loop(name="promote", tick=bench.script(None, 2.5, AGAIN), every=10), jitter=0.5)
    assert bench.pauses == [pytest.approx(0.1), pytest.approx(9.5), 2.5]


async def test_a_lost_connection_backs_off_up_to_a_second_and_a_success_resets_it(bench: Bench) -> None:
    wake = asyncio.Event()
    steps: list[float | BaseException | None] = [*[LostError()] * 8, AGAIN, LostError(), AGAIN]
    await bench.run(Loop(name="promote", tick=bench.script(*steps), every=7, wake=wake))
    assert bench.pauses[1:] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0, 0.1]
    assert wake not in bench.pauses_end_with


async def test_a_streak_of_lost_connections_is_logged_once_and_so_is_its_end(bench: Bench) -> None:
    with capture_logs() as lines:
        await bench.run(
            Loop(name="promote", tick=bench.script(LostError("no route\nand more"), LostError(), AGAIN), every=7)
        )
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("loop backs off", "warning"),
        ("loop recovered", "info"),
    ]
    assert lines[0]["error"] == "no route"
    assert lines[1]["tries"] == 2


async def test_a_group_of_lost_connections_is_a_lost_connection(bench: Bench) -> None:
    group = ExceptionGroup("both", [LostError(), ExceptionGroup("inner", [LostError()])])
    await bench.run(Loop(name="promote", tick=bench.script(group, AGAIN), every=7))
    assert bench.pauses == [0.0, 0.1]


async def test_a_function_may_tell_lost_connections_from_bugs(bench: Bench) -> None:
    bench.transient = lambda error: "connection" in str(error)
    tick = bench.script(KeyError("connection"), KeyError("typo"), AGAIN)
    with pytest.raises(LoopFailed) as caught:
        await bench.run(Loop(name="promote", tick=tick, every=7))
    assert str(caught.value.__cause__) == "'typo'"
    assert bench.pauses == [0.0, 0.1]


async def test_a_group_with_one_bug_is_a_bug(bench: Bench) -> None:
    group = ExceptionGroup("both", [LostError(), KeyError("x")])
    with pytest.raises(LoopFailed):
        await bench.run(Loop(name="promote", tick=bench.script(group, AGAIN), every=7))


async def test_a_bug_stops_every_loop_after_its_tick_in_hand_and_is_raised() -> None:
    in_tick, bug, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def busy() -> None:
        in_tick.set()
        await bug.wait()
        await asyncio.sleep(0)
        finished.set()

    async def broken() -> None:
        await in_tick.wait()
        bug.set()
        raise KeyError("typo")

    with capture_logs() as lines, pytest.raises(LoopFailed, match="loop broken failed with KeyError") as caught:
        async with asyncio.timeout(DEADLINE):
            await start(
                Loop(name="busy", tick=busy, every=60), Loop(name="broken", tick=broken, every=60), stop=asyncio.Event()
            )
    assert isinstance(caught.value.__cause__, KeyError)
    assert finished.is_set()
    assert [line["loop"] for line in lines if line["event"] == "loop failed"] == ["broken"]


async def test_stop_finishes_the_tick_in_hand_and_starts_no_other() -> None:
    stop, in_tick, go_on, ticks = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    async def tick() -> float:
        in_tick.set()
        await go_on.wait()
        ticks.append("done")
        return AGAIN

    running = start(Loop(name="promote", tick=tick, every=60), stop=stop)
    async with asyncio.timeout(DEADLINE):
        await in_tick.wait()
        stop.set()
        await asyncio.sleep(0)
        assert not running.done()
        go_on.set()
        await running
    assert ticks == ["done"]


async def test_a_tick_that_outlasts_the_grace_is_cut_off() -> None:
    stop, in_tick = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        in_tick.set()
        await asyncio.Event().wait()

    with capture_logs() as lines:
        running = start(Loop(name="endless", tick=endless, every=60), stop=stop, grace=0.01)
        async with asyncio.timeout(DEADLINE):
            await in_tick.wait()
            stop.set()
            await running
    assert [line["event"] for line in lines] == ["loop cut off"]


async def test_stop_ends_a_long_pause() -> None:
    stop, ticked = asyncio.Event(), asyncio.Event()

    async def tick() -> None:
        ticked.set()

    running = start(Loop(name="promote", tick=tick, every=3600), stop=stop)
    async with asyncio.timeout(DEADLINE):
        await ticked.wait()
        stop.set()
        await running


async def test_stop_ends_the_backoff_of_a_lost_connection() -> None:
    stop, lost = asyncio.Event(), asyncio.Event()

    async def tick() -> None:
        lost.set()
        raise LostError

    running = start(Loop(name="promote", tick=tick, every=3600), stop=stop)
    async with asyncio.timeout(DEADLINE):
        await lost.wait()
        stop.set()
        await running


async def test_a_wake_up_ends_a_pause_and_one_that_comes_during_a_tick_is_kept() -> None:
    stop, wake, ticks = asyncio.Event(), asyncio.Event(), asyncio.Queue[int]()
    count = 0

    async def tick() -> None:
        nonlocal count
        count += 1
        ticks.put_nowait(count)
        if count == 2:
            wake.set()  # during the second tick

    running = start(Loop(name="promote", tick=tick, every=3600, wake=wake), stop=stop)
    async with asyncio.timeout(DEADLINE):
        assert await ticks.get() == 1
        wake.set()
        assert await ticks.get() == 2
        assert await ticks.get() == 3
        stop.set()
        await running
    assert count == 3


async def test_a_busy_loop_lets_the_others_run(bench: Bench) -> None:
    others = 0

    async def busy() -> float:
        return AGAIN

    async def other() -> float:
        nonlocal others
        others += 1
        if others == 3:
            bench.stop.set()
        return AGAIN

    await bench.run(Loop(name="busy", tick=busy, every=1), Loop(name="other", tick=other, every=1))
    assert others == 3


async def test_without_loops_it_waits_for_stop() -> None:
    stop = asyncio.Event()
    running = start(stop=stop)
    await asyncio.sleep(0)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, DEADLINE)


async def test_cancelling_cuts_the_ticks_off() -> None:
    in_tick, cut_off = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        in_tick.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()

    running = start(Loop(name="endless", tick=endless, every=60), stop=asyncio.Event())
    await asyncio.wait_for(in_tick.wait(), DEADLINE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cut_off.is_set()


async def test_a_loop_that_something_else_cancels_is_a_failure() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(LoopFailed, match="cancelled from outside"):
        await asyncio.wait_for(start(Loop(name="promote", tick=cancelled, every=60), stop=asyncio.Event()), DEADLINE)


async def test_loops_that_share_a_name_or_a_wake_up_are_refused(bench: Bench) -> None:
    wake = asyncio.Event()
    tick = bench.script(AGAIN)
    with pytest.raises(ValueError, match="Two loops are named a"):
        await bench.run(Loop(name="a", tick=tick, every=1), Loop(name="a", tick=tick, every=1))
    with pytest.raises(ValueError, match="shares its wake-up"):
        await bench.run(Loop(name="a", tick=tick, every=1, wake=wake), Loop(name="b", tick=tick, every=1, wake=wake))


def test_a_loop_must_pause(bench: Bench) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Loop(name="a", tick=bench.script(AGAIN), every=0)


async def test_ticks_are_counted_by_their_result(bench: Bench) -> None:
    metrics = Metrics("test")
    with pytest.raises(LoopFailed):
        await bench.run(
            Loop(name="promote", tick=bench.script(AGAIN, LostError(), AGAIN, KeyError(), AGAIN), every=7),
            metrics=metrics,
        )
    counts = {
        result: metrics.registry.get_sample_value("tidewheel_loop_ticks_total", {"loop": "promote", "result": result})
        for result in ("ok", "transient", "failed")
    }
    assert counts == {"ok": 2, "transient": 1, "failed": 1}
    assert metrics.registry.get_sample_value("tidewheel_loop_seconds_count", {"loop": "promote"}) == 4


async def test_health_hears_of_stumbles_and_forgets_loops_that_have_ended(bench: Bench) -> None:
    seen: list[list[str]] = []
    inner = bench.script(LostError(), AGAIN, AGAIN)

    async def tick() -> float | None:
        seen.append(bench.health.obstacles())
        return await inner()

    await bench.run(Loop(name="promote", tick=tick, every=7))
    assert seen == [
        ["The loop promote has not finished its first tick."],
        ["The loop promote lost a connection (LostError) and keeps trying."],
        [],
    ]
    assert bench.health.obstacles() == ["The process is stopping."]
    assert bench.health.alive()


def woken(tick: Callable[[], Awaitable[float | None]], wake: asyncio.Event) -> Callable[[], Awaitable[float | None]]:
    """Return a tick that is woken again before it has ended."""

    async def again() -> float | None:
        wake.set()
        return await tick()

    return again


async def test_a_loop_on_part_duty_rests_in_proportion_to_its_tick_when_it_was_woken_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([10.0, 10.03, 20.0, 20.03, 30.0, 30.03])
    monkeypatch.setattr("tidewheel_common.process.loop.time", SimpleNamespace(monotonic=lambda: next(times)))
    wake = asyncio.Event()
    tick = woken(bench.script(None, 0.05, AGAIN), wake)
    await bench.run(Loop(name="relay", tick=tick, every=7, wake=wake, duty=lambda: 0.3))
    assert bench.pauses[1:] == [pytest.approx(0.07), 0.05]  # as long as it takes, but not beyond what is due
    assert wake not in bench.pauses_end_with


@pytest.mark.parametrize(("every", "rests"), [(7, LONGEST_REST), (0.01, 0.01)])
async def test_part_duty_never_rests_for_long(bench: Bench, every: float, rests: float) -> None:
    wake = asyncio.Event()
    tick = woken(bench.script(None, AGAIN), wake)
    await bench.run(Loop(name="relay", tick=tick, every=every, wake=wake, duty=lambda: 1e-12))
    assert bench.pauses[1:] == [rests]


async def test_a_loop_on_part_duty_that_nobody_woke_pauses_as_any_other(bench: Bench) -> None:
    wake = asyncio.Event()
    await bench.run(Loop(name="relay", tick=bench.script(None, 2.5, AGAIN), every=7, wake=wake, duty=lambda: 0.3))
    assert bench.pauses[1:] == [7, 2.5]
    assert bench.pauses_end_with[1:] == [wake, wake]


async def test_on_full_duty_a_wake_up_ends_the_pause_and_a_full_batch_makes_none(bench: Bench) -> None:
    wake = asyncio.Event()
    duties = iter([1.0])
    tick = woken(bench.script(AGAIN, None, AGAIN), wake)
    await bench.run(Loop(name="relay", tick=tick, every=7, wake=wake, duty=lambda: next(duties)))
    assert bench.pauses[1:] == [7]
    assert bench.pauses_end_with[1:] == [wake]


async def test_stop_ends_the_rest_of_a_loop_on_part_duty() -> None:
    stop, wake = asyncio.Event(), asyncio.Event()
    ticked = asyncio.Event()

    async def tick() -> None:
        wake.set()
        ticked.set()

    running = start(Loop(name="relay", tick=tick, every=3600, wake=wake, duty=lambda: 1e-12), stop=stop)
    async with asyncio.timeout(DEADLINE):
        await ticked.wait()
        stop.set()
        await running
