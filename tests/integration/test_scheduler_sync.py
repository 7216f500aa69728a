"""An app's `beat_schedule` in the table of schedules: followed, paused when it goes, never twice."""

import asyncio
import json
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule, solar
from prometheus_client import CollectorRegistry
from tests.gateway import KEYS
from tests.integration.scheduler_rows import NOW, Rows, Wakes, after
from tests.integration.test_scheduler_beat import CELERY, MODULE, beat
from tests.support import text, wait_until

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler.beat_entries import read_entries
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.fire import Fire
from tidewheel_scheduler.sync import Sync

SEALER = Sealer(Keyring.parse(KEYS))
MINUTELY = {"task": "shop.count", "schedule": 60.0, "kwargs": {"shop": 1}}

APP = """
from celery import Celery
from celery.schedules import crontab

app = Celery("shop", broker="amqp://nowhere.invalid")
app.conf.beat_schedule = {"prices": {"task": "shop.prices", "schedule": 0.2, "args": (7,)}}


@app.task(name="shop.prices")
def prices(shop):
    pass
"""


def app_of(entries: Mapping[str, Any], **settings: Any) -> Celery:
    app = Celery("shop", broker="amqp://nowhere.invalid", set_as_current=False)
    app.conf.update(beat_schedule=dict(entries), **settings)

    @app.task(name="shop.bill", bind=True, max_retries=7, shared=False)
    def bill(self: object, customer: int, *, currency: str = "EUR") -> None:
        """Bill a customer."""

    return app


def sync(engine: Engine, app: Celery) -> Sync:
    counts = Counts(CollectorRegistry())
    return Sync(engine=engine, sealer=SEALER, app=app, wake_fire=Wakes(), refused=counts.beat_refused)


async def by_name(engine: Engine) -> dict[str, Mapping[str, Any]]:
    return {row["name"]: row for row in await Rows(engine).all_schedules()}


@pytest.mark.parametrize(
    ("given", "every", "cron"),
    [
        (90, 90.0, None),
        (timedelta(minutes=5), 300.0, None),
        (schedule(run_every=7.5), 7.5, None),
        (crontab(), None, "* * * * *"),
        (
            crontab(minute="*/15", hour="8-17", day_of_week="mon-fri"),
            None,
            "*/15 8,9,10,11,12,13,14,15,16,17 * * 1,2,3,4,5",
        ),
        (crontab(minute=0, hour=2, day_of_month="1"), None, "0 2 1 * *"),
        (crontab(minute=0, hour="*/6", month_of_year="1,7"), None, "0 */6 * 1,7 *"),
        (crontab(minute=0, hour=0, day_of_month="1-7", day_of_week="mon"), None, "0 0 */31,1,2,3,4,5,6,7 * 1"),
        (
            crontab(minute=0, hour=0, day_of_month="8-14", day_of_week="sun,mon"),
            None,
            "0 0 8,9,10,11,12,13,14 * */7,0,1",
        ),
    ],
    ids=str,
)
def test_each_kind_of_schedule_is_read(given: object, every: float | None, cron: str | None) -> None:
    entries, refused = read_entries(app_of({"e": {"task": "shop.count", "schedule": given}}))
    assert refused == {}
    assert (entries[0].every, entries[0].cron) == (every, cron)


