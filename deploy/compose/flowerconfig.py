"""Flower's own configuration: where Redis is, who may look, and with which certificate."""

import os
from pathlib import Path

_SECRETS = Path("/run/tidewheel")

_PASSWORD = (_SECRETS / "password").read_text(encoding="utf-8").strip()
_TLS = "ssl_cert_reqs=required&ssl_ca_certs=/etc/tidewheel/ca.crt"

# Celery reads its broker from the environment, after this file and before it connects.
os.environ["CELERY_BROKER_URL"] = f"rediss://flower:{_PASSWORD}@redis:6379/0?{_TLS}"  # noqa: TID251 - it asks nobody else

port = 5555
basic_auth = [(_SECRETS / "login").read_text(encoding="utf-8").strip()]
certfile = "/private/tls.crt"
keyfile = "/private/tls.key"
