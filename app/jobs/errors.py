"""What can go wrong, by name. Each error is a sentence that tells a person what to do."""

from __future__ import annotations


class JobsError(Exception):
    """Something about a job could not be done."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownHandler(JobsError):
    """No handler has this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        names = ", ".join(sorted(known)) or "none"
        super().__init__(f"There is no handler named {name!r}. Handlers that exist: {names}.")


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


class InvalidParams(JobsError):
    """The params do not fit the handler's model; `fields` has a sentence for each that is wrong."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self.fields = fields
        super().__init__(
            "; ".join(f"{name or 'params'}: {' '.join(said)}" for name, said in fields.items())
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
