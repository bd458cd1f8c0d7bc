"""Settings: every `JOBDECK_...` variable, read once, here and nowhere else."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

#: A full disk is no wrong setting; who cannot write then says so and goes on when there is room.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "OFF")


class BadSetting(ValueError):
    """A setting has a value that cannot be used; the message names it and says what would do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one process of Jobdeck is set up. Field `x` is the variable `JOBDECK_X`."""

    data_dir: Path = Path("instance")
    database_url: str = ""
    secret_key: str = field(default="", repr=False)
    handlers: tuple[str, ...] = ()
    threads: int = 10
    web_threads: int = 64
    web_processes: int = 1
    run_worker: bool = True
    grace_seconds: float = 20.0
    heartbeat_seconds: float = 10.0
    lease_seconds: float = 30.0
    poll_seconds: float = 0.25
    log_level: str = "INFO"
    max_value_kb: int = 256
    max_upload_mb: int = 50
    max_file_mb: int = 500
    file_roots: tuple[Path, ...] = ()
    rate_limit: bool = True
    secure_cookies: bool = False
    trusted_proxies: int = 0
    demo: bool = False
    admin_email: str = ""
    admin_password: str = field(default="", repr=False)
    login_prompt: str = ""
    login_background: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raise BadSetting with a sentence for a value that cannot be used."""
        read = _Reader(os.environ if environ is None else environ)
        return cls(
            data_dir=Path(read.text("DATA_DIR", "instance")).absolute(),
            database_url=read.text("DATABASE_URL"),
            secret_key=read.text("SECRET_KEY"),
            handlers=read.words("HANDLERS"),
            threads=read.whole("THREADS", 10, least=1),
            web_threads=read.whole("WEB_THREADS", 64, least=26),
            web_processes=read.whole("WEB_PROCESSES", 1, least=1),
            run_worker=read.switch("RUN_WORKER", True),
            grace_seconds=read.seconds("GRACE_SECONDS", 20.0),
            heartbeat_seconds=read.seconds("HEARTBEAT_SECONDS", 10.0),
            lease_seconds=read.seconds("LEASE_SECONDS", 30.0),
            poll_seconds=read.seconds("POLL_SECONDS", 0.25),
            log_level=read.choice("LOG_LEVEL", LOG_LEVELS, "INFO"),
            max_value_kb=read.whole("MAX_VALUE_KB", 256, least=1),
            max_upload_mb=read.whole("MAX_UPLOAD_MB", 50, least=1),
            max_file_mb=read.whole("MAX_FILE_MB", 500, least=1),
            file_roots=tuple(Path(each).resolve() for each in read.words("FILE_ROOTS")),
            rate_limit=read.switch("RATE_LIMIT", True),
            secure_cookies=read.switch("SECURE_COOKIES", False),
            trusted_proxies=read.whole("TRUSTED_PROXIES", 0, least=0),
            demo=read.switch("DEMO", False),
            admin_email=read.text("ADMIN_EMAIL"),
            admin_password=read.text("ADMIN_PASSWORD"),
            login_prompt=read.text("LOGIN_PROMPT"),
            login_background=read.file("LOGIN_BACKGROUND"),
        ).checked()

    def checked(self) -> Settings:
        """Return these settings, or raise BadSetting when two of them cannot go together."""
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise BadSetting(
                "JOBDECK_LEASE_SECONDS must be at least twice JOBDECK_HEARTBEAT_SECONDS, "
                "so that one late heartbeat does not cost a worker its tasks."
            )
        if self.web_processes > 1 and self.database.startswith("sqlite"):
            raise BadSetting(
                "JOBDECK_WEB_PROCESSES is for PostgreSQL and MariaDB, which let several processes "
                "write: name such a database in JOBDECK_DATABASE_URL, or give one process more "
                "threads."
            )
        if bool(self.admin_email) != bool(self.admin_password):
            raise BadSetting("Set JOBDECK_ADMIN_EMAIL and JOBDECK_ADMIN_PASSWORD both, or neither.")
        return self

    @property
    def database(self) -> str:
        """The database's URL: the one given, else an SQLite file in the data directory."""
        own = self.data_dir / "jobdeck.sqlite3"
        return self.database_url or f"sqlite:///{quote(str(own))}"

    @property
    def handler_modules(self) -> tuple[str, ...]:
        """The modules and packages in which handlers are looked for."""
        return ("app.handlers", *self.handlers, *(("app.demo",) if self.demo else ()))

    @property
    def max_sockets(self) -> int:
        """Websockets at once: always 24 threads fewer than there are, so that pages get through."""
        return self.web_threads - 24

    def prepare_data_dir(self) -> None:
        """Make the data directory, and have temporary files there if they have no other place.

        Raises BadSetting when it cannot be written.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.data_dir):
                pass
        except OSError as error:
            if error.errno not in _FULL:
                raise BadSetting(
                    f"JOBDECK_DATA_DIR is {str(self.data_dir)!r}, where nothing can be written "
                    f"({error.strerror}). Name a folder that this user may write to."
                ) from error
        if _lacks_temporary_folder():
            temporary = self.data_dir / "tmp"
            temporary.mkdir(mode=0o700, exist_ok=True)
            os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)

    def signing_key(self) -> str:
        """The key that signs sessions: the one given, else one made once and kept in `data_dir`."""
        if self.secret_key:
            return self.secret_key
        kept = self.data_dir / "secret_key"
        if not kept.exists():
            self._make_signing_key(kept)
        return kept.read_text().strip()

    def _make_signing_key(self, kept: Path) -> None:
        """Make it whole or not at all: several processes may start at once, and one makes it."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        made = kept.with_name(f".secret_key-{os.getpid()}-{secrets.token_hex(4)}")
        with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(made, kept)
        made.unlink()


def _lacks_temporary_folder() -> bool:
    """Whether temporary files would lie where the command is called, or nowhere."""
    try:
        return tempfile.gettempdir() == os.getcwd()
    except FileNotFoundError:
        return True


@dataclass(frozen=True)
class _Reader:
    environ: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        return self.environ.get(f"JOBDECK_{name}", "").strip() or default

    def file(self, name: str) -> str:
        value = self.text(name)
        if value and not Path(value).is_file():
            raise BadSetting(f"JOBDECK_{name} is {value!r}; there is no such file.")
        return str(Path(value).absolute()) if value else ""

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.text(name).split(",") if word.strip())

    def switch(self, name: str, default: bool) -> bool:
        value = self.text(name, "1" if default else "0").lower()
        if value not in _SWITCH:
            raise BadSetting(f"JOBDECK_{name} is {value!r}; write 1 or 0.")
        return _SWITCH[value]

    def whole(self, name: str, default: int, *, least: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal() or int(value) < least:
            raise BadSetting(f"JOBDECK_{name} is {value!r}; write a whole number from {least} up.")
        return int(value)

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(name, default).upper()
        if value not in choices:
            raise BadSetting(
                f"JOBDECK_{name} is {self.text(name)!r}; write one of {', '.join(choices)}."
            )
        return value

    def seconds(self, name: str, default: float) -> float:
        value = self.text(name, str(default))
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e6:
            raise BadSetting(f"JOBDECK_{name} is {value!r}; write a number of seconds above 0.")
        return seconds


_SWITCH = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip
