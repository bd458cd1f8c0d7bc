"""As jobdeck_sqlite, on PostgreSQL, with a job for each task."""

import os

os.environ["BENCH_JOBDECK_DATABASE"] = "postgresql"
os.environ["BENCH_JOBDECK_SHAPE"] = "one task"
from adapters.jobdeck_sqlite import *  # noqa: F403 - it reads what was just set
