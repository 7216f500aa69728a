"""The first lines that a new user copies do what they say."""

import asyncio
import re
from pathlib import Path

import pytest
from tests.stack import Stack


async def test_the_readmes_lines_run(
    stack: Stack, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEWHEEL_URL", stack.api_url)
    monkeypatch.setenv("TIDEWHEEL_API_KEY", stack.api_key)
    readme = (repository / "libs" / "client" / "README.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```python\n(.+?)```", readme, re.DOTALL)

    await asyncio.to_thread(exec, lines, {})

    assert re.fullmatch(r"\S{36} waiting\n5\.0\n", capsys.readouterr().out)
