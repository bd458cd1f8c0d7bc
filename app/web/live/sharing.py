"""What several sockets show alike is read and drawn once, by the first of them that needs it.

Twenty people with one busy job open would otherwise make the server draw the same popup twenty
times over, five times a second.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

#: Views that are remembered. One that is forgotten is only drawn once more.
MOST: Final = 64

Drawn = TypeVar("Drawn")


@dataclass(frozen=True, slots=True)
class Drawing(Generic[Drawn]):
    """What was drawn, and when it was begun: later changes may not be in it."""

    content: Drawn
    as_of: float


class Shared(Generic[Drawn]):
    """The newest drawing of each view. For all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._boards: OrderedDict[Hashable, _Board[Drawn]] = OrderedDict()

    def drawn(self, view: Hashable, since: float, draw: Callable[[], Drawn]) -> Drawing[Drawn]:
        """The newest drawing that was begun after `since`; who finds none makes it.

        `since` is when the first change came that is still to be shown. `view` must name all that
        the drawing depends on beside what is stored, and above all who may see it.
        """
        return self._board(view).drawn(since, draw)

    def _board(self, view: Hashable) -> _Board[Drawn]:
        with self._lock:
            board = self._boards.setdefault(view, _Board())
            self._boards.move_to_end(view)
            if len(self._boards) > MOST:
                self._boards.popitem(last=False)
            return board


class _Board(Generic[Drawn]):
    """One view's newest drawing. Only one thread draws; those who wait for it take its drawing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Drawing[Drawn] | None = None

    def drawn(self, since: float, draw: Callable[[], Drawn]) -> Drawing[Drawn]:
        with self._lock:
            if self._newest is None or self._newest.as_of < since:
                begun = time.monotonic()
                self._newest = Drawing(draw(), begun)
            return self._newest
