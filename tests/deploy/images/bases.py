"""The images that ours start from and stand beside: the official ones, or stand-ins where no registry answers."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings
from tests.deploy.images.engine import Engine, NoEngine

PYTHON = "python:3.12-slim-bookworm"
STANDINS = Path(__file__).with_name("standins")

_DEBIAN = "http://deb.debian.org/debian"
_BASE = "tidewheel-verify/base"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


class Chosen(BaseSettings):
    """What the caller chose, by the variables of compose.yaml."""

    base: Annotated[str, Field(min_length=1)] | None = None
    postgres_image: Annotated[str, Field(min_length=1)] | None = None
    redis_image: Annotated[str, Field(min_length=1)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """What compose.yaml is told to use.

    Attributes:
        standins: whether these are not the official images.
    """

    base: str
    postgres: str
    redis: str
    standins: bool

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of compose.yaml."""
        return {"BASE": self.base, "POSTGRES_IMAGE": self.postgres, "REDIS_IMAGE": self.redis}


async def find_bases(engine: Engine, official: Mapping[str, str]) -> Bases:
    """Return images that are here, pulled or made.

    Args:
        engine: where they are to be.
        official: the images of compose.yaml, by its variables.

    Raises:
        NoEngine: none can be had.
    """
    chosen = Chosen()
    base = chosen.base or await _base(engine)
    if chosen.postgres_image and chosen.redis_image:
        return Bases(base=base, postgres=chosen.postgres_image, redis=chosen.redis_image, standins=False)
    if base == PYTHON and await _pulled(engine, official["POSTGRES_IMAGE"]):
        await engine.does("docker", "pull", "--quiet", official["REDIS_IMAGE"])
        return Bases(base=base, postgres=official["POSTGRES_IMAGE"], redis=official["REDIS_IMAGE"], standins=False)
    made = {target: await _standin(engine, target, base) for target in ("postgres", "redis")}
    return Bases(base=base, **made, standins=True)


async def _pulled(engine: Engine, image: str) -> bool:
    return await engine.has(image) or (await engine.tries("docker", "pull", "--quiet", image)).code == 0


async def _base(engine: Engine) -> str:
    if await _pulled(engine, PYTHON):
        return PYTHON
    if not await engine.has(_BASE):
        if shutil.which("debootstrap") is None or os.geteuid() != 0:
            raise NoEngine(f"{PYTHON} cannot be pulled, and to make a base takes root and `debootstrap`")
        with tempfile.TemporaryDirectory(prefix="tidewheel-base-") as folder:
            await _bootstrap(engine, Path(folder))
    return _BASE


async def _bootstrap(engine: Engine, folder: Path) -> None:
    root = folder / "root"
    packages = "ca-certificates,python3,python3-venv"
    await engine.does("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root), _DEBIAN)
    # Whom this machine trusts, its image trusts: there may be a proxy between it and PyPI.
    shutil.copyfile(_AUTHORITIES, root / _AUTHORITIES.lstrip("/"))
    (root / "usr/bin/python").symlink_to("python3")
    archive = folder / "root.tar"
    await engine.does("tar", "-C", str(root), "-cf", str(archive), ".")
    trusts = f"ENV PIP_CERT={_AUTHORITIES} SSL_CERT_FILE={_AUTHORITIES}"
    await engine.does("docker", "import", "--change", trusts, str(archive), _BASE)


async def _standin(engine: Engine, target: str, base: str) -> str:
    image = f"tidewheel-verify/{target}"
    build = ("docker", "build", "--network", "host", "--build-arg", f"BASE={base}", "--target", target, "--tag", image)
    await engine.does(*build, str(STANDINS))
    return image
