"""Recurrence rules of RFC 5545 and events of the sun, as instants."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import solar
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.core.dst import Dst, Gap, Overlap
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.recurrence import Recurrence
from tidewheel_common.core.solar import EVENTS, Solar

START = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)  # a Monday


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rule(text: str, zone: str = "UTC", dst: Dst | None = None, start: datetime = START) -> Recurrence:
    return Recurrence(anchor=start, rrule=text, timezone=zone, dst=dst or Dst())


def first(made: Recurrence, count: int, after: datetime = START) -> list[str]:
    return [f"{time:%Y-%m-%dT%H:%M}" for time in islice(made.times_after(after), count)]


def test_the_last_friday_of_each_month_at_the_time_that_the_rule_names() -> None:
    made = rule("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0", "Europe/Berlin")
    assert first(made, 3) == ["2026-01-30T16:00", "2026-02-27T16:00", "2026-03-27T16:00"]


def test_what_a_rule_leaves_open_comes_from_its_start() -> None:
    assert first(rule("FREQ=WEEKLY;INTERVAL=2"), 2) == ["2026-01-19T09:30", "2026-02-02T09:30"]
    assert first(rule("freq=yearly"), 1) == ["2027-01-05T09:30"]


def test_clock_changes_follow_the_policy() -> None:
    daily = "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"
    spring, autumn = utc("2026-03-28T12:00"), utc("2026-10-24T12:00")
    assert first(rule(daily, "Europe/Berlin"), 2, spring) == ["2026-03-29T01:00", "2026-03-30T00:30"]
    assert first(rule(daily, "Europe/Berlin", Dst(gap=Gap.SKIP)), 1, spring) == ["2026-03-30T00:30"]
    assert first(rule(daily, "Europe/Berlin"), 2, autumn) == ["2026-10-25T00:30", "2026-10-26T01:30"]
    assert first(rule(daily, "Europe/Berlin", Dst(overlap=Overlap.SECOND)), 1, autumn) == ["2026-10-25T01:30"]
    assert rule(daily, "Europe/Berlin").is_shifted(utc("2026-03-29T01:00"))


@given(
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 9),
    st.sampled_from(["", ";BYDAY=MO,TH", ";BYMONTH=3,7", ";BYHOUR=3,20", ";BYDAY=MO;BYHOUR=1;BYSETPOS=1", ";WKST=SU"]),
    st.integers(0, 5000),
)
def test_wherever_it_is_asked_from_it_is_the_walk_from_the_start(
    frequency: str, interval: int, parts: str, days: int
) -> None:
    text, after = f"FREQ={frequency};INTERVAL={interval}{parts}", START + timedelta(days=days, hours=1)
    try:
        made = rule(text)
    except InvalidSchedule:  # such as every ninth week of a month that never has one
        return
    walked = rrulestr(text, dtstart=START.replace(tzinfo=None)).xafter(after.replace(tzinfo=None), count=3)
    assert first(made, 3, after) == [f"{time:%Y-%m-%dT%H:%M}" for time in walked]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a recurrence rule"),
        ("FREQ", "not a recurrence rule"),
        ("FREQ=DAILY;FREQ=DAILY", "not a recurrence rule"),
        ("FREQ=DAILY;BYDAY=XX", "not a recurrence rule"),
        ("FREQ=DAILY;INTERVAL=0", "`INTERVAL` must be"),
        ("FREQ=HOURLY", "`FREQ` must be"),
        ("INTERVAL=2", "`FREQ` must be"),
        ("FREQ=DAILY;COUNT=3", "give `max_fires` instead"),
        ("FREQ=DAILY;UNTIL=20300101T000000Z", "give `ends_at` instead"),
        ("FREQ=DAILY;BYSECOND=5", "`BYSECOND` cannot be held"),
        ("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", "more than 24 times a day"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never matches"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "goes with FREQ=MONTHLY"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=TU", "never matches"),
    ],
)
def test_what_cannot_be_held_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(InvalidSchedule, match=says):
        rule(text)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(("latitude", "longitude"), [(52.5, 13.4), (-33.9, 151.2), (69.6, 18.9)])
def test_the_sun_does_what_celery_says(event: Any, latitude: float, longitude: float) -> None:
    made = Recurrence(anchor=START, solar=Solar(event=event, latitude=latitude, longitude=longitude))
    theirs = solar(event, latitude, longitude, nowfun=lambda: START)
    times = list(islice(made.times_after(START), 200))
    for before, time in zip([START, *times], times, strict=False):
        expected = START + theirs.remaining_estimate(before + timedelta(minutes=1))
        assert abs((time - expected).total_seconds()) <= 3
    # Wherever it is asked from, an event has one time: it fires once.
    for before, time in pairwise([START, *times[:40]]):
        asked = [before, before + timedelta(hours=5), time - timedelta(hours=1), time - timedelta(seconds=1)]
        assert {made.next_after(after) for after in asked if before <= after < time} == {time}


def test_the_sun_of_a_zone_has_nothing_to_do_with_its_clocks() -> None:
    berlin = Solar(event="solar_noon", latitude=52.5, longitude=13.4)
    day = Recurrence(anchor=START, solar=berlin, timezone="Europe/Berlin").next_after(utc("2026-06-21T00:00"))
    assert f"{day.astimezone(ZoneInfo('Europe/Berlin')):%H:%M}" == "13:08"


def test_an_unknown_event_or_place_is_refused_in_words() -> None:
    with pytest.raises(InvalidSchedule, match="no event of the sun"):
        Solar(event="noon", latitude=0, longitude=0)
    with pytest.raises(InvalidSchedule, match="from -90 to 90"):
        Solar(event="sunset", latitude=91, longitude=0)
