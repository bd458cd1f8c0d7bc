"""Handlers that fork, by whatever library, and leave their children waiting."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.pool import Pool

from pydantic import BaseModel

from app.jobs import Job, Task, task_handler

IN_THE_CHILD = 99


class Forking(BaseModel):
    """How the children are made."""

    way: str


def wait_for_ever(_: object = None) -> None:
    """Wait until this process is killed."""
    threading.Event().wait()


def own_pid(_: object = None) -> int:
    """Say which process this is."""
    return os.getpid()


@contextmanager
def executor(method: str) -> Iterator[list[int]]:
    """A pool of the standard library, with a worker that is busy and one that is idle."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        pool.submit(wait_for_ever)
        pool.submit(own_pid).result()
        yield list(pool._processes)


@contextmanager
def pool() -> Iterator[list[int]]:
    """The other pool of the standard library."""
    with multiprocessing.Pool(2) as made:
        made.map_async(wait_for_ever, [1])
        yield [child.pid or 0 for child in multiprocessing.active_children()]


@contextmanager
def bare_fork() -> Iterator[list[int]]:
    """A fork that nobody looks after, and one of its own."""
    heard, said = os.pipe()
    if not (child := os.fork()):
        if grandchild := os.fork():
            os.write(said, str(grandchild).encode())
        wait_for_ever()
    yield [child, int(os.read(heard, 20))]


@contextmanager
def program() -> Iterator[list[int]]:
    """Another program, with whatever is inherited; it ends with this process by its own means."""
    die = f"import ctypes; ctypes.CDLL(None).prctl(1, {signal.SIGKILL:d})"
    code = f"{die}; print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        close_fds=False, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=own_pid,
    ) as started:  # fmt: skip
        assert started.stdout
        started.stdout.readline()
        yield [started.pid]


WAYS: dict[str, Callable[[], AbstractContextManager[list[int]]]] = {
    "fork": lambda: executor("fork"),
    "spawn": lambda: executor("spawn"),
    "forkserver": lambda: executor("forkserver"),
    "pool": pool,
    "bare": bare_fork,
    "program": program,
}


@task_handler(params=Forking)
def forks(task: Task) -> None:
    """Fork, and tell of the children; at the first try wait then until the server is killed."""
    if task.attempt > 1:
        return
    with WAYS[task.job.params.way]() as pids:
        task.set_state_field("pids", pids)
        task.flush()
        wait_for_ever()


@task_handler
def pools(_: Task) -> list[int]:
    """Make a pool in a thread that ends, and use it afterwards; end it as a `with` does."""
    made: list[Pool] = []
    thread = threading.Thread(target=lambda: made.append(multiprocessing.Pool(2)))
    thread.start()
    thread.join()
    with made[0] as workers:
        return workers.map(abs, [-1, 2])


@pools.tasks
def several(_: object) -> Iterator[dict[str, object]]:
    """So many that pools are made at once."""
    yield from ({} for _ in range(12))


class Leaving(BaseModel):
    """How a forked child leaves the code of its author."""

    how: str


def leave(how: str) -> int:
    """Fork; the child comes to the end of what its author wrote. Return its exit code."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if how == "raise":
        raise ValueError("in the child")
    if how == "exit":
        sys.exit(3)
    return IN_THE_CHILD


@task_handler(params=Leaving)
def leaves_in_a_fork(task: Task) -> int:
    """Return what became of a child that has left a handler."""
    return leave(task.job.params.how)


@leaves_in_a_fork.tasks
def one_after_a_fork(params: Leaving) -> Iterator[dict[str, object]]:
    """Say what became of a child that has left a generator."""
    yield {"code": leave(params.how)}


@leaves_in_a_fork.on_all_tasks_done
def leave_a_callback(job: Job) -> None:
    """Say what became of a child that has left a callback."""
    code = leave(job.params.how)
    if code != IN_THE_CHILD:
        job.set_state_field("code", code)


@task_handler(params=Leaving)
async def leaves_a_coroutine(task: Task) -> int:
    """Return what became of a child that has left a coroutine."""
    return leave(task.job.params.how)


@task_handler
def speaks_in_a_fork(task: Task) -> str:
    """Let a forked child speak for the task, and ask the database; return what both said."""
    heard, said = os.pipe()
    if not os.fork():
        for speak in (
            lambda: task.set_state_field("x", 1),
            task.flush,
            lambda: task.job.update_fields_atomically(lambda state: state.update(x=1)),
            lambda: task.engine.job(task.job.id),
        ):
            try:
                speak()
            except Exception as error:  # noqa: BLE001 - it is told
                os.write(said, f"{type(error).__name__} ".encode())
        os._exit(0)
    os.close(said)
    with os.fdopen(heard) as words:
        return words.read()
