"""Writes each chart's values.schema.json. A value that no template reads is refused: it is a typing error.

Run it after a change of values: `python deploy/verify/schemas.py`; with --check it only tells whether that is needed.
"""

import json
import sys
from pathlib import Path

from shapes import ANYTHING, COUNT, FLAG, MAP, OBJECTS, PORT, SECONDS, TEXT, WORDS, Schema, closed, one_of

HELM = Path(__file__).resolve().parents[1] / "helm"

IMAGE = closed(
    registry=TEXT,
    repository=TEXT,
    tag={"type": "string", "not": {"const": "latest"}},
    digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    pullPolicy=one_of("Always", "IfNotPresent", "Never"),
    pullSecrets=OBJECTS,
)
EXTERNAL = closed(
    enabled=FLAG,
    store=closed(name=TEXT, kind=one_of("SecretStore", "ClusterSecretStore")),
    remoteKey=TEXT,
    refreshInterval=TEXT,
)
SECRET = closed(name=TEXT, external=EXTERNAL)
AUTHORITY = closed(configMap=TEXT, key=TEXT)
RESOURCES = closed(("requests", "limits"), requests=ANYTHING, limits={**ANYTHING, "required": ["memory"]})
PEERS = closed(to=OBJECTS, port=PORT)

PLACEMENT = {"nodeSelector": MAP, "tolerations": OBJECTS, "priorityClassName": TEXT, "podAnnotations": MAP}

VARIABLE: Schema = {"type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$"}
OWN_VARIABLE: Schema = {
    **VARIABLE,
    "anyOf": [{"enum": ["TIDEWHEEL_URL", "TIDEWHEEL_API_KEY"]}, {"not": {"pattern": "^(TIDEWHEEL_|PGSSL)"}}],
}
"""What a service's chart takes as it is: settings of Tidewheel have values of their own; handlers may be clients."""


def variables(names: Schema) -> dict[str, Schema]:
    """Return the schemas of the variables that a chart does not know of."""
    named: Schema = {"type": "object", "propertyNames": names, "additionalProperties": TEXT}
    return {"environment": named, "secretEnvironment": named}


PODS = {
    **PLACEMENT,
    "replicas": COUNT,
    "image": IMAGE,
    "stopGrace": SECONDS,
    "secret": SECRET,
    "serviceAccount": closed(annotations=MAP),
    "resources": RESOURCES,
    "disruption": closed(maxUnavailable={"type": "integer", "minimum": 1}),
    "common": ANYTHING,
    "global": ANYTHING,
}
MONITOR = {"enabled": FLAG, "interval": TEXT, "labels": MAP}
ALERTS = closed(enabled=FLAG, runbooks={"type": "string", "pattern": "^(https://.*/)?$"}, labels=MAP)
DATABASE = closed(sslMode=one_of("verify-full", "verify-ca", "require", "prefer", "disable"), ca=AUTHORITY)
SHARED = {
    **PODS,
    **variables(OWN_VARIABLE),
    "logLevel": one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    "otlpEndpoint": TEXT,
    "database": DATABASE,
    "redis": closed(ca=AUTHORITY),
    "monitor": closed(**MONITOR),
    "alerts": ALERTS,
}


def policy(**more: Schema) -> Schema:
    """Return the schema of `networkPolicy`."""
    return closed(enabled=FLAG, monitoringNamespace=TEXT, extraEgress=OBJECTS, **more)


STORES = {"database": PEERS, "redis": PEERS, "otlp": PEERS}
POLICY = policy(**STORES, clients=OBJECTS)
AUTOSCALING = closed(
    by=one_of("none", "cpu", "backlog"),
    min=COUNT,
    max={"type": "integer", "minimum": 1},
    cpuPercent={"type": "integer", "minimum": 1, "maximum": 100},
    prometheus=TEXT,
    waitSeconds=SECONDS,
    tasksEach={"type": "integer", "minimum": 1},
    fallback=COUNT,
)
BY_CPU = closed(**{**AUTOSCALING["properties"], "by": one_of("none", "cpu")})
ISSUED = closed(enabled=FLAG, issuer=closed(name=TEXT, kind=one_of("Issuer", "ClusterIssuer")))
MIGRATE = {"enabled": FLAG, "deadline": SECONDS, "secret": SECRET, "resources": RESOURCES}
INGRESS = {"enabled": FLAG, "className": TEXT, "host": TEXT, "tlsSecret": TEXT, "annotations": MAP}
PATH: Schema = {"type": "string", "pattern": "^/"}


def service(settings: Schema, **own: Schema) -> Schema:
    """Return the schema of a service's values."""
    shared = {key: schema for key, schema in SHARED.items() if key not in ("common", "global")}
    umbrella = closed(tidewheel=closed(**shared, networkPolicy=POLICY))
    return closed(
        **{**SHARED, "global": {**umbrella, "additionalProperties": True}},
        port=PORT,
        settings=settings,
        **{"networkPolicy": policy(**STORES), **own},
    )


def application(**own: Schema) -> Schema:
    """Return the schema of the values of a program that is not ours: a value that fits ours need not fit it."""
    return closed(
        **PODS,
        **variables(VARIABLE),
        enabled=FLAG,
        command=WORDS,
        ask={**WORDS, "minItems": 1},
        port=PORT,
        probes=closed(alive=PATH, ready=PATH),
        ingress=closed(**INGRESS, path=PATH),
        **own,
    )


