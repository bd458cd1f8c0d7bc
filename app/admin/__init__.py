"""The declarative admin engine. Knows nothing of HTTP."""

from app.admin.form import Field, Form, form_for

__all__ = ["Field", "Form", "form_for"]
