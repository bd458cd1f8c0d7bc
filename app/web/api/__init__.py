"""The API for programs: JSON in, JSON out, the same rights as the pages. A module for each noun."""

from app.web.api import handlers, jobs, managing, tasks
from app.web.api.answers import handler_row, job_detail, job_row, pause_row, task_row, waiting_for
from app.web.api.blueprint import bp

__all__ = [
    "bp",
    "handler_row",
    "handlers",
    "job_detail",
    "job_row",
    "jobs",
    "managing",
    "pause_row",
    "task_row",
    "tasks",
    "waiting_for",
]
