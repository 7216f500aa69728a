"""moto stands in for AWS: Terraform applies to it, finds nothing left to do, is refused by the guard, and destroys."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from tests.deploy.infra.linters import INFRA_TOOLS as TOOLS
from tests.deploy.infra.terraform import MOTO, REPOSITORY, STACKS, Terraform
from tests.support import wait_until

from tidewheel_cli.embedded.ports import free_ports, is_taken

_ACCOUNT = "123456789012"
_CLEAN = 0
_START = 60.0  # seconds
_STATE_VARIABLES = ("-var=region=eu-central-1", f"-var=account_id={_ACCOUNT}")
_PROVIDER = {
    "provider": {
        "aws": {
            "max_retries": 1,
            "s3_use_path_style": True,
            "skip_credentials_validation": True,
            "skip_metadata_api_check": True,
        }
    }
}


UNSERVED = {
    "rds": "it applies and destroys, but forgets parameters and Performance Insights, so no second plan is clean",
    "redis": "it has neither CreateCacheParameterGroup nor CreateUserGroup nor DeleteCacheSubnetGroup",
    "eks": "it has neither CreateAddon nor CreateAccessEntry nor CreatePodIdentityAssociation",
    "platform": "it is made of these three and of those that are served",
}
"""The modules that moto cannot stand in for, and why."""


def modules() -> str:
    """Return what is applied to moto."""
    text = (REPOSITORY / MOTO / "main.tf").read_text(encoding="utf-8")
    return ", ".join(sorted([*re.findall(r'^module "(\w+)"', text, re.MULTILINE), "state"]))


def findings(terraform: Terraform) -> Iterator[str]:
    """Apply, plan again, try the guard, destroy; yields what was not as it should be."""
    with _moto() as port:
        at_moto = terraform.given({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "eu-central-1"})
        _bucket_for_state(port)
        override = terraform.tree / STACKS / "state" / "moto_override.tf.json"
        override.write_text(json.dumps(_PROVIDER), encoding="utf-8")
        with ThreadPoolExecutor() as side_by_side:  # they mostly wait for what AWS would need time for
            lives = [
                side_by_side.submit(_life, at_moto, STACKS / "state", _STATE_VARIABLES),
                side_by_side.submit(_life, at_moto, MOTO, (), ("-var=encrypted=false",)),
            ]
            for life in lives:
                yield from life.result()


def _life(terraform: Terraform, folder: Path, variables: tuple[str, ...], first: tuple[str, ...] = ()) -> list[str]:
    """A root from nothing to nothing, with the guard in between; `first` is how it is before it is encrypted."""
    disposable = (*variables, "-var=keep=false")
    steps: tuple[tuple[str, int, tuple[str, ...]], ...] = (
        ("init", 0, ("init",)),
        ("apply", 0, ("apply", "-auto-approve", *disposable, *first)),
        ("encryption is switched on" if first else "apply again", 0, ("apply", "-auto-approve", *disposable)),
        ("second plan is clean", _CLEAN, ("plan", "-detailed-exitcode", *disposable)),
        ("guard goes up", 0, ("apply", "-auto-approve", "-var=keep=true", *variables)),
        ("guard refuses destroy", 1, ("destroy", "-auto-approve", "-var=keep=true", *variables)),
        ("guard refuses replacement", 1, ("plan", "-var=keep=true", "-var=name=renamed", *variables)),
        ("guard refuses to be switched off", 1, ("plan", *disposable)),
    )
    found = [x for step, expected, given in steps for x in _step(terraform, folder, step, expected, given)]
    guards = [line for line in terraform.run(folder, "state", "list").stdout.split() if "terraform_data.keep" in line]
    if not guards:
        return [*found, f"{folder}: the guard was never there"]
    found += _step(terraform, folder, "guard is taken away", 0, ("state", "rm", *guards))
    found += _step(terraform, folder, "guard gone, destruction allowed", 0, ("apply", "-auto-approve", *disposable))
    found += _step(terraform, folder, "destroy", 0, ("destroy", "-auto-approve", *disposable))
    left = terraform.run(folder, "state", "list").stdout.split()
    return [*found, f"{folder}: destroy left {', '.join(left)}"] if left else found


def _step(terraform: Terraform, folder: Path, step: str, expected: int, arguments: tuple[str, ...]) -> Iterator[str]:
    done = terraform.run(folder, *arguments)
    refused = "prevent_destroy" in done.stderr
    if done.returncode != expected or (expected == 1 and not refused):
        yield f"{folder}: {step}: exit {done.returncode}: {(done.stderr or done.stdout)[-1500:]}"


@contextmanager
def _moto() -> Iterator[int]:
    (port,) = free_ports(1)
    command = ("env", "MOTO_IAM_LOAD_MANAGED_POLICIES=true", *TOOLS, "moto_server", "-p", str(port))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            asyncio.run(wait_until(lambda: is_taken(port), timeout=_START, what="moto answers"))
            yield port
        finally:
            server.terminate()


def _bucket_for_state(port: int) -> None:
    """The backend's bucket is made by hand: moto refuses all requests where a policy denies only those without TLS."""
    signed = "AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("PUT", "/tidewheel-moto-state", headers={"Authorization": signed})
    if connection.getresponse().status != HTTPStatus.OK:
        raise RuntimeError("moto does not make the bucket for the state.")
    connection.close()
