"""The widget with a person's own jobs, on every page of the panel (A14)."""

from __future__ import annotations

from flask import Flask

from app.extensions import the_engine
from app.web import pages
from app.web.session import here


def init_app(app: Flask) -> None:
    """Let the layout ask for the jobs, so that no view has to know of them."""
    app.jinja_env.globals["navbar_jobs"] = navbar_jobs


def navbar_jobs() -> pages.NavbarJobs:
    """The jobs of the person who looks at the page."""
    return pages.navbar(the_engine(), here())
