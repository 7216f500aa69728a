"""What every object of every chart must hold, whatever its values. Each breach is a sentence."""

from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob", "Pod")
LASTING = ("Deployment", "StatefulSet")

USERS_OF_THE_NODE = 10_000  # ids below may belong to somebody there
SPREAD_OVER = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}

SERVICES = ("gateway", "scheduler", "dispatcher", "executor", "reaper")
APPLICATIONS = ("backend", "console")
DNS, POSTGRES, REDIS, OTLP, HTTPS, GATEWAY = "dns", "postgres", "redis", "otlp", "https", "gateway"

MUST_REACH = {
    **{service: {DNS, POSTGRES, REDIS} for service in SERVICES},
    "gateway-migrate": {DNS, POSTGRES},
    "gateway-canary": {DNS, GATEWAY},
    "redis": set[str](),
    "backend": {DNS, POSTGRES, GATEWAY},
    "backend-migrate": {DNS, POSTGRES},
    "console": set[str](),
    **{f"{name}-test": {DNS, name} for name in (*SERVICES, *APPLICATIONS, "redis")},
}
"""The links that leave a pod. No other may, but spans where they are switched on and what values name."""


def place(manifest: Manifest) -> str:
    """Return an object's kind and name."""
    return f"{manifest['kind']} {manifest['metadata'].get('name')}"


def pod_of(manifest: Manifest) -> Manifest:
    """Return the pod spec of a workload."""
    spec: Manifest = _holder(manifest)["spec"]
    return spec


def labels_of(manifest: Manifest) -> dict[str, str]:
    """Return the labels of a workload's pods."""
    labels: dict[str, str] = _holder(manifest)["metadata"]["labels"]
    return labels


def _holder(manifest: Manifest) -> Manifest:
    """Return what has a pod's metadata and spec."""
    if manifest["kind"] == "Pod":
        return manifest
    spec = manifest["spec"]
    template: Manifest = spec["jobTemplate"]["spec"]["template"] if manifest["kind"] == "CronJob" else spec["template"]
    return template


def containers_of(manifest: Manifest) -> list[Manifest]:
    """Return every container of a workload, also those that run first."""
    pod = pod_of(manifest)
    return [*pod.get("initContainers", []), *pod["containers"]]


def breaches(manifests: list[Manifest]) -> list[str]:
    """Return what is wrong with the objects of one release."""
    found = [f"{place(manifest)}: {wrong}" for manifest in manifests for wrong in _alone(manifest)]
    return [*found, *_together(manifests)]


def _alone(manifest: Manifest) -> Iterator[str]:
    if manifest["kind"] not in WORKLOADS:
        return
    yield from _pod(pod_of(manifest))
    for container in containers_of(manifest):
        for wrong in _container(container):
            yield f"container {container['name']}: {wrong}"
    if manifest["kind"] in LASTING:
        yield from _lasting(manifest)


def _pod(pod: Manifest) -> Iterator[str]:
    security = pod.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or security.get("runAsUser", 0) < USERS_OF_THE_NODE:
        yield "it may run as root, or as a user of the node."
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "it has no seccomp profile."
    if pod.get("automountServiceAccountToken") is not False:
        yield "it is given a token for the Kubernetes API, which it does not call."
    if pod.get("serviceAccountName", "default") == "default":
        yield "it runs as the default service account."
    for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(forbidden):
            yield f"it asks for {forbidden}."
    if any("hostPath" in volume for volume in pod.get("volumes", [])):
        yield "it mounts a directory of the node."


def _container(container: Manifest) -> Iterator[str]:
    tag = container["image"].rpartition("/")[2].partition(":")[2]
    if "@sha256:" not in container["image"] and tag in ("", "latest"):
        yield f"the image {container['image']} is not pinned."
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "it may gain privileges."
    if security.get("readOnlyRootFilesystem") is not True:
        yield "its root file system can be written."
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "it keeps capabilities."
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
        yield "it lacks a request for CPU or memory, or a limit of memory."
    names = [variable["name"] for variable in container.get("env", [])]
    if len(names) != len(set(names)):
        yield "a variable is named twice; a server-side apply refuses that."
    if "celery" in str([container.get(probe) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]):
        yield "a probe starts Celery."


