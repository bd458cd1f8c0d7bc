"""Params of a job: validated once, stored as they came out of that, restored without validators."""

from app.jobs.params.entered import entered_params
from app.jobs.params.marks import MADE
from app.jobs.params.reader import ParamReader
from app.jobs.params.validation import refuse_each, sentences, validate_params
from app.jobs.params.writer import ParamWriter

__all__ = [
    "MADE",
    "ParamReader",
    "ParamWriter",
    "entered_params",
    "refuse_each",
    "sentences",
    "validate_params",
]
