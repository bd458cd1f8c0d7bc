"""Watches over processes: starts them, puts another one in the place of each that dies, ends them.

`python -m app.supervisor PROCESSES GRACE SILENCE COMMAND...`, with the times in seconds. It stays
in memory beside what it watches over, so it imports next to nothing. Each process is given, as its
last argument, the end of a pipe on which it has to be heard every second: one that is silent for
SILENCE seconds hangs, in a way that only a kill ends, and is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

#: What a process says on its pipe: that it lives, and that it will end within the grace time.
ALIVE: Final = b"."
ENDING: Final = b"e"
#: A process that ends with this code cannot work, and another one in its place could not either.
REFUSED: Final = 4
STOPPING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PR_SET_PDEATHSIG: Final = 1
#: Who has lived for so long did not die at once.
STEADY_SECONDS: Final = 10.0
#: How long a place stays empty after the first, second, ... process that died at once.
PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
#: What stopping may take beyond the grace time.
LAST_SECONDS: Final = 10.0
#: Importing the application may take long on a busy machine.
START_SECONDS: Final = 60.0
TURN_SECONDS: Final = 1.0


class Place:
    """A place for one process: who is in it, and what became of those before."""

    def __init__(self, command: Sequence[str], grace: float, silence: float) -> None:
        self._command = command
        self._grace = grace
        self._silence = silence
        self._begun = 0.0
        self._deadline = 0.0
        self._died_at_once = 0
        self._next = 0.0
        self.is_ending = False
        self.pid: int | None = None
        self.pipe: int | None = None

    def fill(self) -> None:
        """Start a process, if there is none and it is time."""
        if self.pid is not None or time.monotonic() < self._next:
            return
        self.pipe, said = os.pipe()
        os.set_inheritable(said, True)
        try:
            self.pid = os.spawnv(os.P_NOWAIT, self._command[0], [*self._command, str(said)])
        finally:
            os.close(said)
        self.is_ending = False
        self._begun = time.monotonic()
        self._deadline = self._begun + max(self._silence, START_SECONDS)

    def hear(self) -> None:
        """Take in what the process said on its pipe."""
        said = os.read(self.pipe, 1024) if self.pipe is not None else b""
        if not said:
            self._close_pipe()
        elif ENDING in said:
            self.expect_end()
        elif not self.is_ending:
            self._deadline = time.monotonic() + self._silence

    def expect_end(self) -> None:
        """Give the process its grace time from now on."""
        self.is_ending = True
        self._deadline = time.monotonic() + self._grace + LAST_SECONDS

    def wait_longer(self, seconds: float) -> None:
        """Let time not count in which nobody could be heard."""
        self._deadline += seconds

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def kill_if_late(self) -> None:
        """Kill a process that was not heard for too long."""
        if self.pid is not None and time.monotonic() > self._deadline:
            _say(f"Process {self.pid} does not answer and is killed.")
            self.send(signal.SIGKILL)
            self.wait_longer(START_SECONDS)

    def emptied(self) -> int | None:
        """How the process ended, if it just has: its exit code, or a signal's number below 0."""
        if self.pid is None or not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            return None
        self.pid = None
        self._close_pipe()
        now = time.monotonic()
        steady = now - self._begun >= STEADY_SECONDS
        self._died_at_once = 0 if steady else self._died_at_once + 1
        self._next = now + PAUSES[min(max(self._died_at_once - 1, 0), len(PAUSES) - 1)]
        return os.waitstatus_to_exitcode(ended[1])

    def _close_pipe(self) -> None:
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


class Supervisor:
    """Keeps so many processes at work until it is asked to stop, then ends all in good order."""

    def __init__(self, make: Callable[[], Place], processes: int) -> None:
        self._make = make
        self._places = [make() for _ in range(processes)]
        self._leaving: list[Place] = []
        self._is_stopping = False
        self._code = 0

    def run(self) -> int:
        """Run until all has ended after a stop; return the exit code."""
        signals = _heed(signal.SIGCHLD, *STOPPING)
        turn = time.monotonic()
        while not self._is_stopping or any(place.pid for place in self._all):
            self._fill()
            self._listen(signals)
            # Where this process itself was asleep, the others may have been, too.
            asleep, turn = time.monotonic() - turn - TURN_SECONDS, time.monotonic()
            self._check(max(0.0, asleep))
        return self._code

    @property
    def _all(self) -> list[Place]:
        return [*self._places, *self._leaving]

    def _fill(self) -> None:
        """Start what is missing; who is about to end by itself is not waited for."""
        if self._is_stopping:
            return
        self._leaving = [place for place in self._leaving if place.pid]
        for number, place in enumerate(self._places):
            if place.is_ending and place.pid:
                self._leaving.append(place)
                self._places[number] = self._make()
            self._places[number].fill()

    def _listen(self, signals: int) -> None:
        pipes = {place.pipe: place for place in self._all if place.pipe is not None}
        heard, _, _ = select.select([signals, *pipes], [], [], TURN_SECONDS)
        for each in heard:
            if each in pipes:
                pipes[each].hear()
            elif set(os.read(signals, 1024)) & set(STOPPING):
                self._stop()

    def _stop(self) -> None:
        self._is_stopping = True
        for place in self._all:
            place.send(signal.SIGTERM)
            place.expect_end()

    def _check(self, asleep: float) -> None:
        for place in self._all:
            place.wait_longer(asleep)
            place.kill_if_late()
            pid, code = place.pid, place.emptied()
            if code == REFUSED:
                self._code = 1
                self._stop()
            elif code and not self._is_stopping:
                _say(f"Process {pid} {_ended_by(code)}; another one takes its place.")


def die_with_parent() -> None:
    """Let this process be killed when the one that started it dies, on Linux."""
    import ctypes  # here, for the supervisor itself has no use for it

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _heed(*numbers: signal.Signals) -> int:
    """Have the numbers of these signals, when they arrive, be read from a pipe; return its end."""
    heard, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for each in numbers:
        signal.signal(each, lambda *_: None)
    return heard


def _ended_by(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str]) -> int:
    """Watch over so many processes of a command; return the exit code."""
    processes, grace, silence, *command = arguments
    make = partial(Place, command, float(grace), float(silence))
    return Supervisor(make, int(processes)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
