"""Calls on schedules: previews, pauses that end, triggers, backfills, skipped times, the ledger, edits that meet."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.gateway import Gateway, serving

DAILY = {"name": "daily", "handler": "demo.echo", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
SOON = "2100-01-01T00:00:00Z"


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as running:
        yield running


async def made(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/v1/schedules", json={**DAILY, **fields})
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json()
    return schedule


def url(schedule: dict[str, Any], call: str = "") -> str:
    return f"/v1/schedules/{schedule['id']}{call}"


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_everything_that_a_rule_says_comes_back(gateway: Gateway) -> None:
    fields: dict[str, Any] = {
        "cron": None,
        "specs": [
            {"every": None, "cron": "@daily", "rrule": None, "solar": None},
            {"every": 3600.0, "cron": None, "rrule": None, "solar": None},
            {"every": None, "cron": None, "rrule": "FREQ=MONTHLY;BYDAY=-1FR", "solar": None},
            {
                "every": None,
                "cron": None,
                "rrule": None,
                "solar": {"event": "sunset", "latitude": 52.5, "longitude": 13.4},
            },
        ],
        "dst": {"gap": "skip", "overlap": "both"},
        "exclusions": [
            {"name": "holidays", "dates": ["2026-12-25"], "ranges": [{"first": "2026-12-28", "last": "2026-12-31"}]}
        ],
        "max_fires": 5,
        "jitter": 2.5,
        "misfire": {"policy": "all", "limit": 7, "grace": 60.0},
        "expires_after": 30.0,
        "overlap": "queue_one",
    }
    schedule = await made(gateway, **fields, ends_at="2101-01-01T00:00:00+01:00", starts_at="2100-01-01T00:00:00Z")

    assert {name: schedule[name] for name in fields} == fields
    assert time(schedule["ends_at"]) == datetime(2100, 12, 31, 23, tzinfo=UTC)
    assert time(schedule["next_run_at"]) == time(schedule["starts_at"]) == datetime(2100, 1, 1, tzinfo=UTC)
    assert (await gateway.http.get(url(schedule))).json() == schedule
    assert (schedule["fired"], schedule["source"], schedule["ended_at"]) == (0, "api", None)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"cron": None, "specs": []}, "/specs"),
        ({"every": 5, "specs": [{"every": 5}]}, "/cron"),
        ({"cron": None, "specs": [{"every": 5}, {"cron": "0 0 31 2 *"}]}, "/specs/1/cron"),
        ({"cron": None, "specs": [{"every": 5}, {"cron": "* * * * * *"}]}, "/specs/1/cron"),
        ({"cron": None, "specs": [{"every": 5, "cron": "* * * * *"}]}, "/specs/0"),
        ({"cron": None, "specs": [{"every": 0}]}, "/specs/0/every"),
        ({"cron": None, "specs": [{"rrule": "FREQ=HOURLY"}]}, "/specs/0/rrule"),
        ({"cron": None, "specs": [{"rrule": "FREQ=DAILY;COUNT=3"}]}, "/specs/0/rrule"),
        ({"cron": None, "specs": [{"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}]}, "/specs/0/rrule"),
        (
            {"cron": None, "specs": [{"solar": {"event": "noon", "latitude": 0, "longitude": 0}}]},
            "/specs/0/solar/event",
        ),
        (
            {"cron": None, "specs": [{"solar": {"event": "sunset", "latitude": 91, "longitude": 0}}]},
            "/specs/0/solar/latitude",
        ),
        ({"cron": None, "specs": [{"every": 5}] * 21}, "/specs"),
        ({"timezone": "Mars/Phobos", "cron": None, "specs": [{"every": 5}]}, "/timezone"),
        ({"dst": {"gap": "jump"}}, "/dst/gap"),
        ({"dst": {"overlap": "never"}}, "/dst/overlap"),
        ({"cron": "30 2 * 3 0L", "dst": {"gap": "skip"}}, "/dst"),
        ({"starts_at": "2100-01-02T00:00:00Z", "ends_at": SOON}, "/ends_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
        ({"starts_at": "2100-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:01Z"}, "/ends_at"),
        ({"starts_at": "2100-01-01"}, "/starts_at"),
        ({"max_fires": 0}, "/max_fires"),
        ({"jitter": -1}, "/jitter"),
        ({"jitter": 1e9}, "/jitter"),
        ({"misfire": {"policy": "sometimes"}}, "/misfire/policy"),
        ({"misfire": {"limit": 0}}, "/misfire/limit"),
        ({"misfire": {"grace": -1}}, "/misfire/grace"),
        ({"overlap": "maybe"}, "/overlap"),
        ({"exclusions": [{"dates": ["25.12.2026"]}]}, "/exclusions/0/dates/0"),
        ({"exclusions": [{"dates": [20261225]}]}, "/exclusions/0/dates/0"),
        ({"exclusions": [{"ranges": [{"first": "2026-12-31", "last": "2026-12-01"}]}]}, "/exclusions/0/ranges/0/last"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_rule_gets_422_with_the_field_named(
    gateway: Gateway, fields: dict[str, Any], pointer: str
) -> None:
    answer = await gateway.http.post("/v1/schedules", json={**DAILY, **fields})
    again = await gateway.http.patch(url(await made(gateway, name="other")), json=fields)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert again.status_code == 422
    assert await gateway.count("schedules") == 1


async def test_one_form_of_the_rule_replaces_the_others(gateway: Gateway) -> None:
    schedule = await made(gateway)

    several = (await gateway.http.patch(url(schedule), json={"specs": [{"every": 60}]})).json()
    single = (await gateway.http.patch(url(schedule), json={"every": 5})).json()

    assert (several["cron"], several["specs"]) == (None, [{"every": 60, "cron": None, "rrule": None, "solar": None}])
    assert time(several["next_run_at"]) - time(several["updated_at"]) == timedelta(seconds=60)
    assert (single["every"], single["specs"]) == (5, None)


async def test_an_edit_of_something_older_is_refused(gateway: Gateway) -> None:
    schedule = await made(gateway)
    read = await gateway.http.get(url(schedule))
    tag = {"If-Match": read.headers["etag"]}

    first = await gateway.http.patch(url(schedule), json={"tags": ["a"]}, headers=tag)
    second = await gateway.http.patch(url(schedule), json={"tags": ["b"]}, headers=tag)
    paused = await gateway.http.post(url(schedule, ":pause"), headers=tag)
    third = await gateway.http.patch(url(schedule), json={"tags": ["c"]}, headers={"If-Match": first.headers["etag"]})
    anyhow = await gateway.http.patch(url(schedule), json={"tags": ["d"]}, headers={"If-Match": "*"})

    assert [each.status_code for each in (first, second, paused, third, anyhow)] == [200, 412, 412, 200, 200]
    assert second.json()["code"] == "changed_meanwhile"


async def test_a_pause_may_have_an_end(gateway: Gateway) -> None:
    schedule = await made(gateway)

    past = await gateway.http.post(url(schedule, ":pause?until=2020-01-01T00:00:00Z"))
    paused = (await gateway.http.post(url(schedule, f":pause?until={SOON}"))).json()
    for_ever = (await gateway.http.post(url(schedule, ":pause"))).json()
    resumed = (await gateway.http.post(url(schedule, ":resume"))).json()

    assert (past.status_code, past.json()["errors"][0]["parameter"]) == (422, "until")
    assert (paused["next_run_at"], paused["paused_until"]) == (None, SOON)
    assert (for_ever["paused_at"], for_ever["paused_until"]) == (paused["paused_at"], None)
    assert (resumed["paused_at"], resumed["next_run_at"]) == (None, schedule["next_run_at"])


async def test_a_trigger_fires_now_and_once_for_each_key(gateway: Gateway) -> None:
    schedule = await made(gateway, payload={"of": "schedule"}, expires_after=30)
    await gateway.http.post(url(schedule, ":pause"))

    first = await gateway.http.post(url(schedule, ":trigger"), headers={"Idempotency-Key": "k"})
    again = await gateway.http.post(url(schedule, ":trigger"), headers={"Idempotency-Key": "k"})
    task = (await gateway.http.get(first.headers["location"])).json()

    assert (first.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert (task["state"], task["payload"], task["schedule_id"]) == ("ready", {"of": "schedule"}, schedule["id"])
    assert time(task["expires_at"]) - time(task["created_at"]) == timedelta(seconds=30)
    assert await gateway.count() == await gateway.count("fires") == 1
    assert (await gateway.http.get(url(schedule))).json()["fired"] == 0


async def test_a_backfill_fires_each_passed_time_once(gateway: Gateway) -> None:
    closed = [{"dates": ["2026-01-03"]}]
    schedule = await made(gateway, exclusions=closed)
    span = {"first": "2026-01-01T00:00:00Z", "last": "2026-01-04T12:00:00Z"}
    await gateway.execute(
        "INSERT INTO fires (schedule_id, nominal_at, tenant_id, outcome, reason)"
        " SELECT id, '2026-01-02T01:30:00Z', tenant_id, 'missed', 'x' FROM schedules"
    )

    first = (await gateway.http.post(url(schedule, ":backfill"), json=span)).json()["data"]
    again = (await gateway.http.post(url(schedule, ":backfill"), json=span)).json()["data"]

    assert [each["nominal_at"] for each in first] == [f"2026-01-0{day}T01:30:00Z" for day in (1, 2, 4)]
    assert again == []
    assert await gateway.count() == 3
    assert {row["outcome"] for row in await gateway.rows("SELECT outcome FROM fires")} == {"fired"}


@pytest.mark.parametrize(
    ("span", "pointer"),
    [
        ({"first": "2026-01-01T00:00:00Z", "last": SOON}, "/last"),
        ({"first": "2026-01-02T00:00:00Z", "last": "2026-01-01T00:00:00Z"}, "/last"),
        ({"first": "1990-01-01T00:00:00Z", "last": "2026-01-01T00:00:00Z"}, "/last"),
        ({"first": "2026-01-01T00:00:00Z"}, "/last"),
    ],
    ids=str,
)
async def test_a_wrong_backfill_gets_422_and_fires_nothing(
    gateway: Gateway, span: dict[str, Any], pointer: str
) -> None:
    answer = await gateway.http.post(url(await made(gateway), ":backfill"), json=span)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await gateway.count() == await gateway.count("fires") == 0


async def test_the_next_time_is_skipped_and_only_that(gateway: Gateway) -> None:
    schedule = await made(gateway)

    skipped = (await gateway.http.post(url(schedule, ":skip-next"), headers={"Idempotency-Key": "k"})).json()
    again = (await gateway.http.post(url(schedule, ":skip-next"), headers={"Idempotency-Key": "k"})).json()
    ledger = (await gateway.http.get(url(schedule, "/fires"))).json()["data"]
    await gateway.http.post(url(schedule, ":pause"))
    refused = await gateway.http.post(url(schedule, ":skip-next"))

    assert timedelta(hours=23) <= time(skipped["next_run_at"]) - time(schedule["next_run_at"]) <= timedelta(hours=25)
    assert again["next_run_at"] == skipped["next_run_at"]
    assert [(each["nominal_at"], each["outcome"], each["reason"], each["task_id"]) for each in ledger] == [
        (schedule["next_run_at"], "skipped", "A caller skipped it.", None)
    ]
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_skip")


async def test_the_ledger_is_read_page_by_page_the_latest_first(gateway: Gateway) -> None:
    schedule = await made(gateway)
    span = {"first": "2026-01-01T00:00:00Z", "last": "2026-01-05T12:00:00Z"}
    await gateway.http.post(url(schedule, ":backfill"), json=span)

    first = (await gateway.http.get(url(schedule, "/fires?limit=3"))).json()
    second = (await gateway.http.get(url(schedule, f"/fires?limit=3&cursor={first['next_cursor']}"))).json()
    other = await made(gateway, name="other")
    foreign = await gateway.http.get(url(other, f"/fires?cursor={first['next_cursor']}"))
    async with await gateway.neighbour() as neighbour:
        theirs = await neighbour.get(url(schedule, "/fires"))

    days = [each["nominal_at"][:10] for each in (*first["data"], *second["data"])]
    assert days == [f"2026-01-0{day}" for day in (5, 4, 3, 2, 1)]
    assert second["next_cursor"] is None
    assert (foreign.status_code, theirs.status_code) == (400, 404)


async def test_a_preview_marks_clock_changes_and_excluded_days(gateway: Gateway) -> None:
    rule = {
        "cron": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "exclusions": [{"name": "off", "dates": ["2026-03-30"]}],
        "after": "2026-03-28T12:00:00Z",
        "count": 3,
    }

    shown = (await gateway.http.post("/v1/schedules/preview", json=rule)).json()

    assert shown["description"] == "At 02:30, by the clocks of Europe/Berlin, except on excluded days."
    assert [each["local"] for each in shown["data"]] == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
        "2026-03-31T02:30:00+02:00",
    ]
    assert [each["excluded"] is not None for each in shown["data"]] == [False, True, False]
    assert [each["change"] is not None for each in shown["data"]] == [True, False, False]
    assert await gateway.count("schedules") == 0


async def test_a_wrong_preview_names_its_field(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/schedules/preview", json={"cron": "61 * * * *"})
    far = await gateway.http.post("/v1/schedules/preview", json={"every": 9e7, "after": "9999-12-30T00:00:00Z"})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/cron")
    assert far.status_code == 422


async def test_a_stored_schedule_is_previewed_from_its_next_time_up_to_its_last(gateway: Gateway) -> None:
    schedule = await made(gateway, max_fires=2)

    shown = (await gateway.http.get(url(schedule, "/preview?count=5"))).json()["data"]
    await gateway.http.post(url(schedule, ":pause"))
    paused = (await gateway.http.get(url(schedule, "/preview?count=1"))).json()["data"]

    assert shown[0]["at"] == schedule["next_run_at"]
    assert len(shown) == 2
    assert paused == shown[:1]


@pytest.mark.parametrize("call", [":trigger", ":backfill", ":skip-next", "/fires", "/preview"])
async def test_another_tenants_schedule_is_not_there(gateway: Gateway, call: str) -> None:
    schedule = await made(gateway)
    span = {"first": "2026-01-01T00:00:00Z", "last": "2026-01-05T12:00:00Z"}
    async with await gateway.neighbour() as neighbour:
        if call.startswith("/"):
            answer = await neighbour.get(url(schedule, call))
        else:
            answer = await neighbour.post(url(schedule, call), json=span if call == ":backfill" else None)

    assert answer.status_code == 404
    assert await gateway.count() == 0
