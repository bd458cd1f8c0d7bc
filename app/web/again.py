"""Run again: the params of a job as a person would write them into its form."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from app.admin.form import Form
from app.jobs import Handler, JobDetail
from app.jobs.params import MADE
from app.jobs.values import FILE, MASK
from app.web.uploads import AGAIN

#: Widgets that a browser sends with nothing in them only when they are not required.
ENTERED: Final = ("text", "number", "textarea", "date", "datetime", "time")


def show_params(form: Form, job: JobDetail, lost: Collection[str]) -> None:
    """Fill in what the job was started with, without what is to be asked anew.

    These are secrets, and the params that are `lost`, since no form can say them.
    """
    fields = {each.key for each in form.fields}
    known = {key: value for key, value in job.input.items() if key in fields or value != MASK}
    form.show(_with_files({key: known[key] for key in known.keys() - {MADE, *lost}}, job))
    # A validator may have found a secret under another name.
    is_masked = len(known) < len(job.input)
    for each in form.fields:
        is_found = is_masked and each.secret and job.params.get(each.key) == MASK
        each.was_given = each.was_given or each.key in lost or is_found
        if each.key in lost and each.widget in ENTERED:
            each.value, each.required = None, True  # its default would be something else
    for each in form.leaves():
        if MASK in str(each.value):
            each.value, each.was_given = None, True


def name_of(handler: Handler, job: JobDetail) -> str:
    """The name that somebody gave the job; '' when it has the name that all of its kind get."""
    return "" if job.name == handler.title else job.name


def _with_files(value: Any, job: JobDetail) -> Any:
    """The value with each file in it named as a form names it, which finds it by its job."""
    if isinstance(value, dict):
        if value.keys() == {FILE} and isinstance(value[FILE], dict):
            return f"{AGAIN}{job.id}/{value[FILE].get('name')}"
        return {key: _with_files(each, job) for key, each in value.items()}
    return [_with_files(each, job) for each in value] if isinstance(value, list) else value