def _lasting(manifest: Manifest) -> Iterator[str]:
    pod = pod_of(manifest)
    for container in pod["containers"]:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe not in container:
                yield f"container {container['name']} has no {probe}."
        grace = next((v["value"] for v in container.get("env", []) if v["name"] == "TIDEWHEEL_STOP_GRACE"), "0")
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pod["terminationGracePeriodSeconds"] <= float(grace) + pause:
            yield "Kubernetes would kill it before its own grace has passed."
    if manifest["kind"] == "Deployment" and SPREAD_OVER - {
        each["topologyKey"] for each in pod.get("topologySpreadConstraints", [])
    }:
        yield "its pods are not spread over zones and nodes."
    if manifest["kind"] == "Deployment" and "podAntiAffinity" not in pod.get("affinity", {}):
        yield "its pods do not avoid each other's nodes."


def _together(manifests: list[Manifest]) -> Iterator[str]:
    policies = [each for each in manifests if each["kind"] == "NetworkPolicy"]
    workloads = [each for each in manifests if each["kind"] in WORKLOADS]
    yield from _sizes(manifests)
    yield from _names(manifests)
    yield from _ports(manifests)
    tested = {labels_of(each)["app.kubernetes.io/name"] for each in workloads if each["kind"] == "Pod"}
    for workload in workloads:
        yield from _links(workload, policies)
        yield from _answered(workload, workloads, policies)
        if workload["kind"] in LASTING and f"{labels_of(workload)['app.kubernetes.io/name']}-test" not in tested:
            yield f"{place(workload)}: `helm test` does not ask it."


def _sizes(manifests: list[Manifest]) -> Iterator[str]:
    lasting = [each for each in manifests if each["kind"] in LASTING]
    budgets = [each["spec"] for each in manifests if each["kind"] == "PodDisruptionBudget"]
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in manifests
        if each["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")
    }
    for workload in lasting:
        mine = [budget for budget in budgets if selects(budget["selector"], labels_of(workload))]
        if not mine:
            yield f"{place(workload)}: no disruption budget holds for it."
        if any(budget.get("minAvailable") or budget["maxUnavailable"] == 0 for budget in mine):
            yield f"{place(workload)}: its budget keeps nodes from being drained."
        if (workload["metadata"]["name"] in scaled) == ("replicas" in workload["spec"]):
            yield f"{place(workload)}: replicas and an autoscaler both decide its size, or neither does."


