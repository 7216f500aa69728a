"""The images that ours start from and stand beside: the official ones, or stand-ins where no registry answers."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field
from pydantic_settings import BaseSettings
from tests.deploy.images.engine import REPOSITORY, Engine, NoEngine

PYTHON = "python:3.12-slim-bookworm"
STANDINS = Path(__file__).with_name("standins")

_DEBIAN = "http://deb.debian.org/debian"
_BASE = "tidewheel-verify/base"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


_STANDINS = ("postgres", "redis", "traefik", "prometheus", "alertmanager")
FILES = ("compose.yaml", "deploy/compose/watch.yaml")
_IMAGE = re.compile(r"\$\{(?P<variable>\w+_IMAGE):-(?P<image>[^}]+)\}")


class Chosen(BaseSettings):
    """What the caller chose, by the variables of compose.yaml."""

    base: Annotated[str, Field(min_length=1)] | None = None
    postgres_image: Annotated[str, Field(min_length=1)] | None = None
    redis_image: Annotated[str, Field(min_length=1)] | None = None
    traefik_image: Annotated[str, Field(min_length=1)] | None = None
    prometheus_image: Annotated[str, Field(min_length=1)] | None = None
    alertmanager_image: Annotated[str, Field(min_length=1)] | None = None
    grafana_image: Annotated[str, Field(min_length=1)] | None = None
    tempo_image: Annotated[str, Field(min_length=1)] | None = None
    otel_collector_image: Annotated[str, Field(min_length=1)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """What compose.yaml is told to use.

    Attributes:
        base: what our images start from.
        images: the image of each service that is not ours.
        standins: those of them that are not the official ones.
        lacking: services whose image cannot be had here.
    """

    base: str
    images: Mapping[str, str]
    standins: Sequence[str]
    lacking: Sequence[str]

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of compose.yaml."""
        variables = {service: variable for service, (variable, _) in official().items()}
        return {"BASE": self.base, **{variables[service]: image for service, image in self.images.items()}}


def official() -> dict[str, tuple[str, str]]:
    """Return each service that is not ours, with the variable that replaces its image, and its official image."""
    texts = ((REPOSITORY / name).read_text(encoding="utf-8") for name in FILES)
    services = {name: told for text in texts for name, told in yaml.safe_load(text)["services"].items()}
    found = {name: _IMAGE.fullmatch(told.get("image", "")) for name, told in services.items()}
    return {name: (match["variable"], match["image"]) for name, match in found.items() if match}


async def find_bases(engine: Engine) -> Bases:
    """Return images that are here, pulled or made.

    Raises:
        NoEngine: there is no base for ours, and none can be made.
    """
    chosen = Chosen()
    base = chosen.base or await _base(engine)
    images, standins, lacking = {}, [], []
    for service, (variable, image) in official().items():
        if given := getattr(chosen, variable.lower()):
            images[service] = given
        elif base == PYTHON and await _pulled(engine, image):
            images[service] = image
        elif service in _STANDINS:
            images[service] = await _standin(engine, service, base)
            standins.append(service)
        else:
            lacking.append(service)
    return Bases(base=base, images=images, standins=standins, lacking=lacking)


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
