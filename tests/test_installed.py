"""Jobdeck installed from a wheel, in an environment of its own and far from any checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.server import ROOT, Server

SOURCES = ("app", "migrations", "bin", "pyproject.toml", "README.md", "LICENSE", "wsgi.py")
HANDLER = '''
from app.jobs import task_handler

@task_handler
def shouts(task):
    """Shout."""
    return "OH"
'''


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is built from, for building leaves things behind."""
    folder = tmp_path_factory.mktemp("sources")
    for name in (*SOURCES, "gunicorn.conf.py"):
        if (ROOT / name).is_dir():
            leave = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def built(kind: str, sources: Path, folder: Path) -> Path:
    """Build a `wheel` or an `sdist`, as pip does it."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=sources, check=True, capture_output=True)
    (made,) = (path for path in folder.iterdir() if path.is_file())
    return made


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def wheel(
    request: pytest.FixtureRequest, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A wheel, built from the sources or from a source distribution of them."""
    folder = tmp_path_factory.mktemp("built")
    if request.param == "sdist":
        with tarfile.open(built("sdist", sources, folder)) as packed:
            packed.extractall(folder, filter="data")
        (sources,) = (path for path in folder.iterdir() if path.is_dir())
    return built("wheel", sources, tmp_path_factory.mktemp("wheel"))


class Installed(Server):
    """The command of an environment, called in a folder that has nothing but a handler."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.command = folder / "environment/bin/jobdeck"
        inherited = {key: value for key, value in os.environ.items() if "PYTHON" not in key}
        self.environment = {
            key: value for key, value in inherited.items() if not key.startswith("JOBDECK_")
        } | {"JOBDECK_HANDLERS": "shouting", "JOBDECK_DEMO": "1"}

    def begin_to_start(self) -> None:
        """Serve, and do not wait."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.command, "serve", "--port", str(self.port)],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def call(self, *arguments: str) -> str:
        """Call the command, and return what it says."""
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An environment with the wheel; other packages are those of the checkout's environment."""
    folder = tmp_path_factory.mktemp("installed")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin/python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    (own,) = environment.glob("lib/python*/site-packages")
    # Its own packages come first, and the checkout is in none: that one is named by a .pth file
    # there, which is not read from here.
    (own / "others.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "shouting.py").write_text(HANDLER)
    (folder / "components").mkdir()
    (folder / "components/shouts.html").write_text("<b>loud and clear</b>")
    installed = Installed(folder)
    yield installed
    installed.kill()


def test_a_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    there = {path for name in ("app", "migrations") for path in (ROOT / name).rglob("*.*")}
    files = {path for path in there if path.is_file() and "__pycache__" not in path.parts}
    inside = {str(path.relative_to(ROOT)) for path in files if path.is_relative_to(ROOT / "app")}
    beside = {f"app/{path.relative_to(ROOT)}" for path in files} - {f"app/{x}" for x in inside}
    assert inside | beside | {"app/gunicorn.conf.py"} <= names
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {"app"}


def test_an_installed_jobdeck_upgrades_serves_and_runs_jobs(installed: Installed) -> None:
    assert "revision" in installed.call("db", "upgrade")
    assert (installed.folder / "instance/jobdeck.sqlite3").exists()
    installed.start()
    installed.sign_in()
    job_id = installed.api("POST", "/jobs", {"handler": "shouts"})["id"]
    eventually(lambda: installed.api("GET", f"/jobs/{job_id}")["status"] == "DONE", within=20)
    assert "loud and clear" in installed.get(f"/jobs/{job_id}")
    assert ":root" in installed.get("/static/css/tokens.css")
    said = installed.call("jobs", "start", "export_jobs", "--params", '{"format": "csv"}', "--wait")
    assert "DONE" in said
    assert installed.stop() == 0


def test_its_worker_processes_run_jobs_as_well(installed: Installed) -> None:
    installed.call("db", "upgrade")
    arguments: list[str | Path] = [installed.command, "worker"]
    with subprocess.Popen(
        arguments, cwd=installed.folder, env=installed.environment, stdout=subprocess.PIPE
    ) as worker:
        try:
            assert "DONE" in installed.call("jobs", "start", "shouts", "--wait")
        finally:
            worker.terminate()
    assert worker.returncode == 0


def test_no_migration_is_drafted_into_an_installed_package(installed: Installed) -> None:
    installed.call("db", "upgrade")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        installed.call("db", "draft", "customers")
    assert "drafted in a checkout" in refused.value.stderr
