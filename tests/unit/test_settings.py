"""Settings: read from the environment, refused in words, never printed."""

from pathlib import Path

import pytest
from pydantic import Field

from tidewheel_common.process.settings import CommaList, SealingSettings, Settings, load_settings

DATABASE = "postgresql://me:hunter2@db:5432/tidewheel"
REDIS = "redis://:hunter3@redis:6379/0"


class ExecutorLike(Settings):
    queues: CommaList = ("*",)
    concurrency: int = Field(2, ge=1, description="How many children run tasks.")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", DATABASE)
    monkeypatch.setenv("TIDEWHEEL_REDIS_URL", REDIS)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    return monkeypatch


def refusal(kind: type[Settings], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        load_settings(kind)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_defaults_and_secrets(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TIDEWHEEL_KEYS", "a:hunter4")
    settings = load_settings(SealingSettings)
    assert settings.database_url.get_secret_value() == DATABASE
    assert settings.log_level == "INFO"
    assert settings.otlp_endpoint is None
    assert "hunter" not in repr(settings)
    assert "hunter" not in str(settings.model_dump())


def test_an_empty_variable_counts_as_unset(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TIDEWHEEL_HEALTH_HOST", "")
    assert load_settings(Settings).health_host == "127.0.0.1"


def test_lists_are_written_with_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TIDEWHEEL_QUEUES", "reports, mail,")
    assert load_settings(ExecutorLike).queues == ("reports", "mail")


def test_spans_use_the_standard_variable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    assert load_settings(Settings).otlp_endpoint == "http://collector:4318"


def test_secrets_may_stand_in_files_and_the_environment_wins(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("TIDEWHEEL_SECRETS_DIR", str(tmp_path))
    environment.delenv("TIDEWHEEL_DATABASE_URL")
    for name, content in {"database_url": f"{DATABASE}\n", "redis_url": "redis://elsewhere", "keys": "a:b"}.items():
        (tmp_path / f"tidewheel_{name}").write_text(content, encoding="utf-8")
    settings = load_settings(SealingSettings)
    assert settings.database_url.get_secret_value() == DATABASE
    assert settings.redis_url.get_secret_value() == REDIS
    assert settings.keys.get_secret_value() == "a:b"


def test_a_directory_of_secrets_that_is_not_there_is_named(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environment.setenv("TIDEWHEEL_SECRETS_DIR", str(tmp_path / "none"))
    assert "TIDEWHEEL_SECRETS_DIR is wrong: path does not point to a directory." in refusal(Settings, capsys)


def test_what_is_missing_is_named_with_an_example(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("TIDEWHEEL_DATABASE_URL")
    environment.delenv("TIDEWHEEL_REDIS_URL")
    example = "Set it, for example: export TIDEWHEEL"
    database = "postgresql://tidewheel:password@localhost:5432/tidewheel"
    assert refusal(Settings, capsys).splitlines() == [
        f"TIDEWHEEL_DATABASE_URL is not set. The address of PostgreSQL. {example}_DATABASE_URL={database}",
        f"TIDEWHEEL_REDIS_URL is not set. The address of Redis or Valkey. {example}_REDIS_URL=redis://localhost:6379/0",
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TIDEWHEEL_DATABASE_URL", "mysql://me:hunter2@db/x", "is wrong: it must start with postgresql://."),
        ("TIDEWHEEL_REDIS_URL", "hunter2", "is wrong: it must start with redis:// or rediss:// or unix://."),
        ("TIDEWHEEL_HEALTH_PORT", "70000", "is wrong: input should be less than or equal to 65535."),
        ("TIDEWHEEL_LOG_LEVEL", "LOUD", "is wrong: input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'."),
        ("TIDEWHEEL_CONCURRENCY", "many", "is wrong: input should be a valid integer"),
    ],
)
def test_what_is_wrong_is_said_without_the_value(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, says: str
) -> None:
    environment.setenv(name, value)
    words = refusal(ExecutorLike, capsys)
    assert words.startswith(f"{name} {says}")
    assert "hunter2" not in words
    assert len(words.splitlines()) == 1
