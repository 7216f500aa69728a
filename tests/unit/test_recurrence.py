"""Cases of recurrence that people trip over, each by name."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.recurrence import Recurrence

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def following(recurrence: Recurrence, instant: datetime, count: int) -> list[datetime]:
    times = [recurrence.next_after(instant)]
    while len(times) < count:
        times.append(recurrence.next_after(times[-1]))
    return times


def cron(expression: str, zone: str = "UTC") -> Recurrence:
    return Recurrence(anchor=ANCHOR, cron=expression, timezone=zone)


def test_every_is_counted_from_its_anchor() -> None:
    recurrence = Recurrence(anchor=ANCHOR, every=90.0)
    assert recurrence.next_after(ANCHOR + timedelta(seconds=100)) == ANCHOR + timedelta(seconds=180)


def test_every_begins_at_its_anchor() -> None:
    recurrence = Recurrence(anchor=ANCHOR, every=90.0)
    assert recurrence.next_after(ANCHOR - timedelta(days=1)) == ANCHOR
    assert recurrence.next_after(ANCHOR) == ANCHOR + timedelta(seconds=90)


def test_every_does_not_drift_over_the_years() -> None:
    recurrence = Recurrence(anchor=ANCHOR, every=0.1)
    later = ANCHOR + timedelta(days=3650, microseconds=1)
    assert recurrence.next_after(later) == ANCHOR + timedelta(days=3650, milliseconds=100)


def test_the_next_time_is_strictly_after() -> None:
    recurrence = cron("30 9 * * *")
    nominal = utc("2026-03-04T09:30")
    assert recurrence.next_after(nominal) == nominal + timedelta(days=1)


def test_a_skipped_time_fires_at_the_change() -> None:
    assert following(cron("30 2 * * *", "America/New_York"), utc("2026-03-07T12:00"), 2) == [
        utc("2026-03-08T07:00"),  # 03:00 EDT, the first instant after 01:59:59 EST
        utc("2026-03-09T06:30"),
    ]


def test_two_skipped_times_fire_once() -> None:
    times = following(cron("0,30 2 * * *", "America/New_York"), utc("2026-03-07T12:00"), 2)
    assert times == [utc("2026-03-08T07:00"), utc("2026-03-09T06:00")]


def test_a_repeated_time_fires_the_first_time_only() -> None:
    recurrence = cron("30 1 * * *", "America/New_York")
    assert following(recurrence, utc("2026-10-31T12:00"), 2) == [utc("2026-11-01T05:30"), utc("2026-11-02T06:30")]


def test_a_start_in_the_repeated_hour_never_goes_back() -> None:
    recurrence = cron("30 1 * * *", "America/New_York")
    assert recurrence.next_after(utc("2026-11-01T06:10")) == utc("2026-11-02T06:30")


def test_an_hourly_rule_fires_in_each_real_hour_of_a_change() -> None:
    times = following(cron("0 * * * *", "America/New_York"), utc("2026-11-01T03:30"), 6)
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(hours=1)}


def test_a_half_hour_change_loses_no_time_after_it() -> None:
    # cronsim 2.8 itself starts this day at 05:30 (Lord Howe leaves summer time at 02:00 for 01:30).
    times = following(cron("*/30 5 * * *", "Australia/Lord_Howe"), utc("2026-04-04T13:00"), 2)
    assert times == [utc("2026-04-04T18:30"), utc("2026-04-04T19:00")]


def test_a_rule_that_follows_the_wall_skips_a_midnight_that_does_not_exist() -> None:
    times = following(cron("*/30 0 * * *", "America/Sao_Paulo"), utc("2018-11-03T12:00"), 1)
    assert times == [utc("2018-11-05T02:00")]


def test_steps_over_a_single_value_are_that_value() -> None:
    assert cron("5 7-7/2 * * *").next_after(utc("2026-03-04T07:05")) == utc("2026-03-05T07:05")


def test_aliases_are_read_in_any_case() -> None:
    assert cron("@Daily").next_after(ANCHOR) == ANCHOR + timedelta(days=1)


@pytest.mark.parametrize(
    ("every", "expression", "zone", "says"),
    [
        (None, None, "UTC", "either `every` or `cron`"),
        (5.0, "* * * * *", "UTC", "not both"),
        (0.0, None, "UTC", "`every` must be"),
        (-1.0, None, "UTC", "`every` must be"),
        (float("nan"), None, "UTC", "`every` must be"),
        (float("inf"), None, "UTC", "`every` must be"),
        (1e300, None, "UTC", "`every` must be"),
        (None, "* * * *", "UTC", "five fields"),
        (None, "* * * * * *", "UTC", "five fields"),
        (None, "", "UTC", "five fields"),
        (None, "@reboot", "UTC", "five fields"),
        (None, "61 * * * *", "UTC", "not a cron expression"),
        (None, "5-1 * * * *", "UTC", "not a cron expression"),
        (None, "*/0 * * * *", "UTC", "not a cron expression"),
        (None, "0 0 31 2 *", "UTC", "not a cron expression"),
        (None, "0 0 * * 1#6", "UTC", "not a cron expression"),
        (None, "٣ * * * *", "UTC", "not a cron expression"),
        (None, "* * * * *", "Mars/Olympus", "not an IANA time zone"),
        (None, "* * * * *", "../../etc/passwd", "not an IANA time zone"),
        (None, "* * * * *", "Europe", "not an IANA time zone"),
        (None, "* * * * *", "", "not an IANA time zone"),
        (None, "* * * * *", "a\0b", "not an IANA time zone"),
        (5.0, None, "Mars/Olympus", "not an IANA time zone"),
    ],
)
def test_what_no_clock_can_follow_is_refused_in_words(
    every: float | None, expression: str | None, zone: str, says: str
) -> None:
    with pytest.raises(InvalidSchedule, match=says):
        Recurrence(anchor=ANCHOR, every=every, cron=expression, timezone=zone)


def test_a_date_that_never_comes_is_refused_in_words() -> None:
    with pytest.raises(InvalidSchedule, match=r"never matches|not a cron"):
        cron("0 0 30 2 */2")


def test_the_end_of_the_calendar_is_refused_in_words() -> None:
    with pytest.raises(InvalidSchedule, match="beyond the calendar"):
        Recurrence(anchor=ANCHOR, every=86400.0).next_after(datetime(9999, 12, 31, 12, tzinfo=UTC))
    with pytest.raises(InvalidSchedule, match="beyond the calendar"):
        cron("0 0 1 1 *").next_after(datetime(9999, 12, 31, 12, tzinfo=UTC))
