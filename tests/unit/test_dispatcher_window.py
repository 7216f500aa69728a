"""How the window follows the pace of the executors, and how a tick's tasks are shared."""

from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.stream import Line
from tidewheel_dispatcher.grants import crowded, cut_short, share, urgent_first
from tidewheel_dispatcher.queries import Grant, ReadyLine
from tidewheel_dispatcher.window import FIRST, LARGEST, SMALLEST, Window


def line(queue: str, priority: Priority = Priority.MEDIUM) -> Line:
    return Line(queue, priority)


def steady(rate: float, *, seconds: int = 60) -> Window:
    """A window after executors have read `rate` hints a second, with more waiting all the time."""
    window = Window(since=0.0)
    unread, read = FIRST, 0
    for second in range(1, seconds):
        now_read = min(unread, round(rate))
        read, unread = read + now_read, unread - now_read
        window = window.measured(read, unread, float(second)).filled(crowded=True)
        unread += window.room(unread)
    return window


def test_a_steady_pace_makes_room_for_a_few_seconds_of_work() -> None:
    assert 1_400 <= steady(500).size <= 1_600


def test_a_slow_pace_shrinks_the_window_to_the_smallest() -> None:
    assert steady(1).size == SMALLEST


def test_executors_that_run_dry_while_more_waits_widen_the_window_up_to_the_largest() -> None:
    assert steady(50_000).size == LARGEST


def test_a_queue_with_little_to_do_keeps_its_window() -> None:
    window = Window(since=0.0)
    for second in range(1, 20):
        window = window.filled(crowded=False).measured(3 * second, 0, float(second))
    assert window.size == FIRST


def test_executors_that_stand_still_do_not_shrink_the_window_to_nothing() -> None:
    window = Window(since=0.0, read=100)
    for second in range(1, 20):
        window = window.measured(100, 900, float(second))
    assert window.size == SMALLEST


def test_a_look_too_soon_measures_nothing() -> None:
    window = Window(since=10.0)
    assert window.measured(100, 0, 10.01) == window


def test_what_was_read_over_a_long_time_says_nothing_of_the_pace() -> None:
    window = steady(500)
    later = window.measured(window.read + 100, 50, window.since + 100.0)
    assert later.size == window.size
    assert later.measured(window.read + 600, 50, later.since + 1.0).size == window.size, "from then on it is measured"


def test_a_redis_that_was_emptied_says_nothing_of_the_pace() -> None:
    window = steady(500)
    now = window.since + 0.5
    assert window.measured(0, 0, now).rate == window.rate
    assert SMALLEST <= window.measured(0, 10, now).size <= window.size


@given(
    looks=st.lists(st.tuples(st.floats(0.0, 100.0), st.integers(0, 20_000), st.integers(0, 20_000), st.booleans())),
)
def test_the_window_stays_within_its_bounds_whatever_is_measured(looks: list[tuple[float, int, int, bool]]) -> None:
    window, now = Window(since=0.0), 0.0
    for elapsed, unread, read, full in looks:
        now += elapsed
        window = window.measured(read, unread, now).filled(crowded=full)
        assert SMALLEST <= window.size <= LARGEST
        assert 0 <= window.room(unread) <= window.size


def test_high_lines_come_before_low_ones_and_long_waits_before_short_ones() -> None:
    ready = [
        ReadyLine(line("a", Priority.LOW), 90.0, parked=False),
        ReadyLine(line("a", Priority.HIGH), 1.0, parked=False),
        ReadyLine(line("b", Priority.HIGH), 2.0, parked=True),
        ReadyLine(line("c", Priority.HIGH), None, parked=True),
    ]
    assert urgent_first(ready) == [line("b", Priority.HIGH), line("a", Priority.HIGH), line("a", Priority.LOW)]


def test_no_queue_takes_the_whole_budget_from_the_others() -> None:
    rooms = {line("a", Priority.HIGH): 1000, line("b"): 1000, line("a", Priority.LOW): 30}
    assert share(rooms, 100, among=2) == [
        Grant(line("a", Priority.HIGH), 50),
        Grant(line("b"), 50),
        Grant(line("a", Priority.LOW), 30),
    ]


def test_lines_in_which_nothing_is_known_to_be_due_take_nothing_from_the_others() -> None:
    rooms = {line("a"): 1000, line("b"): 1000, line("c"): 1000}
    assert [grant.room for grant in share(rooms, 100, among=0)] == [100, 100, 100]
    assert [grant.room for grant in share(rooms, 100, among=1)] == [100, 100, 100]


def test_a_line_without_room_gets_nothing() -> None:
    assert share({line("a"): 0}, 100, among=1) == []


def test_a_full_tick_is_followed_by_another_at_once() -> None:
    rooms = {line("a"): 1000}
    grants = share(rooms, 100, among=1)
    assert cut_short(rooms, grants, {line("a"): 100}, 100) == {"a"}


def test_a_tick_that_left_something_of_one_queue_says_of_which() -> None:
    rooms = {line("a"): 1000, line("b"): 1000}
    grants = share(rooms, 100, among=2)
    assert cut_short(rooms, grants, {line("a"): 50, line("b"): 3}, 100) == {"a"}


def test_a_full_window_is_looked_at_again_soon() -> None:
    rooms = {line("a"): 10}
    grants = share(rooms, 100, among=1)
    assert crowded(rooms, {line("a"): 10}) == {"a"}
    assert cut_short(rooms, grants, {line("a"): 10}, 100) == set()


def test_a_tick_that_moved_all_there_was_leaves_nothing() -> None:
    rooms = {line("a"): 10}
    moved = {line("a"): 3}
    assert not crowded(rooms, moved) | cut_short(rooms, share(rooms, 100, among=1), moved, 100)
