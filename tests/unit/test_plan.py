"""Several rules in one plan, excluded days, a start and an end, jitter, and what a plan says in words."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.core.calendar import Calendar, Days
from tidewheel_common.core.describe import describe
from tidewheel_common.core.dst import Dst, Gap, Overlap
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.plan import Plan
from tidewheel_common.core.recurrence import Recurrence

START = datetime(2026, 1, 1, tzinfo=UTC)
CHRISTMAS = Calendar(name="holidays", days=(Days(date(2026, 12, 24), date(2026, 12, 26)),))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plan(*crons: str, zone: str = "UTC", dst: Dst | None = None, **others: object) -> Plan:
    rules = tuple(Recurrence(anchor=START, cron=cron, timezone=zone, dst=dst or Dst()) for cron in crons)
    return Plan(**{"recurrences": rules, "starts_at": START, **others})  # type: ignore[arg-type]  # by name


def first(made: Plan, count: int, after: datetime = START) -> list[datetime]:
    return list(islice(made.times_after(after), count))


def test_a_time_that_two_rules_name_comes_once() -> None:
    assert first(plan("0 */2 * * *", "0 */3 * * *"), 5) == [START + timedelta(hours=hour) for hour in (2, 3, 4, 6, 8)]


def test_an_interval_and_a_cron_stand_side_by_side() -> None:
    rules = (Recurrence(anchor=START, every=3600.0), Recurrence(anchor=START, cron="30 0 * * *"))
    made = Plan(recurrences=rules, starts_at=START)
    assert first(made, 3) == [START + timedelta(minutes=minutes) for minutes in (30, 60, 120)]


def test_nothing_is_due_before_the_start_or_after_the_end() -> None:
    made = plan("0 0 * * *", starts_at=utc("2026-02-01"), ends_at=utc("2026-02-03"))
    assert first(made, 10) == [utc("2026-02-01"), utc("2026-02-02"), utc("2026-02-03")]
    assert made.next_after(utc("2026-02-03")) is None


def test_the_last_day_and_the_nth_weekday_of_a_month() -> None:
    assert first(plan("0 0 L * *"), 2) == [utc("2026-01-31"), utc("2026-02-28")]
    assert first(plan("0 0 * * 5#2"), 2) == [utc("2026-01-09"), utc("2026-02-13")]
    assert first(plan("0 0 * * 5L"), 2) == [utc("2026-01-30"), utc("2026-02-27")]


def test_an_excluded_day_is_one_of_the_zone_and_says_of_which_calendar() -> None:
    made = plan("0 0 * * *", zone="Asia/Tokyo", calendars=(CHRISTMAS,))
    assert made.excluded(utc("2026-12-23T15:00")) == "2026-12-24 is excluded by the calendar 'holidays'."
    assert made.excluded(utc("2026-12-23T14:59")) is None
    assert made.excluded(utc("2026-12-26T14:59")) is not None
    assert made.excluded(utc("2026-12-26T15:00")) is None


def test_what_is_due_after_a_long_stop_is_bounded_and_says_so() -> None:
    made = plan("* * * * *")
    due = made.due(START, START + timedelta(days=40), most=100)
    assert due.older == START
    assert len(due.times) == 100
    assert due.times[-1] == START + timedelta(days=40)


@given(st.integers(0, 5000), st.integers(0, 3000))
def test_what_is_due_is_every_time_in_order(begin: int, length: int) -> None:
    made = plan("*/7 * * * *", "5 3 * * *")
    since, until = START + timedelta(minutes=begin), START + timedelta(minutes=begin + length)
    expected = [time for time in first(made, 2000) if since < time <= until]
    assert made.due(since, until).times == (since, *expected)


@given(st.uuids(), st.integers(0, 10_000), st.floats(0.001, 86400))
def test_jitter_is_the_same_each_time_and_ends_before_the_next_time(schedule: UUID, number: int, jitter: float) -> None:
    made = Plan(recurrences=(Recurrence(anchor=START, every=60.0),), starts_at=START, jitter=jitter)
    nominal = START + number * timedelta(minutes=1)
    run_at = made.run_at(schedule, nominal)
    assert run_at == made.run_at(schedule, nominal)
    assert nominal <= run_at < nominal + timedelta(seconds=min(jitter, 60.0)) + timedelta(microseconds=1)
    assert run_at < nominal + timedelta(seconds=60)


def test_jitter_spreads_schedules() -> None:
    made = plan("0 * * * *", jitter=600.0)
    delays = sorted((made.run_at(UUID(int=number), START) - START).total_seconds() for number in range(200))
    assert delays[0] < 60
    assert delays[-1] > 540


def test_a_clock_change_is_told() -> None:
    made = plan("30 2 * * *", zone="Europe/Berlin")
    shifted, usual = first(made, 2, utc("2026-03-28T12:00"))
    assert made.change_at(shifted) == (
        "The clocks skip the time that the rule names; it fires at the change, at 03:00."
    )
    assert made.change_at(usual) is None
    [repeated] = first(made, 1, utc("2026-10-24T12:00"))
    assert made.change_at(repeated) == "The clocks show 02:30 twice on this day; this is the first time."


def test_a_chosen_policy_holds_for_every_rule_of_the_plan() -> None:
    made = plan("30 2 * * *", "0 */1 * * *", zone="Europe/Berlin", dst=Dst(gap=Gap.SKIP, overlap=Overlap.SECOND))
    night = first(made, 4, utc("2026-10-24T22:30"))
    assert night == [utc("2026-10-24T23:00"), utc("2026-10-25T01:00"), utc("2026-10-25T01:30"), utc("2026-10-25T02:00")]


def test_a_rule_that_only_names_skipped_times_is_refused_soon() -> None:
    with pytest.raises(InvalidSchedule, match="never matches"):
        plan("30 2 * 3 0#2", zone="America/New_York", dst=Dst(gap=Gap.SKIP))


def test_a_plan_in_words() -> None:
    made = plan("30 9 * * 1-5", "0 0 L * *", zone="Europe/Berlin", calendars=(CHRISTMAS,), jitter=30.0)
    assert describe(made) == (
        "At 09:30, Monday through Friday; and at 00:00, on the last day of the month, by the clocks of Europe/Berlin, "
        "except on excluded days, each run up to 30 s later."
    )
    every = Plan(recurrences=(Recurrence(anchor=START, every=7200.0),), starts_at=START)
    assert describe(every) == "Every 2 hours counted from 2026-01-01T00:00:00+00:00."
