"""Moments in a form: shown as a person's clocks say them, and read as what they were."""

from __future__ import annotations

import datetime

import pytest
from pydantic import AwareDatetime, BaseModel, ValidationError

from app.admin.display import sent_by
from app.admin.errors import Refused
from app.admin.form import form_for, values_of

ZONE = "Europe/Berlin"


class Model(BaseModel):
    """A moment."""

    it: AwareDatetime


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2030-06-01T12:00:00Z", "2030-06-01T14:00"),
        ("2030-06-01T12:00:30+05:30", "2030-06-01T08:30:30"),
        ("2030-01-01T00:00:00.250000Z", "2030-01-01T01:00:00.250"),
        ("2030-10-27T00:30:00Z", "2030-10-27T02:30"),
        ("2030-10-27T01:30:00Z", "2030-10-27T02:30"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:53:28"),
    ],
)
def test_a_moment_is_shown_in_the_zone_and_stays_what_it_was(moment: str, shown: str) -> None:
    form = form_for(Model, zone=ZONE)
    form.show({"it": moment})
    (field,) = form.fields
    assert (field.value, field.zone) == (shown, ZONE)
    assert values_of(Model, sent_by(field)) == {"it": moment}


def entered(text: str, zone: str = ZONE, was: str = "") -> datetime.datetime:
    """The moment that this means in the zone."""
    sent = {"it": [text], "form.zone.it": [zone], "form.was.it": [was]}
    return Model.model_validate_json(f'{{"it": "{values_of(Model, sent)["it"]}"}}').it


def test_what_is_written_is_a_time_of_the_zone() -> None:
    assert entered("2030-06-01T14:00").isoformat() == "2030-06-01T14:00:00+02:00"
    assert entered("2030-12-01T14:00").isoformat() == "2030-12-01T14:00:00+01:00"
    assert entered("2030-12-01T14:00", "-03:30").isoformat() == "2030-12-01T14:00:00-03:30"
    assert entered("2030-12-01T14:00Z").isoformat() == "2030-12-01T14:00:00+00:00"


def test_another_time_than_the_one_shown_is_another_moment() -> None:
    assert entered("2030-06-01T14:01", was="2030-06-01T12:00:00.000001Z").minute == 1


def test_a_time_that_the_clocks_jump_over_is_told() -> None:
    with pytest.raises(Refused) as refused:
        entered("2030-03-31T02:30")
    (said,) = refused.value.fields["it"]
    assert said.startswith("02:30 does not exist on that day in Europe/Berlin")


@pytest.mark.parametrize("zone", ["", "Nowhere/Else", "../etc/passwd", "+99:00", "\0"])
def test_a_zone_that_is_none_leaves_the_model_to_refuse(zone: str) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        entered("2030-06-01T14:00", zone)
