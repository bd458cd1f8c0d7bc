"""Find the files that belong to the program beside its code: in a checkout, or in a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent


def package_file(name: str) -> Path:
    """Return the path of `migrations` or `gunicorn.conf.py`.

    A checkout has them beside the package; a wheel, see `bin/build_py.py`, brings them in it.
    """
    installed = _PACKAGE / name
    return installed if installed.exists() else _PACKAGE.parent / name


def is_installed() -> bool:
    """Whether this is a copy that was installed, which its next version replaces."""
    return (_PACKAGE / "migrations").exists()
