"""Run again: the params of a job as a person would write them into its form."""

from __future__ import annotations

import json
from typing import Any

from app.admin.form import Field, form_for
from app.jobs import Handler, JobDetail
from app.jobs.values import FILE, MASK


def answers(handler: Handler, job: JobDetail) -> dict[str, list[str]]:
    """What to fill in to get this job's params; secrets are left out, to be asked anew."""
    found = {}
    for each in form_for(handler.params).fields:
        if each.name in job.input and not _is_secret(each, job.input[each.name]):
            found[each.name] = _answer(each, job.input[each.name], job)
    return found


def name_of(handler: Handler, job: JobDetail) -> str:
    """The name that somebody gave the job; '' when it has the name that all of its kind get."""
    return "" if job.name == handler.title else job.name


def _is_secret(asked: Field, value: Any) -> bool:
    return asked.widget == "password" or MASK in json.dumps(value, ensure_ascii=False)


def _answer(asked: Field, value: Any, job: JobDetail) -> list[str]:
    if asked.widget == "multiselect":
        return [_text(each) for each in value or ()]
    if asked.widget == "file":
        # The same file again: whoever reads the form finds it by the job that it belongs to.
        return [f"again:{job.id}/{value[FILE]['name']}"] if isinstance(value, dict) else [""]
    if asked.widget == "lines" and isinstance(value, list):
        return ["\n".join(map(_text, value))]
    if asked.widget == "json" and value is not None:
        return [json.dumps(value, indent=2, ensure_ascii=False)]
    return [_text(value)]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
