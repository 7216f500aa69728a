"""A plan meets other people's edits: what was changed since it was made is left alone and named."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.gateway import KEY, Gateway, serving

from tidewheel_cli.schedules.apply import Result, apply_plan
from tidewheel_cli.schedules.file import ScheduleFile, parse_file
from tidewheel_cli.schedules.plan import Plan, make_plan
from tidewheel_cli.schedules.service import find_schedules
from tidewheel_client import AsyncClient

FILE = (
    "managed_by: shop\nschedules:\n  one: {handler: a.b, every: 60}\n  two: {handler: a.b, every: 60, paused: true}\n"
)


@pytest.fixture
async def client(database_url: str, redis_url: str) -> AsyncIterator[AsyncClient]:
    async with serving(database_url, redis_url) as gateway, _client(gateway) as opened:
        yield opened


def _client(gateway: Gateway) -> AsyncClient:
    return AsyncClient("http://gateway", KEY.text, transport=httpx2.ASGITransport(app=gateway.app))


async def planned(client: AsyncClient, text: str, *, delete: bool = False) -> tuple[ScheduleFile, Plan]:
    file = parse_file("shop.yaml", text)
    return file, make_plan(file, await find_schedules(client, file), delete=delete)


async def applied(client: AsyncClient, text: str) -> list[Result]:
    return await apply_plan(client, *await planned(client, text), tell=lambda _: None)


async def test_an_edit_between_plan_and_apply_is_kept_and_reported_and_the_rest_is_done(client: AsyncClient) -> None:
    assert [each.refused for each in await applied(client, FILE)] == [None, None, None]
    changed = FILE.replace("every: 60", "every: 90").replace("paused: true", "paused: false")
    file, plan = await planned(client, changed)
    ids = {each.name: each.id async for each in client.schedules.list()}
    await client.schedules.edit(ids["one"], tags=["mine"])

    results = await apply_plan(client, file, plan, tell=lambda _: None)

    assert [(each.step.kind.value, each.step.name, each.refused is None) for each in results] == [
        ("change", "one", False),
        ("change", "two", True),
        ("resume", "two", True),
    ]
    assert "Somebody has changed it since the plan was made" in (results[0].refused or "")
    one, two = await client.schedules.get(ids["one"]), await client.schedules.get(ids["two"])
    assert (one.every, one.tags) == (60, ["mine"])
    assert (two.every, two.paused_at) == (90, None)
    assert [each.refused for each in await applied(client, changed)] == [None]
    assert (await planned(client, changed))[1].steps == ()


async def test_a_deletion_of_something_newer_is_refused(client: AsyncClient) -> None:
    await applied(client, FILE)
    file, plan = await planned(client, "managed_by: shop\nschedules: {}\n", delete=True)
    ids = {each.name: each.id async for each in client.schedules.list()}
    await client.schedules.edit(ids["one"], tags=["mine"])

    results = await apply_plan(client, file, plan, tell=lambda _: None)

    assert [each.refused is None for each in results] == [False, True]
    assert [each.name async for each in client.schedules.list()] == ["one"]


async def test_what_the_service_refuses_is_said_with_its_line(client: AsyncClient) -> None:
    [result] = await applied(
        client, "managed_by: shop\nschedules:\n  one:\n    handler: a.b\n    every: 999999999999\n"
    )
    assert "shop.yaml, line 5, schedules.one.every: " in (result.refused or "")


async def test_a_name_that_somebody_took_since_the_plan_is_left_alone(client: AsyncClient) -> None:
    file, plan = await planned(client, FILE)
    await client.schedules.create("two", "theirs", every=5)

    results = await apply_plan(client, file, plan, tell=lambda _: None)

    assert [(each.step.name, each.refused is None) for each in results] == [
        ("one", True),
        ("two", False),
        ("two", False),
    ]
    assert results[2].refused == "It was not created."
    [two] = [each async for each in client.schedules.list(name="two")]
    assert (two.handler, two.paused_at, two.managed_by) == ("theirs", None, None)
