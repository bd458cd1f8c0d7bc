"""The core: durable jobs. This is its public face; the rest of the program imports from here."""

from app.jobs.context import Job, Task
from app.jobs.engine import Engine
from app.jobs.errors import JobsError, TaskLost
from app.jobs.registry import Handler, Registry, task_handler
from app.jobs.states import JobStatus, TaskStatus

__all__ = [
    "Engine",
    "Handler",
    "Job",
    "JobStatus",
    "JobsError",
    "Registry",
    "Task",
    "TaskLost",
    "TaskStatus",
    "task_handler",
]
