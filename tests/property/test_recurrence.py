"""Recurrence against an oracle that looks at every minute."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support import Surroundings

from tidewheel_common.core.cron import cron_times
from tidewheel_common.core.dst import Dst, Gap, Overlap
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.recurrence import Recurrence

EXAMPLES = Surroundings().examples
_MINUTE = timedelta(minutes=1)
_SPAN = timedelta(hours=40)
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

# A zone, and an instant near which its clocks change; the last one never changes.
_CHANGES = [
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),
    ("America/Sao_Paulo", "2018-02-18T02:00"),
    ("Europe/Dublin", "2026-10-25T01:00"),
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Asia/Kathmandu", "2026-05-01T00:00"),
]


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> str:
    kind = draw(st.sampled_from(["*", "*/n", "a", "a,b", "a-b", "a-b/n"]))
    first = draw(st.integers(low, high))
    second = draw(st.integers(first, high))
    step = draw(st.integers(1, 31))
    return kind.replace("a", str(first)).replace("b", str(second)).replace("n", str(step))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    minute, hour = draw(fields(0, 59)), draw(fields(0, 23))
    # Rules that name a day or a month would hardly ever meet the change.
    day, month = draw(st.just("*") | fields(1, 31)), draw(st.just("*") | fields(1, 12))
    weekday = draw(st.just("*") | fields(0, 7))
    return f"{minute} {hour} {day} {month} {weekday}"


def values(field: str, low: int, high: int) -> set[int]:
    chosen: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or first))
        chosen |= set(range(begin, end + 1, int(step or 1)))
    return chosen


class Oracle:
    """What each minute's clock shows, and what the policy makes of it; Debian's rules where it says nothing."""

    def __init__(self, expression: str, zone: str, dst: Dst) -> None:
        parts = expression.split()
        self._sets = [values(part, *limits) for part, limits in zip(parts, _RANGES, strict=True)]
        self._both_days = parts[2].startswith("*") or parts[4].startswith("*")
        elapsed = parts[0].startswith("*") or parts[1].startswith("*")
        self._gap = dst.gap or (Gap.SKIP if elapsed else Gap.SHIFT)
        self._overlap = dst.overlap or (Overlap.BOTH if elapsed else Overlap.FIRST)
        self._zone = ZoneInfo(zone)

    def between(self, since: datetime, until: datetime) -> list[datetime]:
        days = timedelta(days=2)  # more than any offset or gap
        shown: dict[datetime, list[datetime]] = {}
        for instant in _minutes(since - days, until + days):
            shown.setdefault(instant.astimezone(self._zone).replace(tzinfo=None, fold=0), []).append(instant)
        walls = sorted(shown)
        found: set[datetime] = set()
        for wall in _minutes(walls[0], walls[-1]):
            if self._matches(wall):
                found |= self._instants(wall, shown)
        return sorted(time for time in found if since < time <= until)

    def _instants(self, wall: datetime, shown: dict[datetime, list[datetime]]) -> set[datetime]:
        instants = shown.get(wall, [])
        if not instants:
            if self._gap is Gap.SKIP:
                return set()
            while wall not in shown:
                wall += _MINUTE
            return {shown[wall][0]}
        return {Overlap.FIRST: {instants[0]}, Overlap.SECOND: {instants[-1]}, Overlap.BOTH: set(instants)}[
            self._overlap
        ]

    def _matches(self, wall: datetime) -> bool:
        minutes, hours, days, months, weekdays = self._sets
        day = wall.day in days
        weekday = wall.isoweekday() in weekdays or wall.isoweekday() % 7 in weekdays
        named = (day and weekday) if self._both_days else (day or weekday)
        return wall.minute in minutes and wall.hour in hours and wall.month in months and named


def _minutes(since: datetime, until: datetime) -> list[datetime]:
    first = since.replace(second=0, microsecond=0)
    return [first + number * _MINUTE for number in range((until - first) // _MINUTE + 1)]


def _following(recurrence: Recurrence, since: datetime, until: datetime) -> list[datetime]:
    times, time = [], recurrence.next_after(since)
    while time <= until:
        times.append(time)
        time = recurrence.next_after(time)
    return times


def _never(expression: str) -> bool:
    _, _, days, months, _ = (values(part, *limits) for part, limits in zip(expression.split(), _RANGES, strict=True))
    lengths = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
    return min(days) > max(lengths[month] for month in months)


_ZONES = [
    "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Chatham", "America/Santiago",
    "Africa/Cairo", "Antarctica/Troll", "Pacific/Apia", "Africa/Casablanca", "UTC",
]  # fmt: skip


def _changes_of(name: str, first: int = 2015, last: int = 2030) -> list[datetime]:
    """The hours after which a zone's clocks have changed."""
    zone, hour = ZoneInfo(name), timedelta(hours=1)
    begin = datetime(first, 1, 1, tzinfo=UTC)
    hours = range((datetime(last + 1, 1, 1, tzinfo=UTC) - begin) // hour)
    instants = [begin + number * hour for number in hours]
    return [
        later
        for earlier, later in pairwise(instants)
        if earlier.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset()
    ]


changes_of = cache(_changes_of)

_POLICIES = [Dst(gap=gap, overlap=overlap) for gap in (None, *Gap) for overlap in (None, *Overlap)]


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and an instant: mostly shortly before one of its changes, else anywhere."""
    zone = draw(st.sampled_from(_ZONES))
    changes = changes_of(zone)
    if changes and draw(st.integers(0, 4)) > 0:
        place: int = draw(st.integers(0, len(changes) - 1))
        return zone, changes[place] - timedelta(minutes=draw(st.integers(-120, 30 * 60)))
    return zone, datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 16 * 365 * 1440)))


@settings(max_examples=EXAMPLES, deadline=None)
@given(expressions().filter(lambda expression: not _never(expression)), moments(), st.sampled_from(_POLICIES))
def test_every_policy_does_what_the_oracle_says_in_every_zone(
    expression: str, moment: tuple[str, datetime], dst: Dst
) -> None:
    zone, since = moment
    found = takewhile(lambda time: time <= since + _SPAN, cron_times(expression, ZoneInfo(zone), since, dst))
    assert list(found) == Oracle(expression, zone, dst).between(since, since + _SPAN)


@settings(max_examples=60, deadline=None)
@example("*/30 5 * * *", ("Australia/Lord_Howe", "2026-04-04T15:00"), 60)
@example("30 1 * * *", ("America/New_York", "2026-11-01T06:00"), -600)
@given(
    expressions().filter(lambda expression: not _never(expression)),
    st.sampled_from(_CHANGES),
    st.integers(-86400, 40000),
)
def test_a_cron_fires_exactly_when_the_oracle_says(expression: str, change: tuple[str, str], before: int) -> None:
    zone, near = change
    since = datetime.fromisoformat(near).replace(tzinfo=UTC) - timedelta(seconds=before)
    recurrence = Recurrence(anchor=since, cron=expression, timezone=zone)
    expected = Oracle(expression, zone, Dst()).between(since, since + _SPAN)
    assert _following(recurrence, since, since + _SPAN) == expected


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- hypothesis wants naive bounds
    st.floats(0.1, 1e7),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- as above
)
def test_every_keeps_to_its_grid(anchor: datetime, every: float, instant: datetime) -> None:
    recurrence = Recurrence(anchor=anchor, every=every)
    step = timedelta(seconds=every)
    following = recurrence.next_after(instant)
    assert following > instant
    assert (following - anchor) % step == timedelta()
    assert following == anchor or following - step <= instant


_FIELD = st.text(st.sampled_from("0123456789*/,-#LW"), min_size=1, max_size=6)


@given(st.text(max_size=20) | st.lists(_FIELD, min_size=5, max_size=5).map(" ".join))
def test_any_text_is_either_a_cron_or_refused_in_words(expression: str) -> None:
    try:
        recurrence = Recurrence(anchor=datetime(2026, 1, 1, tzinfo=UTC), cron=expression)
    except InvalidSchedule:
        return
    assert recurrence.next_after(recurrence.anchor) > recurrence.anchor
