"""Whom a client trusts: the authority that `TIDEWHEEL_CA` names, or the system's."""

from pathlib import Path

import pytest

from tidewheel_client import Client, NotConfigured


@pytest.mark.parametrize("held", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: str | None
) -> None:
    file = tmp_path / "ca.crt"
    if held is not None:
        file.write_text(held, encoding="utf-8")
    monkeypatch.setenv("TIDEWHEEL_CA", str(file))
    with pytest.raises(NotConfigured, match=rf"TIDEWHEEL_CA names {file}, from which no authority can be read"):
        Client("https://tidewheel", "tw_first_secret")
