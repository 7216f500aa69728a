"""The images of the services: built, and read back from the engine."""

import json
from collections.abc import Iterator
from typing import Any

from tests.deploy.images.engine import Engine

SERVICES = ("gateway", "scheduler", "dispatcher", "executor", "reaper")
USER = "10001:10001"
COMPOSE_FOLDER = "deploy/compose"

_LABELS = ("title", "description", "version", "revision", "licenses")


def tag(service: str, version: str) -> str:
    """Return the name of a service's image, as in compose.yaml."""
    return f"tidewheel/{service}:{version}"


async def build(engine: Engine, service: str, base: str, image: str, *flags: str) -> None:
    """Build the image of a service."""
    arguments = ("--build-arg", f"SERVICE={service}", "--build-arg", f"BASE={base}", "--build-arg", "REVISION=verified")
    await engine.does("docker", "build", "--network", "host", *arguments, "--tag", image, *flags, ".")


async def build_flower(engine: Engine, base: str, image: str) -> None:
    """Build the image of Flower."""
    file = ("--file", f"{COMPOSE_FOLDER}/flower.Dockerfile", "--build-arg", f"BASE={base}")
    await engine.does("docker", "build", "--network", "host", *file, "--tag", image, COMPOSE_FOLDER)


async def inspect(engine: Engine, image: str) -> dict[str, Any]:
    """Return what the engine knows of an image."""
    told: list[dict[str, Any]] = json.loads(await engine.does("docker", "image", "inspect", image))
    return told[0]


async def findings(engine: Engine, image: str) -> list[str]:
    """Return what is wrong with an image."""
    return [f"{image}: {wrong}" for wrong in [*_configured(await inspect(engine, image)), *await _runs(engine, image)]]


def _configured(told: dict[str, Any]) -> Iterator[str]:
    config = told["Config"]
    if config["User"] != USER:
        yield f"it runs as {config['User'] or 'root'}"
    if not config.get("Healthcheck"):
        yield "it has no health check"
    labels = config.get("Labels") or {}
    yield from (f"it has no label {name}" for name in _LABELS if not labels.get(f"org.opencontainers.image.{name}"))


async def _runs(engine: Engine, image: str) -> list[str]:
    """Start it as strictly as compose.yaml does, with no settings: it must say what it lacks."""
    strict = ("--rm", "--read-only", "--cap-drop", "ALL", "--network", "none", "--tmpfs", "/tmp")  # noqa: S108 - inside
    found = []
    bare = await engine.tries("docker", "run", *strict, image)
    if bare.code != 2 or "TIDEWHEEL_DATABASE_URL is not set" not in bare.output:
        found.append(f"without settings it ends with {bare.code}: {bare.output[-300:]}")
    tried = await engine.tries("docker", "run", *strict, image, "sh", "-c", "id -u; touch /app/x /handlers/x")
    if tried.code == 0 or "10001" not in tried.output.split():
        found.append(f"it may write where it must not: {tried.output[-300:]}")
    return found


async def differences(engine: Engine, first: str, second: str) -> list[str]:
    """Return the layers in which two images differ."""
    layers = [(await inspect(engine, image))["RootFS"]["Layers"] for image in (first, second)]
    if len(layers[0]) != len(layers[1]):
        return [f"{first} has {len(layers[0])} layers, {second} has {len(layers[1])}"]
    return [
        f"layer {n} is {one} and {other}" for n, (one, other) in enumerate(zip(*layers, strict=True)) if one != other
    ]
