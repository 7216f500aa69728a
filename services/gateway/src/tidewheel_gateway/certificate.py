"""The certificate that the gateway serves. It is renewed under a running process, so its files are looked at again."""

import ssl
from pathlib import Path

import structlog
from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge

from tidewheel_common.core.errors import Misconfigured

EVERY = 30.0
"""Seconds between two looks at the files."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Certificate:
    """A certificate and its key, as files that others may replace.

    Args:
        chain: the file of the certificate, with its chain, as PEM.
        key: the file of its private key.
        registry: where the time at which it expires is shown.

    Raises:
        Misconfigured: the files do not hold a certificate and its key.
    """

    def __init__(self, chain: Path, key: Path, registry: CollectorRegistry) -> None:
        self._chain = chain
        self._key = key
        self._expires = Gauge(
            "tidewheel_certificate_expires_timestamp_seconds",
            "When the certificate that is served expires, in seconds since 1970.",
            registry=registry,
        )
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._seen = self._look()
        try:
            self._read()
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"TIDEWHEEL_TLS_CERTIFICATE and TIDEWHEEL_TLS_KEY hold no certificate with its key: {error}."
            ) from error

    def opened(self, *_: object) -> ssl.SSLContext:
        """Return what TLS connections are opened with; a renewed certificate holds for new ones."""
        return self._context

    async def tick(self) -> None:
        """Read the files again if they have changed; what cannot be used is not, and is looked at again."""
        found = self._look()
        if found == self._seen:
            return
        try:
            self._read()
        except (OSError, ValueError) as error:
            log.warning("certificate.refused", error=str(error))
            return
        self._seen = found
        log.info("certificate.renewed")

    def _look(self) -> list[tuple[int, int]]:
        try:
            return [(found.st_ino, found.st_mtime_ns) for found in (self._chain.stat(), self._key.stat())]
        except FileNotFoundError:
            return []

    def _read(self) -> None:
        expires = x509.load_pem_x509_certificates(self._chain.read_bytes())[0].not_valid_after_utc
        # First into a context that nobody uses: a key that does not fit would leave half of itself behind.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._context):
            context.load_cert_chain(self._chain, self._key)
        self._expires.set(expires.timestamp())
