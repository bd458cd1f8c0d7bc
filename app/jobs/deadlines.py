"""Tries that may take so long and no longer: one thread waits for the earliest of them (B5).

Python cannot end a thread. So a try whose time is over is recorded as such, whatever its thread
goes on to do; and if that does not end soon after, it hangs, and another thread takes its place.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

#: A thread that goes on so long after the time of its try is over is held for one that hangs.
HANG_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class Deadline:
    """Of one try: `cut_off` records that its time is over, `replace` lets another thread take the
    place of the one that hangs, and tells whether that was possible."""

    ends_at: float  # by the monotonic clock
    cut_off: Callable[[threading.Thread], None]
    replace: Callable[[threading.Thread], bool]
    thread: threading.Thread = field(default_factory=threading.current_thread)
    is_over: bool = False
    hangs: bool = False
    #: When there is something to do about it next.
    looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.looked_at = self.ends_at


class Deadlines:
    """The deadlines of what runs here, which is no more than there are threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[Deadline] = set()
        self._wakes_at = math.inf
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def begin(self, deadline: Deadline) -> None:
        """Watch over a try. Mostly an earlier one is waited for, and nobody is woken by it."""
        with self._changed:
            self._running.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="jobdeck-deadlines", daemon=True
                )
                self._thread.start()
            if deadline.looked_at < self._wakes_at:
                self._changed.notify()

    def end(self, deadline: Deadline) -> bool:
        """Say that a try is over; False: its time was over first, and that is recorded."""
        with self._changed:
            self._running.discard(deadline)
            return not deadline.is_over

    @property
    def hung(self) -> int:
        """How many threads hang just now."""
        with self._changed:
            return sum(each.hangs for each in self._running)

    def stop(self) -> None:
        """Watch over nothing any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._is_stopped:
                moment = time.monotonic()
                for each in [each for each in self._running if each.looked_at <= moment]:
                    self._look_at(each)
                self._wakes_at = min((each.looked_at for each in self._running), default=math.inf)
                seconds = self._wakes_at - time.monotonic()
                self._changed.wait(min(max(seconds, 0), threading.TIMEOUT_MAX))

    def _look_at(self, deadline: Deadline) -> None:
        # The lock is held: a try that ends meanwhile waits to be told how it ended.
        deadline.looked_at += HANG_SECONDS
        try:
            if not deadline.is_over:
                deadline.cut_off(deadline.thread)
                deadline.is_over = True
            else:
                deadline.hangs = True
                if deadline.replace(deadline.thread):
                    deadline.looked_at = math.inf
        except Exception:
            # Whatever it is, without this thread no timeout would be noticed any more.
            log.exception("A try that takes too long cannot be seen to; it is tried again.")


def place_of(thread: threading.Thread, file: str, caller: str) -> str | None:
    """Where a thread is in what `caller`, a function of this file, calls; None: just outside."""
    frames = traceback.extract_stack(sys._current_frames().get(thread.ident or 0))
    own = [place for place, frame in enumerate(frames) if frame.filename == file]
    if not own or frames[own[-1]].name != caller:
        return None
    where = traceback.format_list(frames[own[-1] + 1 :])
    return "Where it was then (most recent call last):\n" + "".join(where)
