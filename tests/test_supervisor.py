"""What watches over worker processes: each that dies is replaced, and all end in good order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from app import supervisor
from app.supervisor import Place, Supervisor
from tests.eventually import eventually

#: A process that notes that it began, lives, and ends in some way; it waits for a file named go.
BEGIN = """
import os, signal, sys, time
folder, pipe = sys.argv[1], int(sys.argv[2])
open(f"{folder}/{os.getpid()}", "w").close()
def wait():
    while not os.path.exists(f"{folder}/go"):
        os.write(pipe, b".")
        time.sleep(0.01)
"""
FOREVER = "\nwhile True: os.write(pipe, b'.'); time.sleep(0.01)"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """What the process of the tests does with signals is given back afterwards."""
    heeded = (signal.SIGCHLD, *supervisor.STOPPING)
    before = [signal.getsignal(each) for each in heeded]
    yield
    signal.set_wakeup_fd(-1)
    for each, handler in zip(heeded, before, strict=True):
        signal.signal(each, handler)


class Watch:
    """A supervisor in this thread, and somebody in another one who looks, and then stops it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def over(
        self,
        body: str,
        look: Callable[[], object],
        *,
        processes: int = 1,
        silence: float = 30.0,
        stop: bool = True,
    ) -> int:
        """Watch over processes that do this until `look` sees what it waits for."""
        command = [sys.executable, "-I", "-S", "-c", BEGIN + body, str(self.folder)]
        seen: Future[None] = Future()
        watching = Supervisor(partial(Place, command, 5.0, silence), processes)
        looker = threading.Thread(target=self._look, args=(look, seen, stop))
        looker.start()
        code = watching.run()
        looker.join()
        seen.result()
        return code

    def _look(self, look: Callable[[], object], seen: Future[None], stop: bool) -> None:
        try:
            eventually(look, within=20)
            seen.set_result(None)
        except AssertionError as error:
            seen.set_exception(error)
        if stop or seen.exception():
            os.kill(os.getpid(), signal.SIGTERM)

    def begun(self) -> list[int]:
        """The process ids of those that have begun."""
        return [int(file.name) for file in self.folder.iterdir() if file.name.isdigit()]


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(supervisor, "TURN_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "PAUSES", (0.0, 0.05))
    return Watch(tmp_path)


def test_so_many_run_and_all_end_when_it_is_asked_to_stop(watch: Watch) -> None:
    assert watch.over(FOREVER, lambda: len(watch.begun()) == 3, processes=3) == 0
    for pid in watch.begun():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_each_that_dies_is_replaced_and_it_says_how_it_died(
    watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    die = "\nos.kill(os.getpid(), signal.SIGKILL)"
    assert watch.over(die, lambda: len(watch.begun()) > 3) == 0
    assert "was ended by SIGKILL; another one takes its place." in capsys.readouterr().err
    assert watch.over("\nsys.exit(3)", lambda: len(watch.begun()) > 6) == 0
    assert "ended with 3; another one takes its place." in capsys.readouterr().err


def test_one_that_dies_at_once_again_and_again_is_given_time(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place([sys.executable, "-c", "raise SystemExit(1)"], 1.0, 1.0)
    monkeypatch.setattr(supervisor, "PAUSES", (0.0, 60.0))
    for _ in range(2):
        place.fill()
        eventually(lambda: place.emptied() is not None)
    place.fill()
    assert place.pid is None


def test_one_that_falls_silent_is_killed_and_replaced(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "START_SECONDS", 0.5)
    hang = "\nos.write(pipe, b'.')\ntime.sleep(100)"
    watch.over(hang, lambda: len(watch.begun()) > 1, silence=0.5)
    assert "does not answer and is killed." in capsys.readouterr().err


def test_one_that_is_about_to_end_is_replaced_before_it_has_ended(watch: Watch) -> None:
    leave = "\nos.write(pipe, b'e')\nwait()"

    def two_at_once() -> bool:
        return len([pid for pid in watch.begun() if Path(f"/proc/{pid}").exists()]) > 1

    assert watch.over(leave, two_at_once) == 0


def test_when_one_cannot_work_all_end_and_it_tells_of_a_failure(watch: Watch) -> None:
    assert watch.over("\nsys.exit(4)", watch.begun, stop=False) == 1


def test_it_runs_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", BEGIN + "\nsys.exit(4)", str(tmp_path)]
    assert supervisor.main(["2", "1", "1", *command]) == 1