def test_an_entry_keeps_its_arguments_its_queue_its_zone_and_its_retries() -> None:
    bill = {"task": "shop.bill", "schedule": 60, "args": (7,), "kwargs": {"currency": "CHF"}}
    app = app_of(
        {"bill": bill, "routed": MINUTELY, "named": {**MINUTELY, "options": {"queue": "slow"}}},
        task_routes={"shop.count": {"queue": "reports"}},
        timezone="Europe/Zurich",
    )
    entries = {entry.name: entry for entry in read_entries(app)[0]}
    assert json.loads(entries["bill"].payload) == {"customer": 7, "currency": "CHF"}
    assert (entries["bill"].max_attempts, entries["bill"].queue, entries["bill"].timezone) == (
        8,
        "default",
        "Europe/Zurich",
    )
    assert (entries["routed"].queue, entries["named"].queue) == ("reports", "slow")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"task": "shop.count", "schedule": None}, "'NoneType' are not served"),
        ({"task": "shop.unknown", "schedule": 5, "args": (1,)}, "write kwargs"),
        ({"task": "shop.bill", "schedule": 5, "args": (1, 2, 3)}, "do not fit its task"),
        ({"task": "shop.count", "schedule": 5, "kwargs": {"at": NOW}}, "not JSON"),
        ({"task": "shop count", "schedule": 5}, "name of its task"),
        ({"task": "shop.count", "schedule": 5, "options": {"queue": "a b"}}, "name of its queue"),
        ({"task": "shop.count", "schedule": crontab(day_of_month="13", day_of_week="fri")}, "both must match"),
    ],
    ids=["none", "unnamed", "unfit", "json", "task", "queue", "days"],
)
def test_what_does_not_fit_is_refused_in_words_and_stops_nobody(entry: dict[str, Any], says: str) -> None:
    entries, refused = read_entries(app_of({"bad": entry, "good": MINUTELY}))
    assert [each.name for each in entries] == ["good"]
    assert says in refused["bad"]


async def test_an_entry_becomes_a_schedule_whose_payload_is_sealed(engine: Engine) -> None:
    await sync(engine, app_of({"count": MINUTELY})).tick(NOW)
    row = (await by_name(engine))["count"]
    assert (row["handler"], row["every"], row["source"]) == ("shop.count", 60.0, "celery")
    assert (row["starts_at"], row["next_run_at"], row["max_attempts"]) == (NOW, after(60), 4)
    opened = SEALER.open(row["payload"], tenant=row["tenant_id"], task_id=None, schedule_id=row["id"], field="payload")
    assert json.loads(opened) == {"shop": 1}


async def test_an_event_of_the_sun_is_followed_like_any_other_entry(engine: Engine) -> None:
    entry = {"task": "shop.count", "schedule": solar("sunset", 52.5, 13.4)}
    await sync(engine, app_of({"dusk": entry})).tick(NOW)
    before = (await by_name(engine))["dusk"]
    await sync(engine, app_of({"dusk": entry})).tick(after(60))
    unchanged = (await by_name(engine))["dusk"]
    await sync(engine, app_of({"dusk": {**entry, "schedule": solar("sunrise", 52.5, 13.4)}})).tick(after(90))
    moved = (await by_name(engine))["dusk"]

    assert before["rule"] == {"specs": [{"solar": {"event": "sunset", "latitude": 52.5, "longitude": 13.4}}]}
    assert f"{before['next_run_at']:%Y-%m-%dT%H}" == "2026-06-01T19"
    assert unchanged == before
    assert f"{moved['next_run_at']:%Y-%m-%dT%H}" == "2026-06-02T02"


@pytest.mark.parametrize(
    ("broker", "given", "word"),
    [
        ("amqp://", 9, 0),
        ("amqp://", 5, 1),
        ("amqp://", 0, 2),
        ("redis://", 0, 0),
        ("redis://", 9, 2),
        ("redis://", None, 1),
    ],
)
async def test_options_are_kept_where_they_mean_something_and_named_where_not(
    engine: Engine, broker: str, given: int | None, word: int
) -> None:
    options = {"priority": given, "time_limit": 90, "countdown": 5, "retry_policy": {"max_retries": 3}, "expires": 45}
    app = app_of({"count": {**MINUTELY, "options": options}}, broker_url=f"{broker}nowhere.invalid")
    [entry] = read_entries(app)[0]
    await sync(engine, app).tick(NOW)
    row = (await by_name(engine))["count"]
    assert (row["priority"], row["timeout"], row["rule"]) == (word, 90.0, {"expires_after": 45.0})
    assert entry.ignored == ("countdown", "retry_policy")


async def test_what_has_not_changed_is_left_alone(engine: Engine) -> None:
    await sync(engine, app_of({"count": MINUTELY})).tick(NOW)
    before = await by_name(engine)
    await sync(engine, app_of({"count": MINUTELY})).tick(after(90))
    assert await by_name(engine) == before


