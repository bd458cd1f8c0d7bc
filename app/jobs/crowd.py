"""How many threads of a pool begin tasks: all, or one where more would only be in each other's way.

The interpreter runs one thread at a time. Of tasks that take microseconds, each call to the system
hands it over to the next thread, which costs more than the task; then one thread is quicker than
ten. Nobody knows by looking at a task, so it is tried and measured.
"""

from __future__ import annotations

import time

from app.jobs.pool import Pool

#: Tasks that end at this rate, in a second, may be of that kind: others wait for something.
QUICK_RATE = 10_000
#: A rate is taken in so long a time; before one thread is said to be a little slower, in that time.
WINDOW_SECONDS, LONG_SECONDS = 0.05, 0.25
#: When one thread was slower it is tried again so much later, then after twice that, and so on.
PAUSE_SECONDS, MOST_SECONDS = 1.0, 60.0


class Crowd:
    """Looks at a pool now and then, and tells it how many of its threads begin tasks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counted = (time.monotonic(), 0)
        self._rate_of_all = 0.0
        self._again, self._pause = 0.0, PAUSE_SECONDS

    def look(self) -> None:
        """Measure how quickly tasks end, and heed it."""
        moment, ended = time.monotonic(), self._pool.ended
        since, before = self._counted
        seconds = moment - since
        if seconds < WINDOW_SECONDS:
            return
        rate = (ended - before) / seconds
        if not self._pool.is_alone:
            self._counted = (moment, ended)
            if rate > QUICK_RATE and moment >= self._again:
                self._rate_of_all = rate
                self._pool.let_one_begin()
        elif rate < self._rate_of_all / 2 or (seconds > LONG_SECONDS and rate < self._rate_of_all):
            self._counted = (moment, ended)
            self._give_up(moment)
        elif seconds > LONG_SECONDS:
            self._counted, self._pause = (moment, ended), PAUSE_SECONDS

    def _give_up(self, moment: float) -> None:
        self._pool.let_all_begin()
        if self._pool.waiting:  # else it was not slower: there is nothing to do
            self._again = moment + self._pause
            self._pause = min(2 * self._pause, MOST_SECONDS)
