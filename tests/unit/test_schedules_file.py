"""Schedules as code: what a file may say, and what has to be done for the service to agree. No service is needed."""

from typing import Any

import pytest
from pydantic_core import to_jsonable_python

from tidewheel_cli.schedules.entry import Backoff, Entry
from tidewheel_cli.schedules.file import BadFile, ScheduleFile, parse_file, read_file
from tidewheel_cli.schedules.plan import HIDDEN, Kind, Plan, make_plan
from tidewheel_common.core import fields
from tidewheel_gateway.schedule import ScheduleSubmission

SHOP = """\
managed_by: shop
defaults:
  timezone: Europe/Berlin
  queue: slow
routes:
  - {handler: "backups.*", queue: backups, priority: high}
  - {handler: "*", priority: low}
schedules:
  nightly:
    handler: backups.database
    cron: "0 2 * * *"
  rates:
    handler: pricing.rates
    payload: {metal: gold, token: secret}
    every: 300
    priority: medium
"""


def shop(text: str = SHOP) -> ScheduleFile:
    return parse_file("shop.yaml", text)


def stored(file: ScheduleFile, name: str, **others: Any) -> dict[str, Any]:
    """The schedule as the API shows it after an apply."""
    body = file.entries[name].body()
    kept = {
        "id": f"id of {name}",
        "etag": '"1"',
        "name": name,
        "managed_by": file.managed_by,
        "starts_at": "2026-01-01",
    }
    quiet = dict.fromkeys(("paused_at", "paused_until", "pause_reason", "ended_at"))
    return {**body, **kept, **quiet, **others}


def steps(plan: Plan) -> list[tuple[Kind, str]]:
    return [(step.kind, step.name) for step in plan.steps]


def test_an_entry_says_it_before_a_route_and_a_route_before_the_defaults() -> None:
    entries = shop().entries
    assert [(each.queue, each.priority, each.timezone) for each in entries.values()] == [
        ("backups", "high", "Europe/Berlin"),
        ("slow", "medium", "Europe/Berlin"),
    ]


def test_an_entry_has_the_fields_and_the_defaults_of_the_api() -> None:
    ours = {name: field.default for name, field in Entry.model_fields.items() if name != "paused"}
    theirs = {name: field.default for name, field in ScheduleSubmission.model_fields.items()}
    for name in ("name", "managed_by", "notify"):
        del theirs[name]
    assert to_jsonable_python(ours, fallback=str) == to_jsonable_python(theirs, fallback=str)
    assert Backoff().model_dump() == fields.Backoff().model_dump()


def test_the_api_takes_what_an_entry_sends() -> None:
    entry = Entry.model_validate(
        {
            "handler": "a.b",
            "specs": [{"every": 5}, {"cron": "0 0 * * *"}],
            "exclusions": [
                {"name": "x", "dates": ["2026-12-25"], "ranges": [{"first": "2026-12-24", "last": "2026-12-26"}]}
            ],
            "starts_at": "2026-01-01T00:00:00+01:00",
            "ends_at": "2027-01-01T00:00:00Z",
            "misfire": {"policy": "all"},
            "backoff": {"initial": 1},
        }
    )
    taken = ScheduleSubmission.model_validate({**entry.body(), "name": "x"})
    names = ScheduleSubmission.model_fields.keys() - {"name", "managed_by", "notify"}
    given = {name: getattr(taken, name) for name in names}
    assert Entry.model_validate(to_jsonable_python(given)) == entry


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('cron: "0 2 * * *"', "corn: x", "line 11, schedules.nightly.corn: There is no such key."),
        ("    handler: pricing.rates\n", "", "line 12, schedules.rates.handler: This key is required."),
        ("every: 300", "every: often", "line 15, schedules.rates.every: "),
        ("priority: medium", "priority: urgent", "line 16, schedules.rates.priority: "),
        ("payload: {metal: gold, token: secret}", "payload: [1]", "line 14, schedules.rates.payload: "),
        ("queue: slow", "qeue: slow", "line 4, defaults.qeue: There is no such key, or it cannot have a default."),
        ("timezone: Europe/Berlin", "tags: eu", "line 3, schedules.nightly.tags: "),
        ("priority: high}", "priorty: high}", "line 6, routes.0.priorty: There is no such key."),
        ("managed_by: shop", "managed_by: a b", "line 1, managed_by: "),
        ("  rates:", "  nightly:", "line 12: this is not YAML as it must be: the key 'nightly' comes twice."),
        ("  rates:", "  rates: [", "line 14: this is not YAML as it must be: "),
        ("every: 300", "starts_at: 2026-01-01T00:00:00", "line 15, schedules.rates.starts_at: "),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line_and_its_key(before: str, after: str, says: str) -> None:
    assert before in SHOP
    with pytest.raises(BadFile) as raised:
        shop(SHOP.replace(before, after, 1))
    assert f"shop.yaml, {says}" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_there_is_said_in_words(tmp_path: Any) -> None:
    with pytest.raises(BadFile, match=r"nowhere.yaml cannot be read: No such file"):
        read_file(tmp_path / "nowhere.yaml")


