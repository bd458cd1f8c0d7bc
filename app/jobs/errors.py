"""What can go wrong, by name. Each error is a sentence that tells a person what to do."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, OperationalError


class JobsError(Exception):
    """Something about a job could not be done."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)

    def __str__(self) -> str:
        return str(self.args[0])


def sentence_of(error: BaseException) -> str:
    """What an exception says, with its kind; also of one that fails to say anything."""
    try:
        said = str(error).strip()
    except Exception:  # noqa: BLE001 - whatever its author wrote
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def is_outage(error: BaseException) -> bool:
    """Whether the database does not answer just now, so that the same may work a moment later.

    PostgreSQL ends a connection that rests too long in a transaction with an error that is no
    OperationalError; SQLAlchemy knows then that the connection is gone.
    """
    if isinstance(error, OperationalError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


class UnknownHandler(JobsError):
    """No handler has this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        names = ", ".join(sorted(known)) or "none"
        said = name if len(name) <= 100 else f"{name[:100]}…"
        super().__init__(f"There is no handler named {said!r}. Handlers that exist: {names}.")


class BrokenHandler(UnknownHandler):
    """The code of a handler cannot be loaded."""

    def __init__(self, name: str) -> None:
        JobsError.__init__(
            self,
            f"The handler {name!r} is broken: its code cannot be loaded. `jobdeck check` says why, "
            "and the page of the handlers does.",
        )


class BadHandler(JobsError):
    """A handler is declared in a way that cannot work."""


class JobNotFound(JobsError):
    """There is no such job; it may have been deleted."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"There is no job {job_id}; it may have been deleted.")


class TaskNotFound(JobsError):
    """The job has no such task."""

    def __init__(self, job_id: int, index: int) -> None:
        super().__init__(f"Job {job_id} has no task {index}.")


class JobEnded(JobsError):
    """The job has ended already."""

    def __init__(self, job_id: int, status: str, wanted: str = "cancelled") -> None:
        super().__init__(f"Job {job_id} has ended already ({status}); it cannot be {wanted}.")


class JobCancelling(JobEnded):
    """The job is being cancelled."""

    def __init__(self, job_id: int, wanted: str) -> None:
        JobsError.__init__(self, f"Job {job_id} is being cancelled; it cannot be {wanted}.")


class JobNotEnded(JobsError):
    """The job has not ended yet."""

    def __init__(self, job_id: int, wanted: str) -> None:
        super().__init__(
            f"Job {job_id} has not ended yet, so it cannot be {wanted}. Wait for its end, or "
            "cancel it first."
        )


class NothingToRetry(JobsError):
    """None of the job's tasks is such that it could be tried again."""

    def __init__(self, job_id: int, choice: str) -> None:
        tasks = {
            "failed": "failed",
            "unfinished": "failed or was cancelled",
            "chosen": "was chosen",
        }
        said = tasks.get(choice, "has run")
        super().__init__(f"No task of job {job_id} {said}, so there is nothing to try again.")


class JobBegun(JobsError):
    """The job has begun, so it waits no more."""

    def __init__(self, job_id: int, wanted: str) -> None:
        super().__init__(f"Job {job_id} waits no more, so {wanted}.")


class TaskBegun(JobsError):
    """A task that has begun cannot be taken out of its job any more."""

    def __init__(self, job_id: int, indexes: list[int]) -> None:
        some = ", ".join(map(str, indexes[:10])) + (", …" if len(indexes) > 10 else "")
        super().__init__(
            f"Only tasks that wait can be deleted. These of job {job_id} have begun or ended: "
            f"{some}. Nothing was deleted."
        )


class AddingInterrupted(JobsError):
    """Adding tasks took too long, and what was written of them was removed. Try again."""


class TaskCancelled(BaseException):
    """The job of this task was cancelled: end soon. Later calls of the task work, to tidy up.

    No Exception, so that an `except Exception` around a handler's work does not swallow it.
    """


class TaskTimedOut(BaseException):
    """This try of the task took longer than it may, and was ended: nothing it says is stored.

    No Exception, for the same reason.
    """


class InvalidParams(JobsError):
    """The params do not fit the handler's model; `fields` has a sentence for each that is wrong."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self.fields = fields
        super().__init__(
            "; ".join(f"{name or 'params'}: {' '.join(said)}" for name, said in fields.items())
        )


class InvalidName(InvalidParams):
    """The name of the job will not do. A param may be called `name`, too."""

    def __init__(self, said: str) -> None:
        super().__init__({"name": [said]})


class InvalidOptions(InvalidParams):
    """Options of a start are none that there are; `fields` has a sentence for each of them."""


class StoredParamsOutdated(JobsError):
    """The params of a job were stored by other code than its handler has now."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "The params of this job were stored by another version of its handler's code, and this "
            f"one cannot read them ({why}). Run the job again, to enter them anew."
        )


class TasksNotMade(JobsError):
    """The handler's `tasks` function failed, so nothing was stored."""


class ValueNotStorable(JobsError):
    """A value cannot be kept as JSON."""


class CreationInterrupted(JobsError):
    """The job took too long to write and its remains were removed. Nothing is stored; try again."""


class TaskLost(JobsError):
    """This worker no longer owns the task: it was taken for dead and another one has the task."""


class NestedChange(JobsError):
    """A `change` may only edit the state it is given; it must not write to a job by itself."""


class EngineStopped(JobsError):
    """The engine of this process has stopped; nothing more can be written through it."""


class TaskUsedAfterFork(JobsError):
    """A forked process cannot speak for a task: return the value to the handler, which can."""


class JobFileNotFound(JobsError):
    """The job has no such file."""

    def __init__(self, job_id: int, name: str) -> None:
        super().__init__(f"Job {job_id} has no file named {name!r}.")


class BadFile(JobsError):
    """A handler may not make a file like this."""


class FileTooLarge(JobsError):
    """A file is larger than the settings allow."""

    def __init__(self, what: str, most_mb: int, setting: str) -> None:
        super().__init__(
            f"{what} is larger than {most_mb:,} MB, which is the most that {setting} allows."
        )


class UploadNotGood(JobsError):
    """An upload cannot be used (any more), as a sentence without its full stop."""


class UploadTaken(JobsError):
    """An upload was used for another job just now. Nothing was started; choose the file again."""


class TooManyUploads(JobsError):
    """Somebody has uploaded many files and used none of them."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"You have {most} uploads that no job has used. Start their jobs first, or wait: "
            "each is removed after a day."
        )
