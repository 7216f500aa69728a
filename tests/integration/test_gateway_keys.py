"""API keys: who gets in, for how long, and how the first one is made."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.gateway import KEY, Gateway, serving, settings

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.process.health import Health
from tidewheel_gateway.app import Sources
from tidewheel_gateway.auth import TTL
from tidewheel_gateway.bootstrap import Bootstrap


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gateway(database_url: str, redis_url: str, clock: Clock) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url, sources=Sources(monotonic=clock, jitter=lambda: 0.0)) as running:
        yield running


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {KEY.text}",
        KEY.text,
        f"Bearer {KEY.text}x",
        f"Bearer tw_first_{'S' * 32}",
        f"Bearer tw_FIRST_{KEY.secret}",
        f"Bearer tw_nobody_{KEY.secret}",
        "Bearer tw_first_",
        "Bearer tw_'; DROP TABLE api_keys;--_" + "s" * 32,
        "Bearer " + "x" * 50_000,
    ],
    ids=lambda value: str(value)[:30],
)
async def test_without_a_valid_key_nobody_gets_in(gateway: Gateway, authorization: str | None) -> None:
    async with gateway.stranger(authorization) as stranger:
        answers = [
            await stranger.post("/v1/tasks", content=b"not even JSON"),
            await stranger.get("/v1/tasks/not-an-id"),
            await stranger.get("/v1/nothing"),
        ]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="tidewheel"'
    assert await gateway.count() == 0


async def test_a_key_in_the_query_does_not_count(gateway: Gateway) -> None:
    async with gateway.stranger() as stranger:
        assert (await stranger.get(f"/v1/tasks?api_key={KEY.text}")).status_code == 401


async def test_the_scheme_may_be_written_in_any_case(gateway: Gateway) -> None:
    async with gateway.stranger(f"bearer {KEY.text}") as stranger:
        assert (await stranger.get("/v1/tasks")).status_code == 200


async def test_operations_need_no_key(gateway: Gateway) -> None:
    async with gateway.stranger() as stranger:
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
            assert (await stranger.get(path)).status_code == 200


async def test_a_revoked_key_works_no_longer_than_the_cache_keeps_it(gateway: Gateway, clock: Clock) -> None:
    assert (await gateway.http.get("/v1/tasks")).status_code == 200
    await gateway.execute("UPDATE api_keys SET revoked_at = now()")

    clock.now += TTL - 0.1
    within = await gateway.http.get("/v1/tasks")
    clock.now += 0.2
    after = await gateway.http.get("/v1/tasks")

    assert (within.status_code, after.status_code) == (200, 401)


async def test_only_the_hash_of_a_secret_is_stored(gateway: Gateway) -> None:
    [row] = await gateway.rows("SELECT api_keys::text AS everything, secret_hash FROM api_keys")

    assert KEY.secret not in row["everything"]
    assert row["secret_hash"] == KEY.secret_hash


async def test_a_restart_makes_nothing_new(gateway: Gateway, database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url):
        assert await gateway.count("api_keys") == 1
        assert await gateway.count("tenants") == 1


async def test_two_gateways_that_start_together_make_one_tenant_and_one_key(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url) as one, serving(database_url, redis_url) as other:
        assert (await one.http.get("/v1/tasks")).status_code == 200
        assert (await other.http.get("/v1/tasks")).status_code == 200
        assert await one.count("api_keys") == 1


async def _bootstrap(gateway: Gateway, shown: list[str], key: ApiKey | None = None) -> Bootstrap:
    parts = gateway.parts
    made = Bootstrap(parts.engine, key=key, new_id=parts.new_id, health=Health(), show=shown.append)
    await made.tick()
    return made


async def test_without_any_key_one_is_made_and_shown_once(gateway: Gateway) -> None:
    await gateway.execute("DELETE FROM api_keys")
    shown: list[str] = []

    await asyncio.gather(*(_bootstrap(gateway, shown) for _ in range(3)))

    [sentence] = shown
    async with gateway.stranger(f"Bearer {sentence.split()[-1]}") as owner:
        assert (await owner.get("/v1/tasks")).status_code == 200


async def test_where_a_key_exists_none_is_made(gateway: Gateway) -> None:
    shown: list[str] = []

    await _bootstrap(gateway, shown)

    assert shown == []
    assert await gateway.count("api_keys") == 1


async def test_a_given_key_with_the_id_of_another_one_is_refused(gateway: Gateway) -> None:
    with pytest.raises(Misconfigured, match="id first"):
        await _bootstrap(gateway, [], ApiKey(id="first", secret="x" * 32))


async def test_a_gateway_waits_for_the_schema(empty_database_url: str, redis_url: str) -> None:
    health = Health()
    async with serving(empty_database_url, redis_url, ready=False) as gateway, gateway.stranger() as stranger:
        waiting = Bootstrap(
            gateway.parts.engine, key=KEY, new_id=gateway.parts.new_id, health=health, show=lambda _: None
        )
        await waiting.tick()
        answer = await stranger.get("/readyz")

    assert "migrate" in health.obstacles()[0]
    assert answer.status_code == 503
    assert "The database is empty, and this release needs" in answer.text


def test_a_key_that_is_none_is_refused_before_the_start(database_url: str, redis_url: str) -> None:
    with pytest.raises(ValueError, match="tw_, letters or digits"):
        settings(database_url, redis_url, bootstrap_api_key="secret")
