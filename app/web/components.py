"""A job's own look: the Jinja file of its handler, drawn inside the popup (A12)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flask import Flask, render_template
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, Template
from markupsafe import Markup

from app.jobs import Engine, JobDetail
from app.web.files import ShownFile

log = logging.getLogger(__name__)

OWN = Path(__file__).parent.parent / "components"


def init_app(app: Flask) -> None:
    """Find components in `app/components`, and beside handlers that live elsewhere."""
    engine: Engine = app.extensions["jobdeck"]
    folders = [FileSystemLoader(each) for each in (*engine.registry.component_folders, OWN)]
    app.jinja_env.tests["broken"] = lambda handler: handler in engine.registry.broken
    own = app.jinja_loader
    loaders = [PrefixLoader({"components": ChoiceLoader(folders)})]
    app.jinja_env.loader = ChoiceLoader([*loaders, *([own] if own else [])])


def draw(engine: Engine, job: JobDetail, files: Sequence[ShownFile] = ()) -> Markup:
    """Draw a job's component; one that raises is replaced by a card that says so.

    `files` are the job's as the person who looks may have them.
    """

    def get_job_tasks(
        limit: int = 10, offset: int = 0, fields: list[str] | None = None
    ) -> list[Any]:
        return engine.get_job_tasks(job.id, limit, offset, fields)

    try:
        return Markup(
            render_template(
                _names(engine, job.handler),
                job=job,
                state=job.state,
                params=job.params,
                files={file.name: file for file in files},
                get_job_tasks=get_job_tasks,
            )
        )
    except Exception as error:
        log.warning("The component of %s failed for job %s", job.handler, job.id, exc_info=True)
        said = f"{type(error).__name__}: {error}"
        return Markup(render_template("components/_failed.html", job=job, error=said))


def _names(engine: Engine, handler: str) -> list[str | Template]:
    named = engine.registry[handler].component if handler in engine.registry else None
    return [
        *([f"components/{named}"] if named else []),
        f"components/{handler}.html",
        "components/default.html",
    ]
