"""As jobdeck_sqlite, with a job for each task."""

import os

os.environ["BENCH_JOBDECK_SHAPE"] = "one task"
from adapters.jobdeck_sqlite import *  # noqa: F403 - it reads what was just set
