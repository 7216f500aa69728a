"""The two images that no file of Compose names: the canary's and the example's backend. Run beside a running stack."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.images.built import USER, inspect, tag
from tests.deploy.images.composed import Composed
from tests.deploy.images.engine import REPOSITORY, Engine
from tests.support import wait_until

_AUTHORITY = "/etc/tidewheel/ca.crt"
_STRICT = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")  # noqa: S108 - inside
_STARTS = 60.0  # seconds
_READY = "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"


async def build(engine: Engine, base: str, version: str) -> None:
    """Build both."""
    given = ("--network", "host", "--build-arg", f"BASE={base}")
    cli = ("--build-arg", "SERVICE=cli", "--tag", tag("cli", version))
    await engine.does("docker", "build", *given, *cli, ".")
    with tempfile.TemporaryDirectory(prefix="tidewheel-backend-") as folder:
        _lay_out(Path(folder))
        file = ("--file", f"{folder}/examples/reminders/Dockerfile")
        await engine.does("docker", "build", *given, *file, "--tag", tag("backend", version), folder)


def _lay_out(folder: Path) -> None:
    """Lay out what the backend is built from: only BuildKit reads Dockerfile.dockerignore instead of .dockerignore."""
    for part in ("libs", "services", "examples/reminders"):
        shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "console"))
    for file in ("pyproject.toml", "uv.lock"):
        shutil.copy(REPOSITORY / file, folder)


async def canary(stack: Composed, version: str) -> list[str]:
    """Send one task through everything, as the CronJob of the gateway's chart does."""
    told = _caller(stack)
    done = await stack.engine.tries(
        *_run(stack, told, "--rm"), tag("cli", version), "tidewheel", "canary", "--within", "60s"
    )
    return [] if done.code == 0 else [f"it ends with {done.code}: {done.output[-500:]}"]


async def backend(stack: Composed, version: str) -> list[str]:
    """Wait until the backend is ready beside the stack; its image has no root."""
    name = f"{stack.project}-backend"
    told = {
        **_caller(stack),
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": _AUTHORITY,
        "REMINDERS_DATABASE_URL": stack.secret("secrets/gateway/tidewheel_database_url"),
        "TIDEWHEEL_KEYS": stack.secret("secrets/gateway/tidewheel_keys"),
    }
    await stack.engine.does(*_run(stack, told, "--detach", "--name", name), tag("backend", version))

    async def ready() -> bool:
        return (await stack.engine.tries("docker", "exec", name, "python", "-c", _READY)).code == 0

    try:
        await wait_until(ready, timeout=_STARTS, what="the backend to be ready")
    except AssertionError as late:
        return [str(late), (await stack.engine.tries("docker", "logs", "--tail", "20", name)).output]
    finally:
        await stack.engine.tries("docker", "rm", "--force", name)
    user = (await inspect(stack.engine, tag("backend", version)))["Config"]["User"]
    return [] if user == USER else [f"it runs as {user or 'root'}"]


def _caller(stack: Composed) -> dict[str, str]:
    return {
        "TIDEWHEEL_URL": "https://gateway:8080",
        "TIDEWHEEL_CA": _AUTHORITY,
        "TIDEWHEEL_API_KEY": stack.secret("secrets/gateway/tidewheel_bootstrap_api_key"),
    }


def _run(stack: Composed, told: Mapping[str, str], *more: str) -> tuple[str, ...]:
    variables = (word for name, value in told.items() for word in ("--env", f"{name}={value}"))
    place = ("--network", stack.network, "--volume", f"{stack.authority}:{_AUTHORITY}:ro")
    return ("docker", "run", *_STRICT, *place, *variables, *more)
