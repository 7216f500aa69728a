"""What stands around the services of a running stack: the edge, and those that watch. Tried on it."""

import re
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx2
import yaml
from tests.deploy.images.built import SERVICES
from tests.deploy.images.composed import Composed
from tests.deploy.images.engine import REPOSITORY
from tests.support import wait_until

_OURS, _INSIDE = "/v1/tasks", ("/metrics", "/healthz", "/readyz", "/docs")
_VERSIONS = {
    "postgres": ("postgres", "--version"),
    "redis": ("valkey-server", "--version"),
    "traefik": ("traefik", "version"),
    "prometheus": ("prometheus", "--version"),
    "alertmanager": ("alertmanager", "--version"),
    "flower": ("python", "-c", "import flower; print(flower.__version__)"),
}
_SCRAPED = 90.0  # seconds; a few rounds of Prometheus


async def versions(stack: Composed) -> str:
    """Return what really runs besides our own."""
    found = {}
    for service, words in _VERSIONS.items():
        ask = (*stack.command, "exec", "-T", service, *words)
        said = await stack.engine.tries(*ask, environment=stack.environment)
        number = re.search(r"\d+\.\d+[\w.+-]*", said.output)
        found[service] = number[0] if number else "?"
    return ", ".join(f"{service} {version}" for service, version in found.items())


async def edge(stack: Composed) -> list[str]:
    """Return what Traefik lets through besides the API, or without TLS."""
    expected = {_OURS: HTTPStatus.UNAUTHORIZED, **dict.fromkeys(_INSIDE, HTTPStatus.NOT_FOUND)}
    async with _trusting(stack) as http:
        got = {path: (await http.get(stack.edge + path)).status_code for path in expected}
        plain = (await http.get(stack.edge.replace("https://", "http://") + _OURS)).status_code
    found = [f"{path} is answered with {got[path]}" for path, status in expected.items() if got[path] != status]
    refused = plain >= HTTPStatus.BAD_REQUEST and plain != HTTPStatus.UNAUTHORIZED
    return found if refused else [*found, f"plain HTTP reaches the gateway: {plain}"]


async def watching(stack: Composed) -> list[str]:
    """Wait until Prometheus sees every service, its rules work, and it knows whom to call."""
    async with _trusting(stack) as http:

        async def asked(what: str) -> Any:
            answer = await http.get(f"{stack.watch['prometheus']}/api/v1/{what}")
            return answer.raise_for_status().json()["data"]

        async def all_are_seen() -> bool:
            seen = (await asked("targets"))["activeTargets"]
            return len(seen) == len(SERVICES) and all(each["health"] == "up" for each in seen)

        async def all_rules_have_run() -> bool:
            return all(each["health"] == "ok" for each in _alerts(await asked("rules")))

        await wait_until(all_are_seen, timeout=_SCRAPED, what="Prometheus to read all five services")
        await wait_until(all_rules_have_run, timeout=_SCRAPED, what="every alert to have been evaluated")
        loaded, called = _alerts(await asked("rules")), (await asked("alertmanagers"))["activeAlertmanagers"]
        known = await http.get(f"{stack.watch['alertmanager']}/api/v2/receivers")
    found = [] if len(loaded) == (written := _written()) else [f"{len(loaded)} alerts are loaded of {written}"]
    found += [] if len(called) == 1 else [f"Prometheus calls {called}"]
    receivers = {each["name"] for each in known.raise_for_status().json()}
    return [*found, *([] if receivers == {"page", "ticket"} else [f"Alertmanager can tell {receivers}"])]


def _alerts(rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in rules["groups"] for rule in group["rules"]]


def _written() -> int:
    files = (REPOSITORY / "deploy" / "helm").glob("*/files/alerts.yaml")
    texts = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in files)
    return sum(len(group["rules"]) for text in texts for group in text["groups"])


async def flower(stack: Composed) -> list[str]:
    """Return whether Flower answers without its password, and wait until it sees the executor with it."""
    user, _, password = stack.secret("secrets/flower/login").strip().partition(":")
    async with _trusting(stack) as http:
        workers = f"{stack.watch['flower']}/api/workers"
        refused = (await http.get(workers)).status_code

        async def sees_one() -> bool:
            answer = await http.get(workers, params={"refresh": "true"}, auth=(user, password))
            return answer.status_code == HTTPStatus.OK and bool(answer.json())

        await wait_until(sees_one, timeout=_SCRAPED, what="Flower to see an executor")
    return [] if refused == HTTPStatus.UNAUTHORIZED else [f"without its password it answers {refused}"]


def _trusting(stack: Composed) -> httpx2.AsyncClient:
    trusted = ssl.create_default_context(cafile=str(stack.authority))
    return httpx2.AsyncClient(trust_env=False, timeout=20.0, verify=trusted)
