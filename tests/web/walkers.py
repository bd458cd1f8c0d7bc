"""Those who walk to every door: a stranger, a viewer, an operator and a superadmin."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flask import Flask

from app.users.people import find_by_email
from tests.visitor import Visitor
from tests.web.doors import NARROWED, THROUGH


@dataclass(frozen=True)
class Walker:
    """Somebody who walks to every door."""

    role: str
    visitor: Visitor
    id: int | None

    def may(self, action: str, kind: str | None) -> bool:
        """Whether the table lets them through, to jobs of this kind."""
        narrowed = NARROWED[kind] if kind else {}
        # Who may not see a job gets through to nothing of it.
        asked = [narrowed[each] for each in ("view", action) if each in narrowed]
        return all(self.role in those for those in (THROUGH[action], *asked))


@pytest.fixture
def walkers(
    app: Flask, stranger: Visitor, vera: Visitor, oscar: Visitor, alice: Visitor
) -> list[Walker]:
    """One of each role."""
    database = app.extensions["jobdeck_database"]
    people = {"viewer": vera, "operator": oscar, "superadmin": alice}
    found = {role: find_by_email(database, each.email) for role, each in people.items()}
    known = [Walker(role, people[role], person.id) for role, person in found.items() if person]
    return [Walker("stranger", stranger, None), *known]
