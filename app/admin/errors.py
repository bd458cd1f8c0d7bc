"""What can go wrong with rows, by name. Each error is a sentence for the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class AdminError(Exception):
    """Something about a row could not be done."""


class RowNotFound(AdminError):
    """There is no such row."""

    def __init__(self, noun: str, row_id: int) -> None:
        super().__init__(f"There is no {noun} {row_id}. It may have been deleted.")


class Refused(AdminError):
    """A row cannot be written like this; `fields` has sentences for each field."""

    def __init__(
        self, message: str = "", fields: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.fields = dict(fields or {})
        said = [message] if message else [each for some in self.fields.values() for each in some]
        super().__init__(" ".join(said))
        self.message = message