def _names(manifests: list[Manifest]) -> Iterator[str]:
    accounts = {each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount"}
    seen = set()
    for manifest in manifests:
        if place(manifest) in seen:
            yield f"{place(manifest)}: there are two of it."
        seen.add(place(manifest))
        if manifest["kind"] in WORKLOADS and pod_of(manifest)["serviceAccountName"] not in accounts:
            yield f"{place(manifest)}: its service account is not made."


def _ports(manifests: list[Manifest]) -> Iterator[str]:
    """Check that a Service leads to a port of its pods, and that who reads metrics or sends calls names a Service's."""
    lasting = [each for each in manifests if each["kind"] in LASTING]
    services = [each for each in manifests if each["kind"] == "Service" and "selector" in each["spec"]]
    for service in services:
        led_to = [each for each in lasting if selects({"matchLabels": service["spec"]["selector"]}, labels_of(each))]
        listened = [
            {port.get("name") for one in containers_of(each) for port in one.get("ports", [])} for each in led_to
        ]
        for port in service["spec"]["ports"]:
            if not listened or any(port["targetPort"] not in names for names in listened):
                yield f"{place(service)}: its pods have no port {port['targetPort']}."
    for monitor in (each for each in manifests if each["kind"] == "ServiceMonitor"):
        read = [each for each in services if selects(monitor["spec"]["selector"], each["metadata"]["labels"])]
        names = {port["name"] for each in read for port in each["spec"]["ports"]}
        if not {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= names:
            yield f"{place(monitor)}: no Service has the port that it reads."
    yield from _ways_in(manifests, services)


def _ways_in(manifests: list[Manifest], services: list[Manifest]) -> Iterator[str]:
    known = {each["metadata"]["name"]: each["spec"]["ports"] for each in services}
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Ingress":
            paths = [path["backend"]["service"] for rule in spec["rules"] for path in rule["http"]["paths"]]
            called = [(each["name"], "name", each["port"]["name"]) for each in paths]
        elif manifest["kind"] == "HTTPRoute":
            called = [(each["name"], "port", each["port"]) for rule in spec["rules"] for each in rule["backendRefs"]]
        else:
            continue
        for name, key, value in called:
            if value not in [port[key] for port in known.get(name, [])]:
                yield f"{place(manifest)}: there is no Service {name} with the port {value}."


def _links(workload: Manifest, policies: list[Manifest]) -> Iterator[str]:
    labels = labels_of(workload)
    name = labels["app.kubernetes.io/name"]
    mine = [each["spec"] for each in policies if selects(each["spec"]["podSelector"], labels)]
    if not any({"Ingress", "Egress"} <= set(spec["policyTypes"]) for spec in mine):
        yield f"{place(workload)}: no network policy denies what is not allowed."
        return
    reached = {link for spec in mine for rule in spec.get("egress", []) for link in _ends(rule)}
    if name == "backend":  # it may call the gateway by its public name
        reached = {GATEWAY if link == HTTPS else link for link in reached}
    spans = any(v["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT" for c in containers_of(workload) for v in c.get("env", []))
    expected = MUST_REACH[name] | ({OTLP} if spans else set()) | ({HTTPS} & reached if name == "executor" else set())
    for link in sorted(expected - reached):
        yield f"{place(workload)}: it cannot reach {link}."
    for link in sorted(reached - expected):
        yield f"{place(workload)}: it may reach {link}, which it does not need."
    ports = {port["containerPort"] for container in containers_of(workload) for port in container.get("ports", [])}
    opened = {port["port"] for spec in mine for rule in spec.get("ingress", []) for port in rule.get("ports", [None])}
    if ports != opened:
        yield f"{place(workload)}: it listens on {sorted(ports)}, and {sorted(opened)} are open."
    if any(not rule.get("from") for spec in mine for rule in spec.get("ingress", [])):
        yield f"{place(workload)}: anybody may call it."


def _ends(rule: Manifest) -> Iterator[str]:
    """Say what the other end of a rule is, by its ports; a rule without ports or peers is its own name."""
    if not rule.get("to") or not rule.get("ports"):
        yield "everything"
        return
    known = {53: DNS, 5432: POSTGRES, 6379: REDIS, 4318: OTLP, 443: HTTPS}
    for port in rule["ports"]:
        ends = [peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name") for peer in rule["to"]]
        yield from {known.get(port["port"]) or end or f"port {port['port']}" for end in ends}


def _answered(workload: Manifest, workloads: list[Manifest], policies: list[Manifest]) -> Iterator[str]:
    """Check that whoever may be called by a workload lets it in."""
    labels = labels_of(workload)
    mine = [each["spec"] for each in policies if selects(each["spec"]["podSelector"], labels)]
    for rule in (rule for spec in mine for rule in spec.get("egress", [])):
        for called in workloads:
            if called is workload or not _meant(rule.get("to", []), labels_of(called)):
                continue
            theirs = [each["spec"] for each in policies if selects(each["spec"]["podSelector"], labels_of(called))]
            opened = [
                port["port"]
                for spec in theirs
                for way in spec.get("ingress", [])
                if _meant(way.get("from", []), labels)
                for port in way["ports"]
            ]
            if any(port["port"] not in opened for port in rule.get("ports", [])):
                yield f"{place(workload)}: {place(called)} does not let it in."


def _meant(peers: list[Manifest], labels: dict[str, str]) -> bool:
    """Tell whether peers of a rule are pods with these labels, in the same namespace."""
    return any(
        selects(peer["podSelector"], labels)
        for peer in peers
        if "podSelector" in peer and "namespaceSelector" not in peer
    )


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Tell whether a selector means pods with these labels."""
    wanted = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        each["operator"] == "In" and labels.get(each["key"]) in each["values"] for each in among
    )
