"""`make certs`, and the gateway behind one of its certificates."""

import os
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.support import wait_until

from tidewheel_cli.embedded.ports import free_ports
from tidewheel_cli.embedded.program import Program, running
from tidewheel_common.process.settings import load_settings
from tidewheel_gateway.settings import GatewaySettings

NOW = datetime.now(UTC)  # noqa: TID251 - the certificates are checked against the clock of this machine


async def test_the_gateway_serves_its_api_over_tls_and_nothing_without(
    certs: ModuleType, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    authority = certs.make_authority(tmp_path / "ca", NOW)
    certs.make_server(tmp_path / "gateway", "gateway", authority, NOW)
    (port,) = free_ports(1)
    environment = {
        "TIDEWHEEL_DATABASE_URL": database_url,
        "TIDEWHEEL_REDIS_URL": redis_url,
        "TIDEWHEEL_KEYS": f"2026:{'A' * 43}",
        "TIDEWHEEL_PORT": str(port),
        "TIDEWHEEL_TLS_CERTIFICATE": str(tmp_path / "gateway" / "tls.crt"),
        "TIDEWHEEL_TLS_KEY": str(tmp_path / "gateway" / "tls.key"),
    }
    command = (sys.executable, "-m", "tidewheel_gateway")
    program = Program(name="gateway", command=command, environment=environment, log=tmp_path / "gateway.log")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca" / "ca.crt"))
    async with running(program), httpx2.AsyncClient(verify=trusted, trust_env=False) as http:

        async def ready() -> bool:
            try:
                return (await http.get(f"https://127.0.0.1:{port}/readyz")).status_code == 200
            except httpx2.ConnectError:
                return False

        await wait_until(ready, timeout=60, what="the gateway to answer over TLS")
        with pytest.raises(httpx2.TransportError):
            await http.get(f"http://127.0.0.1:{port}/readyz")


def test_a_certificate_without_its_key_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", "postgresql://me@db/tidewheel")
    monkeypatch.setenv("TIDEWHEEL_REDIS_URL", "redis://redis")
    monkeypatch.setenv("TIDEWHEEL_KEYS", "a:b")
    monkeypatch.setenv("TIDEWHEEL_TLS_CERTIFICATE", __file__)
    with pytest.raises(SystemExit):
        load_settings(GatewaySettings)
    assert "TIDEWHEEL_TLS_KEY go together" in capsys.readouterr().err


def test_what_is_there_already_stays(certs: ModuleType, tmp_path: Path) -> None:
    def make() -> dict[Path, bytes]:
        certs.main(tmp_path / "private", tmp_path / "env")
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert make() == make()


def test_another_authority_signs_everything_anew_and_leaves_passwords_and_keys(
    certs: ModuleType, tmp_path: Path
) -> None:
    private = tmp_path / "private"

    def found() -> dict[Path, bytes]:
        certs.main(private, tmp_path / "env")
        return {path: path.read_bytes() for path in private.rglob("*") if path.is_file()}

    before = found()
    for pattern in ("ca/ca.*", "*/tls.crt", "*/tls.key"):  # as docs/operations/certificates.md says
        for path in private.glob(pattern):
            path.unlink()
    after = found()
    assert before.keys() == after.keys()
    changed = {path.name for path in before if before[path] != after[path]}
    same = {path.name for path in before if before[path] == after[path]}
    assert (changed, same & changed) == ({"ca.crt", "ca.key", "tls.crt", "tls.key"}, set())


def test_only_the_folder_above_keeps_others_out_and_nobody_is_given_the_authoritys_key(
    certs: ModuleType, tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        certs.main(tmp_path / "private", tmp_path / "env")
    finally:
        os.umask(before)
    private = tmp_path / "private"
    assert private.stat().st_mode & 0o777 == 0o700
    hidden = {path.name for path in private.rglob("*") if path.is_file() and not path.stat().st_mode & 0o004}
    assert hidden == {"ca.key"}, "containers run as users of their own, and read what is mounted into them"
    assert all(path.stat().st_mode & 0o005 == 0o005 for path in private.rglob("*") if path.is_dir())


def test_each_service_finds_its_own_secrets_and_no_other(certs: ModuleType, tmp_path: Path) -> None:
    certs.main(tmp_path / "private", tmp_path / "env")
    places = tmp_path / "private" / "secrets"
    found = {place.name: {path.name for path in place.iterdir()} for place in places.iterdir() if place.is_dir()}
    stores = {"tidewheel_database_url", "tidewheel_redis_url"}
    assert found == {
        "migrate": {"tidewheel_database_url"},
        "gateway": stores | {"tidewheel_keys", "tidewheel_bootstrap_api_key"},
        "executor": stores | {"tidewheel_keys"},
        **dict.fromkeys(("scheduler", "dispatcher", "reaper"), stores),
        "flower": {"password", "login"},
    }
    passwords = {
        service: urlsplit((places / service / "tidewheel_redis_url").read_text(encoding="utf-8")).password
        for service in ("gateway", "scheduler", "dispatcher", "executor", "reaper")
    }
    assert len(set(passwords.values())) == 5, "one user and password of Redis each"
