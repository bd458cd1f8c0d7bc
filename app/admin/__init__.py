"""The declarative admin engine. Knows nothing of HTTP."""

from app.admin.errors import AdminError, Refused, RowNotFound
from app.admin.form import Field, Form, form_for
from app.admin.resource import Column, Outcome, Reference, Resource, RowAction
from app.admin.rows import Rows

__all__ = [
    "AdminError",
    "Column",
    "Field",
    "Form",
    "Outcome",
    "Reference",
    "Refused",
    "Resource",
    "RowAction",
    "RowNotFound",
    "Rows",
    "form_for",
]
