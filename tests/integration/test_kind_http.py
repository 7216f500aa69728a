"""`http.request` against a real server."""

import json
from collections.abc import Iterator

import pytest
from tests.execution import World, opened_world
from tests.kinds import Reply, Seen, WebServer, give, web_server

from tidewheel_executor.kinds import http

KIND = http.request
"""A shared task: importing it makes every app serve it."""

FORBIDDEN_URLS = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://LocalHost:{port}/", "http://127.1:{port}/",
    "http://127.0.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.0.0.1:{port}/",
    "http://017700000001:{port}/", "http://0177.0.0.1:{port}/", "http://127.8.8.8:{port}/", "http://0:{port}/",
    "http://0.0.0.0:{port}/", "http://[::]:{port}/", "http://[::1]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/", "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://[64:ff9b:1::7f00:1]:{port}/", "http://[2002:7f00:1::1]:{port}/",
    "http://[fe80::1]:{port}/", "http://[fc00::1]:{port}/", "http://[fd00:ec2::254]/latest", "http://[fec0::1]/",
    "http://[ff02::1]:{port}/", "http://169.254.169.254/latest/meta-data/", "http://2852039166/latest/",
    "http://0xa9fea9fe/", "http://[::ffff:a9fe:a9fe]/", "http://100.100.100.200/", "http://168.63.129.16/",
    "http://192.0.0.192/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://100.64.0.1/",
    "http://198.18.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/",
    "http://①②⑦.⓪.⓪.①:{port}/", "http://user:password@8.8.8.8/", "http://8.8.8.8@127.0.0.1:{port}/",
    "http://127.0.0.1%2f@8.8.8.8/", "https://127.0.0.1:{port}/",
]  # fmt: skip

FORBIDDEN_PLACES = [
    *FORBIDDEN_URLS, "//127.0.0.1:{port}/", "//[::1]:{port}/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/",
    "ftp://127.0.0.1/", "unix:///run/docker.sock", "javascript:alert(1)", "http://127.0.0.1\\@8.8.8.8:{port}/",
]  # fmt: skip


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        give(world, http_allow="127.0.0.1")
        yield world


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as web:
        yield web


def test_a_request_is_sent_and_its_answer_kept(world: World, web: WebServer) -> None:
    web.reply = lambda _: Reply(status=201, headers={"X-Answer": "42"}, body='{"é": 1}'.encode())
    payload = {"url": web.url("/hook?a=b#c"), "method": "POST", "headers": {"X-Key": "k"}, "body": {"n": [1, "ü"]}}
    task = world.queue("http.request", payload, attempt=2)

    world.run(task)

    [seen] = web.seen
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/hook?a=b", {"n": [1, "ü"]})
    assert seen.headers["host"] == f"127.0.0.1:{web.port}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-key"] == "k"
    assert seen.headers["idempotency-key"] == str(task.id)
    assert seen.headers["x-tidewheel-attempt"] == "3"
    result = world.result(task)
    assert (result["status"], result["body"], result["encoding"]) == (201, '{"é": 1}', "text")
    assert result["headers"]["x-answer"] == "42"


def test_an_unexpected_status_fails_and_is_tried_again(world: World, web: WebServer) -> None:
    web.reply = lambda _: Reply(status=404, body=b"no such hook")
    missing = world.queue("http.request", {"url": web.url()})
    wanted = world.queue("http.request", {"url": web.url(), "expected_status": [404]})

    world.run(missing, wanted)

    row = world.row(missing)
    assert (row["state"], row["failures"], row["error_type"]) == ("waiting", 1, "Failure")
    assert "The server answered 404; expected: 2xx. no such hook" in world.error(missing)
    assert world.row(wanted)["state"] == "complete"


def test_retry_after_is_the_next_backoff(world: World, web: WebServer) -> None:
    dated = {"Retry-After": "Sun, 06 Nov 1994 09:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    replies = [
        (Reply(status=429, headers={"Retry-After": "1234"}), 1234),
        (Reply(status=503, headers=dated), 3600),
        (Reply(status=503, headers={"Retry-After": "soon"}), 2),
        (Reply(status=500, headers={"Retry-After": "1234"}), 2),
    ]
    web.reply = lambda seen: replies[int(seen.path.removeprefix("/"))][0]
    tasks = [world.queue("http.request", {"url": web.url(f"/{number}")}) for number in range(len(replies))]

    world.run(*tasks)

    for task, (_, wait) in zip(tasks, replies, strict=True):
        row, [attempt] = world.row(task), world.attempts(task)
        assert (row["state"], row["failures"]) == ("waiting", 1)
        assert (row["wait_until"] - attempt["finished_at"]).total_seconds() == pytest.approx(wait, rel=0.1)


def test_a_long_answer_is_cut(world: World, web: WebServer) -> None:
    give(world, http_allow="127.0.0.1", http_response_bytes=100_001)
    web.reply = lambda seen: Reply(endless=True) if seen.path == "/endless" else Reply(body="é".encode() * 60_000)
    endless, long = (world.queue("http.request", {"url": web.url(path)}) for path in ("/endless", "/long"))

    world.run(endless, long)

    result = world.result(endless)
    assert (result["status"], len(result["body"]), result["truncated"]) == (200, 100_001, True)
    assert world.result(long)["body"] == "é" * 50_000


