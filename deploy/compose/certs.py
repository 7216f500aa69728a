"""`make certs`: an authority, a certificate for each server of compose.yaml, and each service's secrets as files.

What is there already stays, so that running it again changes nothing; delete `deploy/compose/private` to start anew.
For a machine of one's own: in production certificates come from cert-manager or the cloud.

Containers have no root to hand a file over to, so whoever runs in one reads what is mounted into it. Here the folder
above keeps everybody else out.
"""

import base64
import ipaddress
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = Path(__file__).resolve().parent
PRIVATE = HERE / "private"
ENVIRONMENT = HERE.parents[1] / ".env"
COMPOSE_FILES = "compose.yaml:deploy/compose/watch.yaml"

STORES_AND_API = ("postgres", "redis", "gateway", "edge")
WATCHERS = ("prometheus", "alertmanager", "grafana", "tempo", "otel-collector", "flower")
SERVERS = (*STORES_AND_API, *WATCHERS)

SERVICES = ("gateway", "scheduler", "dispatcher", "executor", "reaper")
USERS = (*SERVICES, "flower")
SEALERS = ("gateway", "executor")

LIFETIME = timedelta(days=365)
EARLIER = timedelta(minutes=5)  # clocks differ

Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def name(text: str) -> x509.Name:
    """Return a subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def started(subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.CertificateBuilder:
    """Return what every certificate has."""
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def make_authority(folder: Path, now: datetime) -> Authority:
    """Return the authority of a folder; the first time, make it."""
    if (folder / "ca.key").exists():
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SystemExit(f"{folder / 'ca.key'} is not a key of ours: delete {folder}.")
        return x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        started("Tidewheel on this machine", name("Tidewheel on this machine"), key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    write(folder / "ca.crt", authority.public_bytes(serialization.Encoding.PEM), mode=0o644)
    write(folder / "ca.key", _pem(key), mode=0o600)
    return authority, key


def make_server(folder: Path, server: str, authority: Authority, now: datetime) -> None:
    """Make the certificate of a server, unless it is there."""
    if (folder / "tls.key").exists():
        return
    certificate, signer = authority
    key = ec.generate_private_key(ec.SECP256R1())
    local = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = x509.SubjectAlternativeName([x509.DNSName(server), x509.DNSName("localhost"), local])
    signed = (
        started(server, certificate.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(names, critical=False)
        .add_extension(_signs(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    write(folder / "tls.crt", signed.public_bytes(serialization.Encoding.PEM), mode=0o644)
    write(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    write(folder / "tls.key", _pem(key), mode=0o644)


def make_secrets(private: Path) -> None:
    """Make the passwords and keys that are missing, and the files in which each service finds its own."""
    postgres = kept(private / "postgres" / "password", secrets.token_urlsafe(24))
    kept(private / "grafana" / "password", secrets.token_urlsafe(24))
    redis = {user: kept(private / "passwords" / user, secrets.token_urlsafe(24)) for user in USERS}
    database = f"postgresql://tidewheel:{postgres}@postgres:5432/tidewheel"
    sealing = f"1:{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip('=')}"
    keys = kept(private / "secrets" / "keys", sealing)
    for service in ("migrate", *SERVICES):
        kept(private / "secrets" / service / "tidewheel_database_url", database)
    for service in SERVICES:
        address = f"rediss://{service}:{redis[service]}@redis:6379/0?ssl_ca_certs=/etc/tidewheel/ca.crt"
        kept(private / "secrets" / service / "tidewheel_redis_url", address)
    for service in SEALERS:
        kept(private / "secrets" / service / "tidewheel_keys", keys)
    kept(private / "secrets" / "gateway" / "tidewheel_bootstrap_api_key", f"tw_first_{secrets.token_hex(32)}")
    kept(private / "secrets" / "flower" / "password", redis["flower"])
    kept(private / "secrets" / "flower" / "login", f"operator:{secrets.token_urlsafe(24)}")


def kept(path: Path, content: str) -> str:
    """Return what a file holds; the first time, write it."""
    if not path.exists():
        write(path, content.encode(), mode=0o644)
    return path.read_text(encoding="utf-8")


def write(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that nobody else may read, not even for a moment, unless its mode lets them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)  # whatever the umask: containers look into it
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)


def _signs(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def main(private: Path, environment: Path) -> None:
    """Make everything that is missing, and tell Compose where it lies and of which files it is made."""
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = datetime.now(UTC)  # noqa: TID251 - a certificate begins when it is made
    authority = make_authority(private / "ca", now)
    for server in SERVERS:
        make_server(private / server, server, authority, now)
    make_secrets(private)
    said = environment.read_text(encoding="utf-8") if environment.exists() else ""
    if "TIDEWHEEL_PRIVATE=" not in said:
        environment.write_text(f"{said}TIDEWHEEL_PRIVATE={private}\nCOMPOSE_FILE={COMPOSE_FILES}\n", encoding="utf-8")


if __name__ == "__main__":
    chosen = [Path(argument) for argument in sys.argv[1:]]
    main(*(chosen or (PRIVATE, ENVIRONMENT)))
