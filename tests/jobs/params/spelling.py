"""Values as text, to be compared types and all."""

from __future__ import annotations

import re
from typing import Any


def spelled(value: Any) -> str:
    """Its repr, with what has no order in one."""

    def in_order(found: re.Match[str]) -> str:
        return ", ".join(sorted(found[0].strip("{}").split(", ")))

    return re.sub(r"\{[^{}]*\}", in_order, repr(value))
