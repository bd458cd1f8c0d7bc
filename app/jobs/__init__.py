"""The core: durable jobs. This is its public face; the rest of the program imports from here."""

from app.jobs.amending import DECLARED
from app.jobs.changing import RETRY_CHOICES
from app.jobs.context import Job, Task
from app.jobs.discovery import LoadFailure
from app.jobs.engine import Engine
from app.jobs.errors import JobsError, TaskCancelled, TaskLost, TaskTimedOut
from app.jobs.registry import Handler, Preview, Registry, task_handler
from app.jobs.states import JobStatus, PendingCode, TaskStatus
from app.jobs.store.keeping import declared_roles
from app.jobs.store.listing import JobFilter
from app.jobs.store.steering import EVERYTHING
from app.jobs.uploads import UploadedFile
from app.jobs.views import (
    Attempt,
    FileRow,
    HandlerRow,
    JobDetail,
    JobRow,
    LogLine,
    Pause,
    PendingReason,
    TaskDetail,
    TaskRow,
    WorkerRow,
)

__all__ = [
    "DECLARED",
    "EVERYTHING",
    "RETRY_CHOICES",
    "Attempt",
    "Engine",
    "FileRow",
    "Handler",
    "HandlerRow",
    "Job",
    "JobDetail",
    "JobFilter",
    "JobRow",
    "JobStatus",
    "JobsError",
    "LoadFailure",
    "LogLine",
    "Pause",
    "PendingCode",
    "PendingReason",
    "Preview",
    "Registry",
    "Task",
    "TaskCancelled",
    "TaskDetail",
    "TaskLost",
    "TaskRow",
    "TaskStatus",
    "TaskTimedOut",
    "UploadedFile",
    "WorkerRow",
    "declared_roles",
    "task_handler",
]
