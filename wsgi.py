"""The application as a web server finds it: `gunicorn wsgi:app`, `flask --app wsgi`.

Building it runs nothing: `gunicorn.conf.py` lets the engine run once the worker process is there,
so that no thread and no connection crosses a fork.
"""

from __future__ import annotations

from app import create_app

app = create_app()
