# One file for every service: docker build --build-arg SERVICE=gateway -t tidewheel/gateway .
#
# The base needs Python 3.11 or newer and glibc. Pin it by digest where images are made for others:
# --build-arg BASE=python:3.12-slim-bookworm@sha256:…
#
# The same base, source and SOURCE_DATE_EPOCH make the same layers, byte for byte: docs/operations/images.md.
ARG BASE=python:3.12-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build
ARG SERVICE
ARG UV_VERSION=0.13.8
# Compiled modules are told from stale ones by what is in a source, not by when it was written.
ENV UV_COMPILE_BYTECODE=1 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/app
RUN test -n "${SERVICE}" || { echo "Say which service: --build-arg SERVICE=gateway" >&2; exit 1; } ; \
    python3 -m venv /uv && /uv/bin/pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /src
# What others wrote comes first: it changes seldom, so its layer is kept from one build to the next. The lock is taken as
# it is (--frozen): examples belong to the workspace, but not into an image; `make sync` refuses a lock that is stale.
COPY pyproject.toml uv.lock ./
COPY libs/client/pyproject.toml libs/client/
COPY libs/cli/pyproject.toml libs/cli/
COPY libs/common/pyproject.toml libs/common/
COPY services/dispatcher/pyproject.toml services/dispatcher/
COPY services/executor/pyproject.toml services/executor/
COPY services/gateway/pyproject.toml services/gateway/
COPY services/reaper/pyproject.toml services/reaper/
COPY services/scheduler/pyproject.toml services/scheduler/
RUN /uv/bin/uv sync --frozen --no-default-groups --no-install-workspace --package "tidewheel-${SERVICE}"
COPY libs libs
COPY services services
RUN /uv/bin/uv sync --frozen --no-default-groups --no-editable --package "tidewheel-${SERVICE}"
# uv notes when our own sources changed, for a next sync that never comes. `handlers` is where a handler's modules are put:
# in an image that starts from this one, or by a mount.
ARG SOURCE_DATE_EPOCH=0
RUN find /app -name uv_cache.json -delete && find /app -name RECORD -exec sed -i /uv_cache.json/d {} + && \
    mkdir -p /image/handlers && mv /app /image/app && \
    find /image -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +

# hadolint ignore=DL3006
FROM ${BASE}
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tidewheel-${SERVICE}" \
      org.opencontainers.image.description="Tidewheel, a distributed task scheduling service: the ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
WORKDIR /handlers
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SERVICE=${SERVICE} \
    TIDEWHEEL_PORT=8080 \
    TIDEWHEEL_HEALTH_PORT=9100
USER 10001:10001
# For engines without probes of their own; Kubernetes asks the port directly.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/healthz' % os.environ['TIDEWHEEL_PORT' if os.environ['SERVICE'] == 'gateway' else 'TIDEWHEEL_HEALTH_PORT'], timeout=4)"]
CMD ["sh", "-c", "exec python -m tidewheel_${SERVICE}"]
