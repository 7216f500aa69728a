"""Bad input: each gets a problem that names what is wrong, and nothing is stored."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.gateway import Gateway, serving

from tidewheel_gateway.body import LARGEST_BODY

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
async def module_database(
    postgres_url: str, template_database: str, database_numbers: Any
) -> AsyncIterator[tuple[str, str]]:
    """One database for the whole table: nothing in it is ever stored, and a test checks that."""
    from tests.conftest import _execute, _with_database  # noqa: PLC0415 - the module's own database

    name = f"test_{next(database_numbers)}"
    await _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _with_database(postgres_url, name), name
    await _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def gateway(module_database: tuple[str, str], valkey_url: str) -> AsyncIterator[Gateway]:
    async with serving(module_database[0], valkey_url) as running:
        yield running


async def refuse(gateway: Gateway, body: bytes, *, path: str = "/v1/tasks", **headers: str) -> tuple[int, Any]:
    """Send a body that must be refused, and check what holds for every refusal."""
    answer = await gateway.http.post(path, content=body, headers={**JSON, **headers})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "status", "detail", "code", "request_id", "errors"} == problem.keys()
    assert len(answer.content) < 20_000
    assert await gateway.count() == 0
    return answer.status_code, problem


BODIES = {
    "empty": b"",
    "not JSON": b"handler=demo.echo",
    "cut short": b'{"handler": "demo.echo"',
    "two documents": b'{"handler": "demo.echo"} {}',
    "nested 5,000 deep": b'{"handler": "a", "payload": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
    "lists 100,000 deep": b"[" * 100_000,
    "an integer of 5,000 digits": b'{"handler": "a", "payload": {"n": ' + b"1" * 5000 + b"}}",
    "NaN": b'{"handler": "a", "payload": {"n": NaN}}',
    "Infinity": b'{"handler": "a", "payload": {"n": -Infinity}}',
    "beyond a float": b'{"handler": "a", "payload": {"n": 1e400}}',
    "a lone surrogate": b'{"handler": "a", "payload": {"s": "\\ud800"}}',
    "invalid UTF-8": b'{"handler": "\xff"}',
    "UTF-16": '{"handler": "a"}'.encode("utf-16"),
    "a raw NUL": b'{"handler": "a\x00"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_what_is_not_json_gets_400(gateway: Gateway, body: bytes) -> None:
    status, problem = await refuse(gateway, body)

    assert (status, problem["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("document", [[], "text", None, 1, True])
async def test_json_that_is_no_object_gets_422(gateway: Gateway, document: object) -> None:
    status, problem = await refuse(gateway, json.dumps(document).encode())

    assert (status, problem["errors"][0]["pointer"]) == (422, "")


FIELDS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"handler": None}, "/handler", "string_type"),
    ({"handler": 5}, "/handler", "string_type"),
    ({"handler": ""}, "/handler", None),
    ({"handler": "a" * 201}, "/handler", None),
    ({"handler": "a b"}, "/handler", None),
    ({"handler": "a\n"}, "/handler", None),
    ({"handler": "demo.\u202eecho"}, "/handler", None),
    ({"handler": "a\0"}, "/handler", "nul_character"),
    ({"queue": "a/b"}, "/queue", None),
    ({"queue": "q" * 65}, "/queue", None),
    ({"queue": None}, "/queue", None),
    ({"priority": "urgent"}, "/priority", "literal_error"),
    ({"priority": 0}, "/priority", "literal_error"),
    ({"payload": None}, "/payload", None),
    ({"payload": []}, "/payload", None),
    ({"payload": "text"}, "/payload", None),
    ({"payload": {"s": "x" * 262_200}}, "/payload", "payload_too_large"),
    ({"payload": {"a": {"b": ["x\0"]}}}, "/payload/a/b/0", "nul_character"),
    ({"payload": {"a/~": {"k\0": 1}}}, "/payload/a~1~0", "nul_character"),
    ({"run_at": "2026-12-01T09:00:00"}, "/run_at", "naive_time"),
    ({"run_at": "2026-12-01"}, "/run_at", "instant_format"),
    ({"run_at": "tomorrow"}, "/run_at", "instant_format"),
    ({"run_at": 1_800_000_000}, "/run_at", "instant_type"),
    ({"run_at": "1800000000"}, "/run_at", "instant_format"),
    ({"run_at": True}, "/run_at", "instant_type"),
    ({"run_at": "2026-02-29T09:00:00Z"}, "/run_at", "instant_value"),
    ({"run_at": "2026-12-31T23:59:60Z"}, "/run_at", "instant_value"),
    ({"run_at": "2026-12-31T23:59:59+24:00"}, "/run_at", "instant_value"),
    ({"run_at": "9999-12-31T23:59:59-01:00"}, "/run_at", "instant_value"),
    ({"run_at": "9999-12-31T23:59:59Z"}, "/run_at", "beyond_horizon"),
    ({"run_at": "0001-01-01T00:00:00Z"}, "/run_at", "beyond_horizon"),
    ({"run_at": "294277-01-01T00:00:00Z"}, "/run_at", "instant_format"),
    ({"run_at": "infinity"}, "/run_at", "instant_format"),
    ({"run_at": "2030-01-01T00:00:00Z", "delay": 1}, "/delay", "run_at_and_delay"),
    ({"delay": -1}, "/delay", "greater_than_equal"),
    ({"delay": "1"}, "/delay", "float_type"),
    ({"delay": True}, "/delay", "float_type"),
    ({"delay": 3.2e8}, "/delay", "less_than_equal"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "expires_too_early"),
    (
        {"run_at": "2030-01-01T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"},
        "/expires_at",
        "expires_too_early",
    ),
    ({"delay": 86400 * 3650, "expires_at": "2027-01-01T00:00:00Z"}, "/expires_at", "expires_too_early"),
    ({"expires_at": "2300-01-01T00:00:00Z"}, "/expires_at", "beyond_horizon"),
    ({"timeout": 0}, "/timeout", "greater_than"),
    ({"timeout": -5}, "/timeout", "greater_than"),
    ({"max_attempts": 0}, "/max_attempts", None),
    ({"max_attempts": 1001}, "/max_attempts", None),
    ({"max_attempts": 2.5}, "/max_attempts", "int_type"),
    ({"max_attempts": 2**63}, "/max_attempts", None),
    ({"max_attempts": True}, "/max_attempts", "int_type"),
    ({"max_attempts": "3"}, "/max_attempts", "int_type"),
    ({"removal_delay": -0.1}, "/removal_delay", None),
    ({"removal_delay": 86400 * 365 * 1000}, "/removal_delay", None),
    ({"backoff": {"initial": -1}}, "/backoff/initial", None),
    ({"backoff": {"factor": 0.5}}, "/backoff/factor", None),
    ({"backoff": {"jitter": 2}}, "/backoff/jitter", None),
    ({"backoff": {"base": 2}}, "/backoff/base", "extra_forbidden"),
    ({"backoff": 2}, "/backoff", None),
    ({"delivery": "exactly_once"}, "/delivery", "literal_error"),
    ({"tags": "eu"}, "/tags", None),
    ({"tags": ["t"] * 21}, "/tags", "too_long"),
    ({"tags": ["t" * 65]}, "/tags/0", None),
    ({"tags": ["ok", "a\x1fb"]}, "/tags/1", None),
    ({"tags": ["a\0"]}, "/tags/0", "nul_character"),
    ({"state": "complete"}, "/state", "extra_forbidden"),
    ({"tenant_id": "00000000-0000-0000-0000-000000000000"}, "/tenant_id", "extra_forbidden"),
    ({"attempt": 3}, "/attempt", "extra_forbidden"),
    ({"id": "00000000-0000-0000-0000-000000000000"}, "/id", "extra_forbidden"),
    ({"k" * 5000: 1}, "/" + "k" * 100, "extra_forbidden"),
    ({"depends_on": ["00000000-0000-0000-0000-000000000000"]}, "/depends_on/0", "unknown_parent"),
    ({"depends_on": ["a"]}, "/depends_on/0", "parent"),
    ({"depends_on": [{"index": True}]}, "/depends_on/0", "parent"),
    ({"depends_on": [{"index": 0}]}, "/depends_on/0", "no_batch"),
    ({"concurrency_key": "\n"}, "/concurrency_key", "string_pattern_mismatch"),
    ({"concurrency_limit": 2}, "/concurrency_limit", "limit_without_key"),
    ({"concurrency_key": "k", "concurrency_limit": 0}, "/concurrency_limit", "greater_than_equal"),
    ({"unique_key": ""}, "/unique_key", "string_pattern_mismatch"),
    ({"notify": [{"on": ["dead"]}]}, "/notify/0", "one_target"),
    ({"on_parent_failure": "explode"}, "/on_parent_failure", "literal_error"),
]


@pytest.mark.parametrize(("fields", "pointer", "code"), FIELDS, ids=lambda value: str(value)[:40])
async def test_a_wrong_field_gets_422_and_is_named(
    gateway: Gateway, fields: dict[str, Any], pointer: str, code: str | None
) -> None:
    status, problem = await refuse(gateway, json.dumps({"handler": "demo.echo", **fields}).encode())

    assert (status, problem["code"]) == (422, "invalid_request")
    [fault] = problem["errors"]
    assert fault["pointer"] == pointer
    assert code is None or fault["code"] == code
    assert fault["detail"].endswith(".")


async def test_infinite_metadata_gets_422(gateway: Gateway) -> None:
    status, problem = await refuse(gateway, b'{"handler": "a", "timeout": 1e400}')

    assert (status, problem["errors"][0]["pointer"]) == (422, "/timeout")


async def test_every_wrong_field_is_named(gateway: Gateway) -> None:
    body = {"handler": "", "priority": "x", "delay": -1, "nonsense": 1}

    _, problem = await refuse(gateway, json.dumps(body).encode())

    assert {fault["pointer"] for fault in problem["errors"]} == {"/handler", "/priority", "/delay", "/nonsense"}


async def test_a_missing_handler_is_named(gateway: Gateway) -> None:
    _, problem = await refuse(gateway, b"{}")

    assert problem["errors"] == [
        {"pointer": "/handler", "code": "missing", "detail": "This field is required."},
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/jsonp"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
async def test_another_content_type_gets_415(gateway: Gateway, headers: dict[str, str]) -> None:
    status, problem = await refuse(gateway, b'{"handler": "a"}', **headers)

    assert (status, problem["code"]) == (415, "unsupported_media_type")


async def test_a_missing_content_type_gets_415(gateway: Gateway) -> None:
    request = gateway.http.build_request("POST", "/v1/tasks", content=b'{"handler": "a"}')
    request.headers.pop("content-type", None)

    assert (await gateway.http.send(request)).status_code == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON; charset="utf-8"'])
async def test_json_in_utf_8_is_taken_however_it_is_written(gateway: Gateway, content_type: str) -> None:
    answer = await gateway.http.post("/v1/tasks", content=b"{}", headers={"Content-Type": content_type})

    assert answer.status_code == 422


async def test_a_body_over_the_limit_gets_413(gateway: Gateway) -> None:
    body = json.dumps({"handler": "a", "payload": {"x": "x" * LARGEST_BODY}}).encode()

    status, problem = await refuse(gateway, body)

    assert (status, problem["code"]) == (413, "body_too_large")


async def test_a_body_without_a_length_is_read_no_further_than_the_limit(gateway: Gateway) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 4 * LARGEST_BODY:
            sent += 65_536
            yield b"x" * 65_536

    answer = await gateway.http.post("/v1/tasks", content=endless(), headers=JSON)

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


BATCHES: list[tuple[Any, str]] = [
    ({}, "/tasks"),
    ({"tasks": []}, "/tasks"),
    ({"tasks": {}}, "/tasks"),
    ({"tasks": [{"handler": "a"}] * 1001}, "/tasks"),
    ({"tasks": [{"handler": "a"}], "more": 1}, "/more"),
    ([{"handler": "a"}], ""),
]


@pytest.mark.parametrize(("body", "pointer"), BATCHES, ids=lambda value: str(value)[:30])
async def test_a_wrong_batch_gets_422(gateway: Gateway, body: Any, pointer: str) -> None:
    status, problem = await refuse(gateway, json.dumps(body).encode(), path="/v1/tasks:batch")

    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\tb"], ids=["empty", "long", "not ASCII", "control"])
async def test_a_wrong_idempotency_key_gets_400(gateway: Gateway, key: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", key.encode("latin-1"))]

    answer = await gateway.http.post("/v1/tasks", content=b'{"handler": "a"}', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_header")
    assert await gateway.count() == 0


async def test_two_idempotency_keys_get_400(gateway: Gateway) -> None:
    headers = [("Content-Type", "application/json"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = await gateway.http.post("/v1/tasks", content=b'{"handler": "a"}', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_header")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/tasks", "GET, POST"),
        ("DELETE", "/v1/tasks", "GET, POST"),
        ("GET", "/v1/tasks:batch", "POST"),
        ("HEAD", "/v1/tasks", "GET, POST"),
        ("TRACE", "/v1/tasks", "GET, POST"),
        ("GET", "/v1/tasks/0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10:cancel", "POST"),
        ("POST", "/v1/tasks/0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10", "DELETE, GET, PATCH"),
        ("PUT", "/v1/schedules", "GET, POST"),
        ("OPTIONS", "/v1/queues/mail:pause", "POST"),
        ("POST", "/v1/queues/mail", "PATCH"),
        ("POST", "/healthz", "GET"),
    ],
)
async def test_a_wrong_method_gets_405(gateway: Gateway, method: str, path: str, allowed: str) -> None:
    answer = await gateway.http.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert method == "HEAD" or answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tasks/1",
        "/v1/tasks/0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f1z",
        "/v1/tasks/0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10",
        "/v1/tasks/%00",
        "/v1/tasks/",
        "/v1//tasks",
        "/v1/schedules/1",
        "/v1/schedules/0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10",
        "/v1/nothing",
        "/v2/tasks",
    ],
)
async def test_a_wrong_id_and_a_wrong_address_get_the_same_404(gateway: Gateway, path: str) -> None:
    answer = await gateway.http.get(path)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (404, "not_found")
    assert problem["detail"] == "Nothing of yours is at this address. Check the path and the id."


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ("limit=0", 422, "limit"),
        ("limit=201", 422, "limit"),
        ("limit=1000000000", 422, "limit"),
        ("limit=x", 422, "limit"),
        ("state=done", 422, "state"),
        ("state=id;DROP", 422, "state"),
        ("sort=payload", 422, "sort"),
        ("queue=%00", 422, "queue"),
        ("tag=" + "x" * 300, 422, "tag"),
        ("schedule=1", 422, "schedule"),
        ("created_after=2026-12-01T09:00:00", 422, "created_after"),
        ("created_before=now", 422, "created_before"),
        ("cursor=x", 400, "cursor"),
        ("cursor=%00", 422, "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAA", 400, "cursor"),
        ("cursor=" + "A" * 40, 400, "cursor"),
        ("cursor=%F0%9F%92%A9", 400, "cursor"),
    ],
)
async def test_a_wrong_query_is_refused_and_named(gateway: Gateway, query: str, status: int, parameter: str) -> None:
    answer = await gateway.http.get(f"/v1/tasks?{query}")

    assert answer.status_code == status
    assert answer.json()["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "soon"])
async def test_a_wrong_wait_gets_422(gateway: Gateway, wait: str) -> None:
    answer = await gateway.http.get(f"/v1/tasks/0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10?wait={wait}")

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "wait")