def test_a_binary_answer_is_kept_as_base64(world: World, web: WebServer) -> None:
    web.reply = lambda _: Reply(body=b"\x89PNG\xff")
    task = world.queue("http.request", {"url": web.url()})

    world.run(task)

    assert (world.result(task)["body"], world.result(task)["encoding"]) == ("iVBOR/8=", "base64")


def test_no_answer_in_time_fails(world: World, web: WebServer) -> None:
    with web_server() as gone:
        url = gone.url()
    web.reply = lambda _: Reply(endless=True)
    give(world, http_allow="127.0.0.1", http_response_bytes=300_000)
    absent = world.queue("http.request", {"url": url, "timeout": 5})

    world.run(absent)

    assert world.row(absent)["state"] == "waiting"
    assert "127.0.0.1 did not answer" in world.error(absent)


def test_redirects_are_followed_as_far_as_asked(world: World, web: WebServer) -> None:
    def reply(seen: Seen) -> Reply:
        place = {"/1": "/2", "/2": f"http://localhost:{web.port}/3"}.get(seen.path)
        return Reply(body=b"there") if place is None else Reply(status=303, headers={"Location": place})

    give(world, http_allow="127.0.0.1,localhost")
    web.reply = reply
    payload = {"url": web.url("/1"), "method": "POST", "body": "x", "headers": {"Authorization": "a", "X-Key": "k"}}
    stays = world.queue("http.request", payload)
    stops = world.queue("http.request", {**payload, "redirects": 1})
    arrives = world.queue("http.request", {**payload, "redirects": 2})

    world.run(stays)
    world.run(stops)
    assert [world.row(task)["state"] for task in (stays, stops)] == ["waiting", "waiting"]
    web.seen.clear()
    world.run(arrives)

    assert world.result(arrives)["body"] == "there"
    assert [(seen.method, seen.body) for seen in web.seen] == [("POST", b"x"), ("GET", b""), ("GET", b"")]
    assert ["authorization" in seen.headers for seen in web.seen] == [True, True, False]
    assert ["x-key" in seen.headers for seen in web.seen] == [True, True, False]
    assert {seen.headers["idempotency-key"] for seen in web.seen} == {str(arrives.id)}


def test_urls_that_lead_inside_are_refused(world: World, web: WebServer) -> None:
    give(world)
    tasks = {url: world.queue("http.request", {"url": url.format(port=web.port)}) for url in FORBIDDEN_URLS}

    world.run(*tasks.values())

    rows = {url: world.row(task) for url, task in tasks.items()}
    assert {url: (row["state"], row["reason"]) for url, row in rows.items() if row["reason"] != "permanent"} == {}
    assert web.seen == []


def test_redirects_that_lead_inside_are_refused(world: World, web: WebServer) -> None:
    places = [place for place in FORBIDDEN_PLACES if "//127.0.0.1:" not in place or "@" in place]
    places += ["//localhost:{port}/inside", "file:///etc/passwd"]

    def reply(seen: Seen) -> Reply:
        place = places[int(seen.path.removeprefix("/"))].format(port=web.port).encode().decode("latin-1")
        return Reply(status=307, headers={"Location": place})

    # The first hop is allowed as an address; nothing that it leads to is.
    give(world, http_allow="127.0.0.1")
    web.reply = reply
    inside = {"http://127.1:{port}/", "http://127.0.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/",
              "http://0x7f.0.0.1:{port}/", "http://017700000001:{port}/", "http://0177.0.0.1:{port}/",
              "http://localhost:{port}/", "http://LocalHost:{port}/", "//localhost:{port}/inside"}  # fmt: skip
    tasks = {
        place: world.queue("http.request", {"url": web.url(f"/{number}"), "redirects": 1})
        for number, place in enumerate(places)
        if place not in inside
    }

    world.run(*tasks.values())

    rows = {place: world.row(task) for place, task in tasks.items()}
    assert {place: (row["state"], row["reason"]) for place, row in rows.items() if row["reason"] != "permanent"} == {}
    assert len(web.seen) == len(tasks) > 30


def test_a_payload_that_does_not_fit_is_refused(world: World) -> None:
    url = "http://8.8.8.8/"
    payloads: list[tuple[dict[str, object], str]] = [
        ({}, "url"),
        ({"url": url, "method": "CONNECT"}, "method"),
        ({"url": "ftp://8.8.8.8/"}, "url"),
        ({"url": url, "headers": {"X-A": "b\r\nX-B: c"}}, "headers"),
        ({"url": url, "headers": {"Host": "inside"}}, "host"),
        ({"url": url, "headers": {"Idempotency-Key": "mine"}}, "idempotency-key"),
        ({"url": url, "timeout": -1}, "timeout"),
        ({"url": url, "unknown": 1}, "unknown"),
    ]
    tasks = [(world.queue("http.request", payload), word) for payload, word in payloads]

    world.run(*(task for task, _ in tasks))

    assert {world.row(task)["reason"] for task, _ in tasks} == {"permanent"}
    assert [word for task, word in tasks if word not in world.error(task)] == []
