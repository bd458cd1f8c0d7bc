"""Keep forked children apart from the process that forked them.

A handler, or a library that it calls, may fork at any time: a process pool does. A forked child has
a copy of every open file. When its parent is killed it would keep the listening port, the lock by
which others know that a worker lives, and connections whose other ends wait for them to close. It
inherits the signal handlers, too, which swallow the SIGTERM by which a pool ends it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, NoReturn, TypeVar
from weakref import WeakKeyDictionary

Owner = TypeVar("Owner")

_OPEN_FILES: Final = "/proc/self/fd"
#: Linux: which signal tells the owner of a file that something happened to it.
_F_SETSIG: Final = 10

_in_child: WeakKeyDictionary[Any, Callable[[Any], object]] = WeakKeyDictionary()
_masks = threading.local()


def in_forked_children(owner: Owner, act: Callable[[Owner], object]) -> None:
    """Call `act(owner)` in each child that is forked while the owner is there.

    It runs in the only thread of the child: a lock may be held by a thread that is not there.
    """
    _in_child[owner] = act
    _register_actions()


def close_in_forked_children(owner: Owner, fileno: Callable[[Owner], int]) -> None:
    """Close the file with this number in each child that is forked while its owner is there."""
    in_forked_children(owner, lambda owner: _close(fileno(owner)))


@cache
def _register_actions() -> None:
    os.register_at_fork(after_in_child=_run_actions)


def _run_actions() -> None:
    for owner, act in list(_in_child.items()):
        with contextlib.suppress(Exception):  # such as a connection that is closed already
            act(owner)


def _close(number: int) -> None:
    """Close a file, and keep its number taken: whoever owns the number may close it once more."""
    if number < 0:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, number, inheritable=False)
    if nothing != number:
        os.close(nothing)


class ForkGuard:
    """End a child that is forked within and comes to the end of it, as the end of a script does.

    It would go on in place of its parent: answer its request, wait for its next task.
    """

    __slots__ = ("_process",)

    def __enter__(self) -> None:
        self._process = os.getpid()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if os.getpid() != self._process:
            _exit(error)


def _exit(error: BaseException | None) -> NoReturn:
    """End this process with the code with which Python would end."""
    code = 0 if error is None else 1
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        code = error.code or 0
    elif isinstance(error, SystemExit):
        sys.stderr.write(f"{error.code}\n")
    elif error:
        traceback.print_exception(error)
    for each in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            each.flush()
    os._exit(code & 0xFF)


class Isolation:
    """Have children that are forked end with this process, without its port and signal handlers.

    For a process whose main thread is about to run jobs or serve pages; once in its life. The
    parent-death signal of the kernel is of no use here: it comes when the thread ends that forked.
    """

    def __init__(self, listeners: Iterable[socket.socket] = ()) -> None:
        self._addresses = [(each.family, _port(each)) for each in listeners]
        # The kernel closes the end for writing when this process dies, however it dies.
        self._alive, self._held = os.pipe()

    def begin(self) -> None:
        """Isolate what is forked from now on."""
        os.register_at_fork(
            before=_block_signals,
            after_in_parent=_unblock_signals,
            after_in_child=self._isolate,
        )

    def _isolate(self) -> None:
        try:
            _reset_signals()
            _close(self._held)
            kill_when_closed(self._alive)
            self._close_connections()
        finally:
            _unblock_signals()

    def _close_connections(self) -> None:
        """Close the listening sockets, and what came in on them: they have the same address."""
        for number in _open_files():
            with contextlib.suppress(OSError):
                if not stat.S_ISSOCK(os.fstat(number).st_mode):
                    continue
                with socket.socket(fileno=os.dup(number)) as found:
                    if (found.family, _port(found)) in self._addresses:
                        _close(number)


def follow_parent() -> None:
    """Let this process, which multiprocessing has started anew, be killed when its parent dies.

    To be called where the main module is imported as `__mp_main__`: by each process of the method
    "spawn", and by those of "forkserver" or by the one that they are forked from.
    """
    from multiprocessing.util import register_after_fork  # here: few processes have a use for it

    register_after_fork(follow_parent, lambda _: _follow_forker())
    if "--multiprocessing-fork" in sys.orig_argv:  # spawned
        with contextlib.suppress(OSError, AttributeError):  # no Linux
            process = os.pidfd_open(os.getppid())
            threading.Thread(target=_die_after, args=[process], daemon=True).start()


def _follow_forker() -> None:
    import multiprocessing

    if parent := multiprocessing.parent_process():  # the one that waits for this one
        kill_when_closed(parent.sentinel)


def _die_after(process: int) -> None:
    death = select.poll()
    death.register(process, select.POLLIN)
    death.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def kill_when_closed(pipe: int) -> None:
    """Have the kernel kill this process when nobody can write to a pipe any more, on Linux.

    It needs no thread, and hears of it whatever this process does.
    """
    with contextlib.suppress(OSError):
        # Opened anew, because all copies of an open file have one owner.
        own = os.open(f"{_OPEN_FILES}/{pipe}", os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
        closed = select.poll()
        closed.register(own, 0)
        if closed.poll(0):  # before it could be told
            os.kill(os.getpid(), signal.SIGKILL)


def _block_signals() -> None:
    """Let signals wait: one that reaches a child before it has begun would be lost."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _reset_signals() -> None:
    """Do by default what this process has handlers for."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            is_ctrl_c = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_ctrl_c else signal.SIG_DFL)


def _open_files() -> list[int]:
    return [int(name) for name in os.listdir(_OPEN_FILES)]


def _port(found: socket.socket) -> object:
    """The part of a socket's own address that those which it accepts have, too."""
    name = found.getsockname()
    return name[1] if isinstance(name, tuple) else name
