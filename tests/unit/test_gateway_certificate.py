"""The gateway's certificate, renewed under it."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry
from tests.deploy.charts import ROOT, imported

from tidewheel_common.core.errors import Misconfigured
from tidewheel_gateway.certificate import Certificate

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - TLS checks it against the clock of this machine


@pytest.fixture(scope="module")
def certs() -> ModuleType:
    return imported(ROOT / "deploy" / "compose" / "certs.py")


def make(certs: ModuleType, folder: Path, now: datetime) -> bytes:
    """Put a new certificate and its key into a folder, and return it."""
    for name in ("tls.crt", "tls.key"):
        (folder / name).unlink(missing_ok=True)
    certs.make_server(folder, "gateway", certs.make_authority(folder / "ca", NOW), now)
    return (folder / "tls.crt").read_bytes()


async def served(certificate: Certificate) -> x509.Certificate:
    """Return what a new connection is shown."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=certificate.opened())
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=anybody)
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    return x509.load_der_x509_certificate(shown)


async def test_a_renewed_certificate_is_served_and_a_broken_one_is_not(certs: ModuleType, tmp_path: Path) -> None:
    first = make(certs, tmp_path, NOW - timedelta(days=30))
    registry = CollectorRegistry()
    certificate = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key", registry)

    def expires() -> float | None:
        return registry.get_sample_value("tidewheel_certificate_expires_timestamp_seconds")

    before = expires()
    second = make(certs, tmp_path, NOW)
    await certificate.tick()
    assert (await served(certificate)) == x509.load_pem_x509_certificate(second)
    assert before is not None
    assert expires() == before + timedelta(days=30).total_seconds()

    (tmp_path / "tls.crt").write_bytes(first)  # its key is gone
    await certificate.tick()
    (tmp_path / "tls.key").unlink()
    await certificate.tick()
    assert (await served(certificate)) == x509.load_pem_x509_certificate(second)


def test_files_without_a_certificate_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text("no certificate", encoding="utf-8")
    with pytest.raises(Misconfigured, match="TIDEWHEEL_TLS_CERTIFICATE and TIDEWHEEL_TLS_KEY hold no certificate"):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.crt", CollectorRegistry())