async def test_a_changed_entry_is_followed_and_keeps_its_ledger(engine: Engine) -> None:
    await sync(engine, app_of({"count": MINUTELY})).tick(NOW)
    before = (await by_name(engine))["count"]
    await sync(engine, app_of({"count": {**MINUTELY, "schedule": crontab(minute=30)}})).tick(after(10))
    row = (await by_name(engine))["count"]
    assert (row["id"], row["every"], row["cron"], row["next_run_at"]) == (before["id"], None, "30 * * * *", after(1800))


async def test_a_removed_entry_is_paused_and_goes_on_when_it_is_back(engine: Engine) -> None:
    await sync(engine, app_of({"count": MINUTELY, "other": MINUTELY})).tick(NOW)
    await sync(engine, app_of({"other": MINUTELY})).tick(after(10))
    paused = (await by_name(engine))["count"]
    await sync(engine, app_of({"count": MINUTELY, "other": MINUTELY})).tick(after(70))
    back = (await by_name(engine))["count"]
    assert (paused["paused_at"], paused["next_run_at"]) == (after(10), None)
    assert (back["paused_at"], back["next_run_at"], back["source"]) == (None, after(120), "celery")


async def test_a_pause_by_a_person_stays_and_so_does_a_schedule_of_the_same_name(engine: Engine) -> None:
    await sync(engine, app_of({"count": MINUTELY})).tick(NOW)
    tenant = (await by_name(engine))["count"]["tenant_id"]
    theirs = await Rows(engine).schedule(name="bill", tenant_id=tenant)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE schedules SET paused_at = :now, next_run_at = NULL WHERE name = 'count'"), {"now": NOW}
        )
    await sync(engine, app_of({"count": {**MINUTELY, "kwargs": {}}, "bill": MINUTELY})).tick(after(10))
    rows = await by_name(engine)
    assert (rows["count"]["paused_at"], rows["count"]["next_run_at"]) == (NOW, None)
    assert (rows["bill"]["id"], rows["bill"]["handler"]) == (theirs, "demo.echo")


async def test_schedulers_that_start_at_once_keep_each_entry_once_and_fire_it_once(engine: Engine) -> None:
    entries = {f"e{number}": MINUTELY for number in range(20)}
    await asyncio.gather(*(sync(engine, app_of(entries)).tick(NOW) for _ in range(4)))
    assert len(await by_name(engine)) == 20
    fires = [Fire(engine=engine, wake_dispatcher=Wakes(), counts=Counts(CollectorRegistry())) for _ in range(4)]
    for minute in (1, 2):
        await asyncio.gather(*(each.tick(after(60 * minute)) for each in fires))
    assert len(await Rows(engine).all_tasks()) == len(await Rows(engine).all_fires()) == 40


async def test_two_beats_follow_an_app_from_the_environment_alone(
    engine: Engine, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "shop_app.py").write_text(APP)
    settings = {"PYTHONPATH": str(tmp_path), "TIDEWHEEL_CELERY_APP": "shop_app:app", "TIDEWHEEL_KEYS": KEYS}
    rows = Rows(engine)

    async def several() -> bool:
        return len(await rows.all_tasks()) >= 5

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        beat(CELERY, tmp_path / "one", database_url, redis_url, **settings) as one,
        beat(MODULE, tmp_path / "two", database_url, redis_url, **settings) as two,
    ):
        try:
            await wait_until(several, timeout=30, what="five fires")
        except AssertionError as error:
            raise AssertionError(one.output() + two.output()) from error
        assert [await one.stop(signal.SIGTERM), await two.stop(signal.SIGTERM)] == [0, 0]
    nominal = [row["nominal_at"] for row in await rows.all_tasks()]
    assert len(set(nominal)) == len(nominal)
    assert len(await rows.all_schedules()) == 1


async def test_an_app_without_keys_ends_it_with_a_sentence(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"TIDEWHEEL_CELERY_APP": "shop_app:app"}
    async with beat(CELERY, tmp_path, database_url, redis_url, **settings) as running:
        assert await asyncio.wait_for(running.process.wait(), 20) == 2
        assert "TIDEWHEEL_KEYS is not set" in running.output()
        assert "Traceback" not in running.output()
