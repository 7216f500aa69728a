"""What a schedule does when its time has come: the misfire policy, the overlap policy, the number of fires left."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from tidewheel_common.core.calendar import Calendar, Days
from tidewheel_common.core.misfire import Misfire, MisfirePolicy
from tidewheel_common.core.plan import Plan
from tidewheel_common.core.recurrence import Recurrence
from tidewheel_common.core.rule import Rule
from tidewheel_common.core.turn import Decision, Outcome, RunOverlap, Standing, take_turn

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
RUN = UUID(int=5)


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def rule(misfire: MisfirePolicy | None = None, *, max_fires: int | None = None, **others: object) -> Rule:
    made = {"recurrences": (Recurrence(anchor=START, every=60.0),), "starts_at": START, **others}
    return Rule(plan=Plan(**made), misfire=misfire or MisfirePolicy(), max_fires=max_fires)  # type: ignore[arg-type]  # by name


def outcomes(decision: Decision) -> list[tuple[float, str]]:
    return [((entry.nominal_at - START) / timedelta(minutes=1), entry.outcome.value) for entry in decision.entries]


@pytest.mark.parametrize(
    ("policy", "fires"),
    [
        (MisfirePolicy(), {10}),
        (MisfirePolicy(grace=30.0), {10}),
        (MisfirePolicy(grace=5.0), set()),
        (MisfirePolicy(policy=Misfire.SKIP), {10}),
        (MisfirePolicy(policy=Misfire.SKIP, grace=0.0), set()),
        (MisfirePolicy(policy=Misfire.SKIP, grace=150.0), {8, 9, 10}),
        (MisfirePolicy(policy=Misfire.ALL), set(range(11))),
        (MisfirePolicy(policy=Misfire.ALL, limit=4), {7, 8, 9, 10}),
        (MisfirePolicy(policy=Misfire.ALL, grace=140.0), {8, 9, 10}),
    ],
    ids=str,
)
def test_after_a_stop_of_ten_minutes_each_misfire_policy_does_what_it_says(
    policy: MisfirePolicy, fires: set[int]
) -> None:
    decision = take_turn(rule(policy), Standing(), START, after(10.25))
    expected = [(float(minute), "late" if minute in fires else "missed") for minute in range(11)]
    assert outcomes(decision) == expected
    assert all(entry.reason.endswith(".") for entry in decision.entries)
    assert decision.following == after(11)


def test_a_time_taken_at_once_is_fired_and_not_late() -> None:
    decision = take_turn(rule(MisfirePolicy(policy=Misfire.SKIP)), Standing(), START, START + timedelta(seconds=1))
    assert outcomes(decision) == [(0.0, "fired")]


def test_an_excluded_day_is_skipped_whatever_the_policy() -> None:
    calendar = Calendar(name="closed", days=(Days(date(2026, 6, 1), date(2026, 6, 1)),))
    decision = take_turn(rule(calendars=(calendar,)), Standing(), START, after(2))
    assert [entry.outcome for entry in decision.entries] == [Outcome.SKIPPED] * 3
    assert "closed" in decision.entries[0].reason


def test_more_missed_times_than_can_be_written_down_are_summed_up() -> None:
    decision = take_turn(rule(), Standing(), START, after(3000))
    assert len(decision.entries) == 1001
    assert "too many" in decision.entries[0].reason
    assert [entry.nominal_at for entry in decision.entries if entry.fires] == [after(3000)]


def test_a_schedule_ends_with_its_last_fire() -> None:
    policy = MisfirePolicy(policy=Misfire.ALL)
    decision = take_turn(rule(policy, max_fires=5), Standing(fired=3), START, after(4))
    assert outcomes(decision) == [(0.0, "late"), (1.0, "late")]
    assert decision.following is None
    last = take_turn(rule(ends_at=after(2)), Standing(), after(2), after(2))
    assert (outcomes(last), last.following) == ([(2.0, "fired")], None)


def standing(overlap: RunOverlap, *, busy: bool, held: datetime | None = None) -> Standing:
    return Standing(overlap=overlap, open_runs=(RUN,) if busy else (), held=held)


@pytest.mark.parametrize(
    ("state", "outcome", "holds", "cancels"),
    [
        ((RunOverlap.ALLOW, True, None), "fired", None, ()),
        ((RunOverlap.SKIP, False, None), "fired", None, ()),
        ((RunOverlap.SKIP, True, None), "skipped", None, ()),
        ((RunOverlap.QUEUE_ONE, False, None), "fired", None, ()),
        ((RunOverlap.QUEUE_ONE, True, None), None, START, ()),
        ((RunOverlap.QUEUE_ONE, True, after(-1)), "skipped", after(-1), ()),
        ((RunOverlap.CANCEL_RUNNING, False, None), "fired", None, ()),
        ((RunOverlap.CANCEL_RUNNING, True, None), "fired", None, (RUN,)),
    ],
)
def test_each_overlap_policy_does_what_it_says(
    state: tuple[RunOverlap, bool, datetime | None],
    outcome: str | None,
    holds: datetime | None,
    cancels: tuple[UUID, ...],
) -> None:
    overlap, busy, held = state
    decision = take_turn(rule(), standing(overlap, busy=busy, held=held), START, START)
    assert outcomes(decision) == ([] if outcome is None else [(0.0, outcome)])
    assert (decision.held, decision.cancel) == (holds, cancels)


def test_several_fires_of_one_turn_overlap_each_other() -> None:
    caught_up = rule(MisfirePolicy(policy=Misfire.ALL))
    skip = take_turn(caught_up, standing(RunOverlap.SKIP, busy=False), START, after(2))
    queue = take_turn(caught_up, standing(RunOverlap.QUEUE_ONE, busy=False), START, after(2))
    cancel = take_turn(caught_up, standing(RunOverlap.CANCEL_RUNNING, busy=True), START, after(2))
    assert outcomes(skip) == [(0.0, "late"), (1.0, "skipped"), (2.0, "skipped")]
    assert (outcomes(queue), queue.held) == ([(0.0, "late"), (2.0, "skipped")], after(1))
    assert outcomes(cancel) == [(0.0, "skipped"), (1.0, "skipped"), (2.0, "fired")]


def test_a_held_fire_counts_once() -> None:
    held = take_turn(rule(max_fires=1), standing(RunOverlap.QUEUE_ONE, busy=True), START, START)
    assert (held.held, held.following) == (START, None)
