"""What the pages for whoever operates it name exists: commands, values, variables, targets, links."""

import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tests.deploy.charts import ROOT, Container, Manifest
from tests.deploy.cluster import SERVICES

from tidewheel_cli.__main__ import app

PAGES = (
    *sorted((ROOT / "docs" / "operations").glob("*.md")),
    ROOT / "docs" / "migration.md",
    ROOT / "infra" / "addons" / "README.md",
    ROOT / "infra" / "terraform" / "README.md",
)
HELM = ROOT / "deploy" / "helm"
WITH_PODS = ("Deployment", "Job", "CronJob")

_CODE = re.compile(r"```\w*\n(.*?)```|`([^`]+)`", re.DOTALL)
_VALUE = re.compile(r"[a-zA-Z]+(\.[a-zA-Z]+)+")
_FILES = ("crt", "example", "json", "key", "md", "py", "sql", "tf", "tfstate", "tfvars", "toml", "yaml")
_STOP = re.compile(r"[|;&#…]|\s{2,}")  # where a command ends, or what follows is no part of it


def _code(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    yield from ((block or span).replace("\\\n", " ") for block, span in _CODE.findall(text))


def _lines(page: Path, program: str) -> Iterator[list[str]]:
    """The words after a program's name, wherever a line or a span of code begins with it."""
    for code in _code(page):
        for line in code.splitlines():
            found = re.match(rf"\s*{program} (.+)", line)
            if found and (words := _STOP.split(found[1])[0].split()):
                yield words


def _unknown(words: list[str]) -> str | None:
    """Return the first word of a command line that `tidewheel` does not know."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return words[0]
        command, words = command.commands[words[0]], words[1:]
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return next((word for word in words if word.startswith("--") and word.split("=")[0] not in options), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_target_is_there(page: Path) -> None:
    assert [words for words in _lines(page, "tidewheel") if _unknown(words)] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {words[0] for words in _lines(page, "make")} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_value_of_a_chart_is_one_that_its_schema_has(page: Path) -> None:
    schemas = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in HELM.glob("*/*.schema.json")}
    roots = {name for schema in schemas.values() for name in schema["properties"]}
    spans = {found[0] for code in _code(page) if (found := _VALUE.fullmatch(code))}
    named = {span for span in spans if span.split(".")[-1] not in _FILES and span.split(".")[0] in {*roots, *schemas}}
    assert {span for span in named if not _has(schemas, span.split("."))} == set()


def _has(schemas: dict[str, Any], path: list[str]) -> bool:
    if path[0] in schemas:
        return _in(schemas[path[0]], path[1:]) or _in(schemas["tidewheel"], path)
    return any(_in(schema, path) for schema in schemas.values())


def _in(schema: Any, path: list[str]) -> bool:
    try:
        reduce(lambda at, name: at["properties"][name], path, schema)
    except KeyError:
        return False
    return True


def test_every_key_of_a_secret_is_explained(rendered: dict[str, list[Manifest]]) -> None:
    page = (ROOT / "docs" / "operations" / "deploy.md").read_text(encoding="utf-8")
    workloads = [each for chart in (*SERVICES, "secured") for each in rendered[chart] if each["kind"] in WITH_PODS]
    secrets = [pair for workload in workloads for pair in Container.of(workload).secrets.items()]
    keys = {key for variable, key in secrets if variable.startswith("TIDEWHEEL_")}
    assert {"database-url", "redis-url", "keys", "api-key"} <= keys
    assert {key for key in keys if f"`{key}`" not in page} == set()


def test_every_variable_of_a_workflow_is_explained() -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    used = {name for text in texts for name in re.findall(r"(?:vars|secrets)(?:\.|\[format\(')([A-Z_]+)", text)}
    page = (ROOT / "docs" / "operations" / "aws.md").read_text(encoding="utf-8")
    assert "AWS_PLAN_ROLE_" in used, "the workflows are read"
    assert {name for name in used if name not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, target
