"""E-mail addresses: the one form in which they are kept, and what can be one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST: Final = 254

# As a browser's e-mail field has it; x stands for the letters and digits of every language.
_LOCAL: Final = r"[x_!#$%&'*+/=?^`{|}~-]+"
_LABEL: Final = r"x(?:[x-]{0,61}x)?"
_ADDRESS: Final = re.compile(rf"{_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})*")

# Control, invisible, half and unassigned characters: two addresses could look the same with them.
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn"}


def same_form(email: str) -> str:
    """The address in the one form in which it is kept and compared."""
    return unicodedata.normalize("NFC", email.strip().lower())


def complaint(email: str) -> str | None:
    """What is wrong with an address in its kept form, as a sentence; None when it could be one.

    Only a letter that arrives proves that it is one.
    """
    if not email:
        return "Write an e-mail address."
    if len(email) > LONGEST:
        return f"An e-mail address has at most {LONGEST} characters."
    if any(unicodedata.category(each) in _UNSEEN for each in email):
        return "An e-mail address has no control characters or invisible ones."
    if any(each.isspace() for each in email):
        return "An e-mail address has no spaces."
    if _ADDRESS.fullmatch(_skeleton(email)) is None:
        return "This is not an e-mail address."
    return None


def _skeleton(email: str) -> str:
    """The address with an x for each letter, mark or digit, which may be of any script."""
    return "".join("x" if unicodedata.category(each)[0] in "LMN" else each for each in email)
