"""The API for programs: JSON in, JSON out, the same rights as the pages. A module for each noun."""

from app.web.api import jobs, managing, tasks
from app.web.api.answers import job_detail, job_row, task_row
from app.web.api.blueprint import bp

__all__ = ["bp", "job_detail", "job_row", "jobs", "managing", "task_row", "tasks"]
