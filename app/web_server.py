"""Run gunicorn: `python -m app.web_server`, with its arguments.

As the main module it is imported by each process that multiprocessing starts anew for a handler,
and so it imports nothing by itself.
"""

from __future__ import annotations


def main() -> None:
    """Serve until a signal ends it."""
    from gunicorn.app.wsgiapp import run  # type: ignore[import-untyped]

    run(prog="gunicorn")


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":
    from app.fork_safety import follow_parent

    follow_parent()
