"""Whom the end of a task concerns: kept with the task, told once by tasks of their own."""

import base64
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from tests.gateway import KEYS, Gateway, serving

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_executor.notices import Notices
from tidewheel_reaper import queries as reaper
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.fire import Fire

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
EMAIL = {"on": ["dead"], "email": "ops@example.com"}
WEBHOOK = {"webhook": "https://x.example/", "secrets": [SECRET]}
RULE = {"name": "dead reports", "on": ["dead"], "handler": "reports.*", **WEBHOOK}


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as gateway:
        yield gateway


def sweep(gateway: Gateway, *, size: int = 200) -> Notices:
    return Notices(engine=gateway.engine, sealer=Sealer(Keyring.parse(KEYS)), new_id=gateway.parts.new_id, size=size)


async def told(gateway: Gateway) -> list[dict[str, Any]]:
    """Return the notifications that were made, as a caller sees them."""
    rows = await gateway.rows("SELECT id FROM tasks WHERE handler LIKE 'notify.%' ORDER BY id")
    return [(await gateway.http.get(f"/v1/tasks/{row['id']}")).json() for row in rows]


async def keep(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/v1/notification-rules", json={**RULE, **fields})
    assert answer.status_code == 201, answer.text
    rule: dict[str, Any] = answer.json()
    return rule


async def test_a_task_tells_of_its_end_once(gateway: Gateway) -> None:
    slack = {"on": ["complete", "dead"], "slack": "https://hooks.slack.example/T/B"}
    dies = await gateway.submit("reports.daily", notify=[EMAIL, slack], tags=["eu"])
    ends = await gateway.submit("reports.daily", notify=[EMAIL, slack])
    open_task = await gateway.submit("reports.daily", notify=[EMAIL])
    await gateway.submit("reports.daily")
    await gateway.place(dies["id"], "dead", reason="permanent", error_type="DemoError", attempt=3)
    await gateway.place(ends["id"], "complete")

    await sweep(gateway).tick()
    await sweep(gateway).tick()

    found = {(each["handler"], each["payload"]["about"]["event"]): each for each in await told(gateway)}
    assert sorted(found) == [("notify.email", "dead"), ("notify.slack", "complete"), ("notify.slack", "dead")]
    mail = found["notify.email", "dead"]
    assert mail["payload"]["to"] == "ops@example.com"
    about = {"task_id": dies["id"], "handler": "reports.daily", "tags": ["eu"], "reason": "permanent", "attempt": 3}
    assert {name: mail["payload"]["about"][name] for name in about} == about
    assert (mail["state"], mail["queue"], mail["max_attempts"]) == ("ready", "notifications", 10)
    owing = await gateway.rows("SELECT id FROM tasks WHERE owes")
    assert owing == [{"id": UUID(open_task["id"])}]


async def test_whom_to_tell_is_sealed(gateway: Gateway) -> None:
    await gateway.submit(notify=[{"on": ["dead"], "webhook": "https://private.example/", "secrets": [SECRET]}])
    await keep(gateway, webhook="https://private.example/")

    kept = [*await gateway.rows("SELECT * FROM tasks"), *await gateway.rows("SELECT * FROM notification_rules")]

    assert "private.example" not in str(kept)
    assert SECRET not in str(kept)


@pytest.mark.parametrize(
    ("notify", "pointer"),
    [
        ([{"email": "a@b.c"}], "/notify/0/on"),
        ([{"on": [], "email": "a@b.c"}], "/notify/0/on"),
        ([{"on": ["missed"], "email": "a@b.c"}], "/notify/0/on/0"),
        ([{"on": ["late"], "email": "a@b.c"}], "/notify/0"),
        ([{**EMAIL, "late_after": 5}], "/notify/0"),
        ([{"on": ["late"], "late_after": 0, "email": "a@b.c"}], "/notify/0/late_after"),
        ([EMAIL, {"on": ["dead"]}], "/notify/1"),
        ([{**EMAIL, "slack": "https://x.example"}], "/notify/0"),
        ([{"on": ["dead"], "email": "a@b.c\nBcc: d@e.f"}], "/notify/0/email"),
        ([{"on": ["dead"], "slack": "ftp://x.example"}], "/notify/0/slack"),
        ([{"on": ["dead"], "webhook": "https://x.example/"}], "/notify/0"),
        ([{"on": ["dead"], "webhook": "https://x.example/", "secrets": ["whsec_AAAA"]}], "/notify/0/secrets/0"),
        ([{**EMAIL, "secrets": [SECRET]}], "/notify/0"),
        ([EMAIL] * 11, "/notify"),
    ],
)
async def test_a_notification_that_makes_no_sense_is_refused(gateway: Gateway, notify: list[Any], pointer: str) -> None:
    answer = await gateway.http.post("/v1/tasks", json={"handler": "demo.echo", "notify": notify})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert SECRET not in answer.text


async def test_a_rule_covers_what_its_patterns_say(gateway: Gateway) -> None:
    await keep(gateway, tag="e*", queue="r*")
    covered = await gateway.submit("reports.daily", queue="reports", tags=["us", "eu"])
    others = [
        await gateway.submit("mails.send", queue="reports", tags=["eu"]),
        await gateway.submit("reports.daily", queue="default", tags=["eu"]),
        await gateway.submit("reports.daily", queue="reports", tags=["us"]),
        await gateway.submit("reports.daily", queue="reports"),
    ]
    ended = await gateway.submit("reports.weekly", queue="reports", tags=["eu"])
    stranger = await gateway.neighbour()
    task = {"handler": "reports.daily", "queue": "reports", "tags": ["eu"]}
    foreign = (await stranger.post("/v1/tasks", json=task)).json()
    for each in (covered, foreign, *others):
        await gateway.place(each["id"], "dead", reason="permanent")
    await gateway.place(ended["id"], "complete")

    await sweep(gateway).tick()

    [notice] = await told(gateway)
    assert notice["handler"] == "notify.webhook"
    assert notice["payload"]["about"]["task_id"] == covered["id"]
    assert notice["payload"]["url"] == "https://x.example/"
    assert SECRET not in str(notice)


async def test_a_notification_tells_nobody_of_itself(gateway: Gateway) -> None:
    await keep(gateway, handler="*")
    task = await gateway.submit("reports.daily", notify=[EMAIL])
    await gateway.place(task["id"], "dead", reason="permanent")
    await sweep(gateway).tick()
    notices = await told(gateway)
    assert len(notices) == 2
    for notice in notices:
        await gateway.place(notice["id"], "dead", reason="attempts_exhausted")
    redriven = notices[0]["id"]
    assert (await gateway.http.post(f"/v1/tasks/{redriven}:redrive")).status_code == 200
    await gateway.place(redriven, "dead", reason="attempts_exhausted")

    await sweep(gateway).tick()

    assert len(await told(gateway)) == 2
    assert await gateway.rows("SELECT id FROM tasks WHERE owes") == []


async def test_a_rule_whose_endpoint_is_gone_is_disabled(gateway: Gateway) -> None:
    rule = await keep(gateway)
    place = f"/v1/notification-rules/{rule['id']}"
    task = await gateway.submit("reports.daily")
    await gateway.place(task["id"], "dead", reason="permanent")
    await sweep(gateway).tick()
    [notice] = await told(gateway)
    await gateway.place(notice["id"], "dead", reason="permanent", error_type="Gone")

    await sweep(gateway).tick()

    disabled = (await gateway.http.get(place)).json()
    assert disabled["disabled_at"] is not None
    assert "410" in disabled["disabled_reason"]
    await gateway.parts.rules.tick()
    unseen = await gateway.submit("reports.daily")
    assert await gateway.rows("SELECT owes FROM tasks WHERE id = :id", id=UUID(unseen["id"])) == [{"owes": False}]

    enabled = await gateway.http.put(place, json=RULE)
    assert (enabled.status_code, enabled.json()["disabled_at"]) == (200, None)
    seen = await gateway.submit("reports.daily")
    assert await gateway.rows("SELECT owes FROM tasks WHERE id = :id", id=UUID(seen["id"])) == [{"owes": True}]


async def test_a_redriven_task_tells_of_its_next_end(gateway: Gateway) -> None:
    task = await gateway.submit("reports.daily", notify=[EMAIL])
    for _ in range(2):
        await gateway.place(task["id"], "dead", reason="permanent")
        await sweep(gateway).tick()
        await gateway.http.post(f"/v1/tasks/{task['id']}:redrive")

    assert len(await told(gateway)) == 2


async def test_a_task_stays_until_its_end_was_told(gateway: Gateway) -> None:
    task = await gateway.submit("reports.daily", notify=[EMAIL], removal_delay=0)
    await gateway.place(task["id"], "dead", reason="permanent")
    await gateway.execute("UPDATE tasks SET remove_at = now() - interval '1 hour'")

    async def remove() -> int:
        async with gateway.engine.begin() as connection:
            return await reaper.tasks_remove(connection, most=10)

    assert await remove() == 0
    await sweep(gateway).tick()
    await gateway.execute("UPDATE tasks SET remove_at = now() - interval '1 hour' WHERE handler = 'reports.daily'")
    assert await remove() == 1
    assert len(await told(gateway)) == 1


async def test_more_than_one_batch_is_told_by_several_sweeps(gateway: Gateway) -> None:
    tasks = [{"handler": "demo.echo", "notify": [EMAIL]} for _ in range(25)]
    answer = await gateway.http.post("/v1/tasks:batch", json={"tasks": tasks})
    assert answer.status_code == 201
    await gateway.execute(
        "UPDATE tasks SET state = 'dead', ready_at = NULL, remove_at = now() + interval '1 hour', finished_at = now()"
    )

    while await sweep(gateway, size=10).tick() is not None:
        continue

    assert len({notice["payload"]["about"]["task_id"] for notice in await told(gateway)}) == 25


async def test_rules_are_kept_listed_replaced_and_deleted(gateway: Gateway) -> None:
    rule = await keep(gateway)
    place = f"/v1/notification-rules/{rule['id']}"
    taken = await gateway.http.post("/v1/notification-rules", json=RULE)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert (rule["kind"], rule["webhook"], rule["on"]) == ("webhook", "https://x.example/", ["dead"])

    other = await keep(gateway, name="another")
    replaced = await gateway.http.put(place, json={"name": "mails", "on": ["complete", "missed"], "email": "a@b.c"})
    assert (replaced.status_code, replaced.json()["email"], replaced.json()["handler"]) == (200, "a@b.c", None)
    assert (await gateway.http.put(place, json={**RULE, "name": "another"})).status_code == 409
    listed = (await gateway.http.get("/v1/notification-rules")).json()
    assert [each["name"] for each in listed["data"]] == ["another", "mails"]
    assert SECRET not in str(listed)

    stranger = await gateway.neighbour()
    assert (await stranger.get(place)).status_code == 404
    assert (await stranger.delete(place)).status_code == 404
    assert (await stranger.put(place, json=RULE)).status_code == 404
    assert (await gateway.http.delete(f"/v1/notification-rules/{other['id']}")).status_code == 204
    assert (await gateway.http.get(f"/v1/notification-rules/{other['id']}")).status_code == 404


async def test_a_rule_is_made_once_for_a_key(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await gateway.http.post("/v1/notification-rules", json=RULE, headers=headers)
    await gateway.http.put(f"/v1/notification-rules/{first.json()['id']}", json={**RULE, "name": "renamed"})

    again = await gateway.http.post("/v1/notification-rules", json=RULE, headers=headers)

    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert (again.json(), again.headers["Location"]) == (first.json(), first.headers["Location"])
    assert [row["name"] for row in await gateway.rows("SELECT name FROM notification_rules")] == ["renamed"]
    other = await gateway.http.post("/v1/notification-rules", json={**RULE, "queue": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    taken = {"Idempotency-Key": "two"}
    for _ in range(2):  # what was refused is no answer to a key
        answer = await gateway.http.post("/v1/notification-rules", json={**RULE, "name": "renamed"}, headers=taken)
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


async def test_a_schedule_tells_of_times_that_were_late_or_missed(gateway: Gateway) -> None:
    await keep(gateway, name="times", on=["late", "missed"])
    await keep(gateway, name="ends", on=["dead"])
    fields = {"every": 60, "misfire": {"policy": "latest"}}
    for name, handler in (("covered", "reports.daily"), ("other", "mails.send")):
        answer = await gateway.http.post("/v1/schedules", json={"name": name, "handler": handler, **fields})
        assert answer.status_code == 201, answer.text
    await gateway.execute(
        "UPDATE schedules SET starts_at = now() - interval '150 seconds', next_run_at = now() - interval '150 seconds'"
    )
    fire = Fire(engine=gateway.engine, wake_dispatcher=lambda: None, counts=Counts(CollectorRegistry()))
    await fire.tick()
    [fired] = await gateway.rows("SELECT id FROM tasks WHERE handler = 'reports.daily'")
    await gateway.place(str(fired["id"]), "dead", reason="permanent")

    await sweep(gateway).tick()
    await sweep(gateway).tick()

    news = [notice["payload"]["about"] for notice in await told(gateway)]
    assert sorted(about["event"] for about in news) == ["dead", "late", "missed", "missed"]
    times = [about for about in news if about["event"] != "dead"]
    assert {about["schedule"] for about in times} == {"covered"}
    ledger = await gateway.rows(
        "SELECT nominal_at, outcome FROM fires JOIN schedules ON id = schedule_id WHERE name = 'covered'"
    )
    assert {(about["nominal_at"], about["event"]) for about in times} == {
        (row["nominal_at"].isoformat(), row["outcome"]) for row in ledger
    }