EXECUTOR_SETTINGS = closed(
    handlers=WORDS,
    celeryApp=TEXT,
    queues={"type": "array", "items": {"type": "string", "pattern": r"^(\*|[A-Za-z0-9_.:-]+)$"}, "minItems": 1},
    concurrency={"type": "integer", "minimum": 1},
    executorHeartbeat=SECONDS,
    defaultTimeout=SECONDS,
    timeoutGrace=SECONDS,
    abandonedAfter=SECONDS,
    packSeconds=SECONDS,
    packTasks={"type": "integer", "minimum": 1, "maximum": 2000},
    cancelGrace=SECONDS,
    kinds={"type": "array", "items": one_of("http.request", "email.send", "script.run", "notify", "none")},
    httpAllow=WORDS,
    httpResponseBytes=COUNT,
    scriptSandbox=one_of("auto", "required", "off"),
    scriptNetwork=FLAG,
    scriptCpuSeconds=COUNT,
    scriptMemoryMib=COUNT,
    scriptFileMib=COUNT,
    scriptOutputBytes=COUNT,
    smtpHost=TEXT,
    smtpPort=PORT,
    smtpSecurity=one_of("starttls", "tls", "none"),
    smtpUsername=TEXT,
    smtpSender=TEXT,
    smtpTimeout=SECONDS,
)
POOL_NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$"}
POOL = closed(
    ("name",),
    name=POOL_NAME,
    settings=EXECUTOR_SETTINGS,
    autoscaling=AUTOSCALING,
    **variables(OWN_VARIABLE),
    **{key: SHARED[key] for key in (*PLACEMENT, "image", "replicas", "stopGrace", "resources", "disruption")},
)

REDIS = closed(
    **PLACEMENT,
    image=IMAGE,
    port=PORT,
    maxmemory=TEXT,
    storage=closed(size=TEXT, className=TEXT),
    secret=SECRET,
    disruption=closed(maxUnavailable=COUNT),
    tls=closed(secret=TEXT, certManager=ISSUED),
    networkPolicy=closed(enabled=FLAG),
    alerts=ALERTS,
    resources=RESOURCES,
    enabled=FLAG,
    **{"global": ANYTHING, "common": ANYTHING},
)
BACKEND = application(
    drainSeconds=COUNT,
    reaches={"type": "array", "items": one_of("database", "gateway"), "uniqueItems": True},
    database=DATABASE,
    gateway=closed(url={"type": "string", "pattern": "^https?://"}, ca=AUTHORITY),
    autoscaling=BY_CPU,
    monitor=closed(**MONITOR, path=PATH),
    networkPolicy=policy(clients=OBJECTS, database=PEERS, gateway=PEERS),
    migrate=closed(**MIGRATE, command=WORDS, variable=VARIABLE),
)
CONSOLE = application(
    config={"type": "object", "properties": {"gateway": {"type": "string", "pattern": "^(https://[^ /]+)?$"}}},
    server=closed(enabled=FLAG, root=PATH, contentSecurityPolicy={"type": "string", "pattern": '^[^"$]*$'}),
    monitor=closed(**MONITOR),
    networkPolicy=policy(clients=OBJECTS),
)
CANARY = closed(
    enabled=FLAG,
    schedule=TEXT,
    within={"type": "string", "pattern": "^[0-9]"},
    arguments=WORDS,
    image=IMAGE,
    secret=SECRET,
    resources=RESOURCES,
)

SCHEMAS = {
    "gateway": service(
        closed(callsInFlight={"type": "integer", "minimum": 1}, poolSize={"type": "integer", "minimum": 2}),
        networkPolicy=POLICY,
        autoscaling=BY_CPU,
        tls=closed(enabled=FLAG, secret=TEXT, ca=AUTHORITY, certManager=ISSUED),
        ingress=closed(**INGRESS),
        route=closed(enabled=FLAG, host=TEXT, parents=OBJECTS),
        migrate=closed(**MIGRATE),
        canary=CANARY,
    ),
    "scheduler": service(
        closed(executorStale=SECONDS, celeryApp=TEXT, rescuesPerMinute={"type": "integer", "minimum": 1}),
        strategy=one_of("RollingUpdate", "Recreate"),
    ),
    "dispatcher": service(closed(queuedOverdue=SECONDS, executorStale=SECONDS)),
    "executor": service(
        EXECUTOR_SETTINGS, autoscaling=AUTOSCALING, pools={"type": "array", "items": POOL, "minItems": 1}
    ),
    "reaper": service(closed(firesAge=SECONDS)),
    "redis": REDIS,
    "backend": BACKEND,
    "console": CONSOLE,
}
SCHEMAS["tidewheel"] = closed(
    **dict.fromkeys(SCHEMAS, ANYTHING), **{"global": ANYTHING}, postgres=closed(name=TEXT, externalName=TEXT)
)


def text(chart: str) -> str:
    """Return what a chart's values.schema.json holds."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **SCHEMAS[chart]}
    return json.dumps(schema, indent=1) + "\n"


def stale() -> list[Path]:
    """Return the files that do not hold what they should."""
    files = {HELM / chart / "values.schema.json": text(chart) for chart in SCHEMAS}
    return [path for path, held in files.items() if not path.exists() or path.read_text(encoding="utf-8") != held]


def main() -> int:
    """Write the schemas, or check them."""
    wrong = stale()
    if "--check" not in sys.argv:
        for path in wrong:
            path.write_text(text(path.parent.name), encoding="utf-8")
        return 0
    for path in wrong:
        sys.stderr.write(f"{path} is not what deploy/verify/schemas.py makes: run it.\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
