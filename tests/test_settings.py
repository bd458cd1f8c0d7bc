"""Settings are read from the environment once, and a bad one is refused in a sentence."""

from __future__ import annotations

import dataclasses
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.config import BadSetting, Settings


def read(**variables: str) -> Settings:
    return Settings.from_environment({f"JOBDECK_{name}": said for name, said in variables.items()})


def test_without_any_variable_there_is_a_default_for_each() -> None:
    assert dataclasses.replace(read(), data_dir=Path("instance")) == Settings()


def test_every_field_can_be_set_by_a_variable_of_its_name() -> None:
    given = {
        "data_dir": "/data", "database_url": "postgresql://x", "secret_key": "s",
        "handlers": "a.b, c", "threads": "3", "web_threads": "40", "web_processes": "2",
        "run_worker": "0", "grace_seconds": "2.5", "heartbeat_seconds": "1", "lease_seconds": "9",
        "poll_seconds": "0.5", "log_level": "warning",
        "max_value_kb": "7", "max_upload_mb": "8", "max_file_mb": "9",
        "file_roots": "/a,/b",
        "rate_limit": "no", "secure_cookies": "yes", "trusted_proxies": "2", "demo": "on",
        "admin_email": "a@b", "admin_password": "p", "login_prompt": "hi",
        "login_background": __file__,
    }  # fmt: skip
    settings = read(**{name.upper(): said for name, said in given.items()})
    for field in dataclasses.fields(Settings):
        assert field.name in given, f"This test does not know {field.name} yet"
        assert getattr(settings, field.name) != field.default, field.name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("THREADS", "0"),
        ("THREADS", "many"),
        ("THREADS", "1.5"),
        ("WEB_THREADS", "25"),
        ("RUN_WORKER", "maybe"),
        ("GRACE_SECONDS", "0"),
        ("GRACE_SECONDS", "nan"),
        ("GRACE_SECONDS", "soon"),
        ("LEASE_SECONDS", "-1"),
        ("TRUSTED_PROXIES", "-1"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, said: str) -> None:
    with pytest.raises(BadSetting, match=rf"^JOBDECK_{name} is '{said}'; write .*\.$"):
        read(**{name: said})


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BadSetting, match=r"JOBDECK_LOGIN_BACKGROUND is '/no.png'; there is no"):
        read(LOGIN_BACKGROUND="/no.png")


def test_two_settings_must_go_together() -> None:
    with pytest.raises(BadSetting, match="twice JOBDECK_HEARTBEAT_SECONDS"):
        read(HEARTBEAT_SECONDS="10", LEASE_SECONDS="19")


def test_several_web_processes_need_a_database_that_several_can_write() -> None:
    with pytest.raises(BadSetting, match="JOBDECK_WEB_PROCESSES is for PostgreSQL"):
        read(WEB_PROCESSES="2")
    assert read(WEB_PROCESSES="2", DATABASE_URL="postgresql://x").web_processes == 2


def test_the_first_superadmin_is_named_whole_or_not_at_all() -> None:
    with pytest.raises(BadSetting, match="both, or neither"):
        read(ADMIN_EMAIL="a@example.com")


def test_a_variable_that_is_set_to_nothing_is_not_set() -> None:
    assert read(THREADS="", SECRET_KEY=" ").threads == 10


def test_the_database_is_in_the_data_directory_unless_another_is_given(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).database == f"sqlite:///{tmp_path}/jobdeck.sqlite3"
    assert Settings(database_url="postgresql://x").database == "postgresql://x"


def test_the_signing_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    made = settings.signing_key()
    assert len(made) > 40
    assert settings.signing_key() == made
    mode = (tmp_path / "new" / "secret_key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert dataclasses.replace(settings, secret_key="given").signing_key() == "given"


def test_processes_that_start_at_once_have_one_signing_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: settings.signing_key(), range(8)))
    assert len(keys) == 1
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["secret_key"]


def test_no_secret_is_shown() -> None:
    shown = repr(Settings(secret_key="hidden-1", admin_password="hidden-2"))
    assert "hidden" not in shown
