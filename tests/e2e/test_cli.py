"""The commands as a person types them, against the stack that all end-to-end tests share."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import pytest
from tests.stack import Stack
from typer.testing import CliRunner

from tidewheel_cli.__main__ import app
from tidewheel_client import Client

Result = Any
Run = Callable[..., Coroutine[Any, Any, Result]]

HERE = {"TIDEWHEEL_URL": "", "TIDEWHEEL_API_KEY": "", "TIDEWHEEL_DATABASE_URL": "", "TIDEWHEEL_REDIS_URL": ""}
UNKNOWN = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def run(stack: Stack) -> Run:
    async def call(*arguments: str, stdin: str = "") -> Result:
        command = [*arguments, "--state-dir", str(stack.directory)]
        return await asyncio.to_thread(CliRunner().invoke, app, command, input=stdin, env=HERE)

    return call


def documents(answer: Result) -> list[dict[str, Any]]:
    assert answer.exit_code == 0, answer.output
    return [json.loads(line) for line in answer.stdout.splitlines()]


async def test_a_task_is_submitted_waited_for_and_read_again(run: Run) -> None:
    waited = await run("submit", "demo.distance", "-", "--wait", stdin='{"x": 3, "y": 4}')
    assert (waited.exit_code, waited.stdout) == (0, "5.0\n"), waited.output

    task_id = (await run("submit", "demo.echo", '{"to": "you"}')).stdout.strip()
    done = await run("get", task_id)
    assert (done.exit_code, '"to": "you"' in done.stdout) == (0, True)
    missing = await run("get", UNKNOWN)
    assert (missing.exit_code, "Nothing of yours is there" in missing.stderr) == (3, True)
    assert (await run("redrive", task_id)).exit_code == 5, "what is complete stays so"


async def test_pages_are_followed_up_to_the_limit_and_the_rest_is_mentioned(run: Run) -> None:
    tag = uuid4().hex
    ids = {(await run("submit", "demo.echo", "--tag", tag, "--delay", "1h")).stdout.strip() for _ in range(3)}

    assert {each["id"] for each in documents(await run("list", "--tag", tag, "--json"))} == ids
    some = await run("list", "--tag", tag, "--limit", "2")
    assert "there are more" in some.stderr

    declined = await run("cancel", *ids, stdin="n\n")
    assert (declined.exit_code, "Nothing was done" in declined.stderr) == (2, True)
    cancelled = await run("cancel", *ids, UNKNOWN, "--yes")
    assert cancelled.exit_code == 3, "one of them is not there"
    assert {each["state"] for each in documents(await run("list", "--tag", tag, "--json"))} == {"cancelled"}


async def test_a_task_that_fails_or_is_late_has_an_exit_code_of_its_own(run: Run) -> None:
    failed = await run("submit", "demo.fail", "--max-attempts", "1", "--wait")
    assert (failed.exit_code, "Traceback" in failed.output) == (1, False), failed.output
    assert "This handler always fails" in failed.stderr

    late = await run("submit", "demo.echo", "--delay", "1h", "--wait-timeout", "10ms", "--json")
    assert (late.exit_code, "still `waiting`" in late.stderr) == (7, True)
    await run("cancel", late.stderr.split()[2], "--yes")


async def test_whoever_waits_long_is_told_what_for(run: Run) -> None:
    late = await run("submit", "nobody.serves", "--wait-timeout", "4s")

    assert late.exit_code == 7, late.output
    assert "serves the handler nobody.serves. Start one that does." in late.stderr
    await run("cancel", late.stderr.split(":")[0], "--yes")


async def test_what_a_handler_logs_is_followed_to_the_end(run: Run) -> None:
    task_id = (await run("submit", "demo.flaky", '{"failures": 1}')).stdout.strip()

    lines = documents(await run("logs", task_id, "--follow", "--json"))

    assert [line["message"] for line in lines] == ["This is try 1; 1 of them fail.", "This is try 2; 1 of them fail."]
    assert [line["attempt"] for line in lines] == [1, 2]


async def test_dead_letters_are_counted_and_redriven_by_their_error(run: Run) -> None:
    queue = f"q{uuid4().hex[:8]}"
    for _ in range(2):
        await run("submit", "demo.fail", "--max-attempts", "1", "--queue", queue, "--wait")

    groups = documents(await run("dlq", "list", "--json"))
    assert ("demo.fail", "DemoError") in {(each["handler"], each["error_type"]) for each in groups}
    meant = "--queue", queue, "--error-type", "DemoError"
    assert (await run("dlq", "redrive", *meant, "--dry-run")).stdout == "2 dead tasks are meant.\n"
    assert (await run("dlq", "redrive", *meant, "--yes")).stdout == "redrive: 2 done, 0 could not be changed.\n"
    assert (await run("dlq", "redrive", "--queue", "nothing.is.here", "--dry-run")).stdout.startswith("0 ")


async def test_a_queue_is_paused_and_goes_on(run: Run) -> None:
    name = f"q{uuid4().hex[:8]}"

    await run("queues", "pause", name, "--yes")
    paused = {each["name"]: each["paused"] for each in documents(await run("queues", "list", "--json"))}
    doubts = [each["said"] for each in documents(await run("doctor", "--json")) if each["verdict"] == "doubtful"]
    resumed = await run("queues", "resume", name, "--json")

    assert paused[name]
    assert any(name in each for each in doubts)
    assert json.loads(resumed.stdout)["paused"] is False


async def test_a_queue_is_limited_and_a_limit_is_lifted(run: Run) -> None:
    name = f"q{uuid4().hex[:8]}"

    assert (await run("queues", "limit", name)).exit_code == 2, "nothing is asked for"
    said = (await run("queues", "limit", name, "--rate", "0.5", "--concurrency", "3")).stdout
    lifted = json.loads((await run("queues", "limit", name, "--no-rate", "--json")).stdout)

    assert said == f"{name} starts tasks at most 0.5 a second, at most 3 at once.\n"
    assert (lifted["rate"], lifted["concurrency"]) == (None, 3)


async def test_a_schedule_is_made_held_back_fired_and_deleted_by_its_name(run: Run) -> None:
    name = f"s-{uuid4().hex}"
    made = await run("schedules", "create", name, "demo.echo", '{"to": "you"}', "--every", "1h", "--tz", "Asia/Tokyo")
    assert (await run("schedules", "create", name, "demo.echo", "--every", "1h")).exit_code == 5, "the name is taken"

    paused = await run("schedules", "pause", name, "--until", "2099-01-01T00:00:00Z", "--reason", "winter")
    assert paused.stdout == f"{name}: paused until 2099-01-01 00:00:00Z.\n"
    task_id = (await run("schedules", "trigger", name)).stdout.strip()
    assert json.loads((await run("get", task_id, "--json")).stdout)["schedule_id"] == made.stdout.strip()
    resumed = json.loads((await run("schedules", "resume", name, "--json")).stdout)
    skipped = json.loads((await run("schedules", "skip-next", made.stdout.strip(), "--json")).stdout)
    assert resumed["next_run_at"] < skipped["next_run_at"]
    shown = (await run("schedules", "get", name)).stdout
    assert ("every 3600 s" in shown, '"to": "you"' in shown) == (True, True)

    assert (await run("schedules", "delete", name, stdin="n\n")).exit_code == 2
    assert (await run("schedules", "delete", name, "--yes")).exit_code == 0
    assert (await run("schedules", "get", name)).exit_code == 3


async def test_a_schedule_is_fired_for_the_times_that_it_has_missed(run: Run, stack: Stack) -> None:
    name = f"s-{uuid4().hex}"
    with Client(stack.api_url, stack.api_key) as client:
        begun = "2026-01-01T00:00:00Z"
        await asyncio.to_thread(client.schedules.create, name, "demo.echo", every=3600, starts_at=begun)

    span = "--from", "2026-01-01T00:30:00Z", "--to", "2026-01-01T02:30:00Z"
    fired = documents(await run("schedules", "backfill", name, *span, "--yes", "--json"))
    assert [each["nominal_at"][11:16] for each in fired] == ["01:00", "02:00"]
    await run("schedules", "delete", name, "--yes")


async def test_many_tasks_are_reprioritised_and_cancelled_in_one_operation(run: Run) -> None:
    tag = uuid4().hex
    for _ in range(2):
        await run("submit", "demo.echo", "--tag", tag, "--delay", "1h")

    assert (await run("operations", "create", "cancel", "--yes")).exit_code == 2, "what is meant was not said"
    assert (await run("operations", "create", "cancel", "--tag", tag, "--dry-run")).stdout == "2 tasks are meant.\n"
    urgent = await run("operations", "create", "reprioritise", "--tag", tag, "--to", "high", "--yes")
    assert urgent.stdout == "reprioritise: 2 done, 0 could not be changed.\n"
    ended = json.loads((await run("operations", "create", "cancel", "--tag", tag, "--yes", "--json")).stdout)
    assert ended["id"] in (await run("operations", "list", "--json")).stdout
    assert "cancel (dry run)" in (await run("operations", "list")).stdout
    followed = await run("operations", "get", ended["id"], "--follow")
    assert followed.stdout.endswith("over; 2 of 2 done, 0 could not be changed.\n")
    seen = documents(await run("list", "--tag", tag, "--json"))
    assert {(each["state"], each["priority"]) for each in seen} == {("cancelled", "high")}


async def test_a_rule_of_notification_is_kept_and_deleted(run: Run) -> None:
    name = uuid4().hex
    assert (await run("rules", "create", name, "--on", "dead")).exit_code == 2, "nobody is told"

    told = "--email", "ops@example.org"
    wrong = await run("rules", "create", name, "--on", "ded", *told)
    assert (wrong.exit_code, "/on/0: " in wrong.stderr, "/on: " in wrong.stderr) == (2, True, False)
    made = (
        await run("rules", "create", name, "--on", "dead", "--on", "late", "--late-after", "5m", *told)
    ).stdout.strip()
    rules = {each["id"]: each for each in documents(await run("rules", "list", "--json"))}
    assert (rules[made]["name"], rules[made]["on"], rules[made]["email"]) == (name, ["dead", "late"], "ops@example.org")
    assert rules[made]["late_after"] == 300
    assert (await run("rules", "delete", made, "--yes")).exit_code == 0
    assert (await run("rules", "delete", made, "--yes")).exit_code == 3


async def test_handlers_are_listed_with_their_arguments(run: Run) -> None:
    shown = (await run("handlers")).stdout
    found = {each["name"]: each for each in documents(await run("handlers", "--json"))}

    assert "demo.distance" in shown
    assert found["demo.distance"]["arguments"]["required"] == ["x", "y"]


async def test_a_rule_is_previewed_with_what_a_clock_change_does_to_it(run: Run) -> None:
    rule = "schedules", "preview", "30 2 * * *", "--tz", "Europe/Berlin", "-n", "2", "--after", "2027-03-27T12:00:00Z"

    shown = await run(*rule)
    first, second = json.loads((await run(*rule, "--json")).stdout)["data"]

    assert first["local"].startswith("2027-03-28T03:"), "there is no half past two on that day"
    assert (first["change"] is None, second["change"]) == (False, None)
    assert first["change"] in shown.stdout
    assert (await run("schedules", "preview", "0 0 31 2 *")).exit_code == 2


async def test_the_canary_comes_back_or_says_why_not(run: Run) -> None:
    back = json.loads((await run("canary", "--json")).stdout)
    assert (back["ok"], back["state"]) == (True, "complete")

    lost = await run("canary", "--handler", "nobody.serves.this", "--within", "100ms")
    assert (lost.exit_code, "no live executor serves" in lost.stderr) == (7, True)


async def test_the_doctor_finds_nothing_wrong_and_everything_that_is(run: Run, stack: Stack) -> None:
    well = documents(await run("doctor", "--json"))
    assert {each["part"] for each in well if each["verdict"] == "good"} >= {
        *("address", "health", "readiness", "key", "executors", "database", "clock", "redis")
    }
    await run("submit", "nobody.has.this")
    doubts = [each for each in documents(await run("doctor", "--json")) if each["part"] == "handlers"]
    assert any("nobody.has.this" in each["said"] for each in doubts)

    ill = await run("doctor", "--api-key", "tw_nobody_0123456789abcdef", "--redis-url", "redis://127.0.0.1:1", "--json")
    found = {each["part"]: each["verdict"] for each in map(json.loads, ill.stdout.splitlines())}
    assert (ill.exit_code, found["key"], found["redis"], found["database"]) == (1, "bad", "bad", "good")
    assert stack.api_key not in ill.output


async def test_a_key_is_made_for_a_tenant_opens_and_is_revoked(run: Run) -> None:
    tenant = uuid4().hex
    assert (await run("keys", "create", "backend", "--tenant", tenant)).exit_code == 3

    made = json.loads((await run("keys", "create", "backend", "--tenant", tenant, "--new-tenant", "--json")).stdout)
    listed = {each["id"]: each for each in documents(await run("keys", "list", "--json"))}
    assert (listed[made["id"]]["tenant"], listed[made["id"]]["revoked_at"]) == (tenant, None)
    assert made["api_key"].split("_", 2)[2] not in str(listed)

    assert documents(await run("list", "--api-key", made["api_key"], "--json")) == [], "a tenant sees its own only"
    assert (await run("queues", "pause", "default", "--yes", "--api-key", made["api_key"])).exit_code == 4
    ours = next(key for key, each in listed.items() if each["name"] == "bootstrap")
    asked = await run("keys", "revoke", ours, stdin="n\n")
    assert (asked.exit_code, "The commands of the stack that runs here use it" in asked.stderr) == (2, True)
    assert (await run("keys", "revoke", made["id"], "--yes")).exit_code == 0
    assert (await run("keys", "revoke", "nobody", "--yes")).exit_code == 3