def test_a_service_that_agrees_leaves_nothing_to_do() -> None:
    file = shop()
    plan = make_plan(file, [stored(file, name) for name in file.entries], delete=True)
    assert (plan.steps, plan.conflicts, plan.unchanged) == ((), {}, 2)


def test_new_ones_are_created_for_this_file() -> None:
    plan = make_plan(shop(), [], delete=False)
    assert steps(plan) == [(Kind.CREATE, "nightly"), (Kind.CREATE, "rates")]
    assert plan.steps[0].body is not None
    assert plan.steps[0].body["managed_by"] == "shop"
    assert "secret" not in str([step.differences for step in plan.steps])


def test_a_change_sends_what_differs_and_shows_no_payload() -> None:
    file = shop()
    old = stored(
        file, "rates", every=60.0, payload={"metal": "gold", "token": "old", "gone": 1}, backoff={"initial": 9.0}
    )
    plan = make_plan(file, [old, stored(file, "nightly")], delete=False)
    [step] = plan.steps
    assert (step.kind, step.etag, step.schedule_id) == (Kind.CHANGE, '"1"', "id of rates")
    assert step.body == {"every": 300.0, "payload": {"metal": "gold", "token": "secret"}, "backoff": None}
    assert [(each.field, each.before, each.after) for each in step.differences] == [
        ("payload.gone", HIDDEN, None),
        ("payload.token", HIDDEN, HIDDEN),
        ("every", 60.0, 300.0),
        ("backoff", {"initial": 9.0}, None),
    ]


def test_the_same_instant_in_another_zone_is_no_change() -> None:
    file = shop(SHOP.replace("every: 300", "every: 300\n    ends_at: 2030-01-01T00:00:00+01:00"))
    same = stored(file, "rates", ends_at="2029-12-31T23:00:00Z")
    assert steps(make_plan(file, [same, stored(file, "nightly")], delete=False)) == []


def test_what_is_gone_from_the_file_is_paused_and_deleted_only_when_asked() -> None:
    file = shop()
    gone = {**stored(file, "rates"), "name": "old", "id": "old"}
    rest = [stored(file, name) for name in file.entries]
    [step] = make_plan(file, [*rest, gone], delete=False).steps
    asleep = {**gone, "paused_at": "2026-01-01T00:00:00Z", "pause_reason": step.reason}
    assert (step.kind, step.name) == (Kind.PAUSE, "old")
    assert steps(make_plan(file, [*rest, asleep], delete=False)) == []
    assert steps(make_plan(file, [*rest, {**asleep, "paused_until": "2026-02-01"}], delete=False)) == [
        (Kind.PAUSE, "old")
    ]
    assert steps(make_plan(file, [*rest, {**gone, "ended_at": "2026-01-01"}], delete=False)) == []
    assert steps(make_plan(file, [*rest, asleep], delete=True)) == [(Kind.DELETE, "old")]


@pytest.mark.parametrize(
    ("paused", "asleep", "reason", "kinds"),
    [
        ("", True, "By the schedules file of 'shop': it is gone from there.", [Kind.RESUME]),
        ("", True, "By the schedules file of 'other': it is gone from there.", []),
        ("", True, None, []),
        ("", True, "The rates are wrong; Kim.", []),
        ("", False, None, []),
        ("paused: true", False, None, [Kind.PAUSE]),
        ("paused: true", True, None, []),
        ("paused: false", True, "The rates are wrong; Kim.", [Kind.RESUME]),
        ("paused: false", False, None, []),
    ],
)
def test_a_pause_by_a_person_stays_unless_the_file_says_otherwise(
    paused: str, asleep: bool, reason: str | None, kinds: list[Kind]
) -> None:
    file = shop(SHOP + f"    {paused}\n")
    rates = stored(file, "rates", paused_at="2026-01-01" if asleep else None, pause_reason=reason)
    assert [step.kind for step in make_plan(file, [stored(file, "nightly"), rates], delete=False).steps] == kinds


def test_a_schedule_of_somebody_else_is_never_touched() -> None:
    file = shop()
    theirs = [stored(file, "rates", managed_by=None), stored(file, "nightly", managed_by="other")]
    plan = make_plan(file, theirs, delete=True)
    assert plan.steps == ()
    assert set(plan.conflicts) == {"rates", "nightly"}
    assert "the file of 'other'" in plan.conflicts["nightly"]
