"""Which tables the panel shows: declarations, one module for each, found by themselves."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from app.admin import Resource
from app.admin.resource import BadResource


def all_resources() -> Sequence[Resource]:
    """Every resource that a module here declares, in the order of the navigation."""
    found: dict[str, Resource] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(__path__)):
        for value in vars(importlib.import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Resource) and found.setdefault(value.name, value) is not value:
                raise BadResource(f"Two resources are named {value.name!r}; rename one of them.")
    return sorted(found.values(), key=lambda each: (each.place, each.heading))
