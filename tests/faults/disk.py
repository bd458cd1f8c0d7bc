"""A disk that is soon full: a real one, in memory, of a few megabytes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a small disk, and unmount it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-small-disk-"))
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    said = mounted.stderr.strip()
    assert not mounted.returncode, f"Run this test as somebody who may mount a disk: {said}"
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no room on the folder's disk for a while."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            _write_while_there_is_room(file.fileno(), bytes(size))
    try:
        yield
    finally:
        filler.unlink()


def _write_while_there_is_room(file: int, piece: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            os.write(file, piece)
