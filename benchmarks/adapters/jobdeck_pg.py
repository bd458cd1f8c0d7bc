"""As jobdeck_sqlite, on PostgreSQL."""

import os

os.environ["BENCH_JOBDECK_DATABASE"] = "postgresql"
from adapters.jobdeck_sqlite import *  # noqa: F403 - it reads what was just set
