"""Whatever is done to jobs and to processes, in any order: the books balance in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.jobs import Engine
from tests.faults.schedule import Stage, made_from

pytestmark = pytest.mark.conformance


def test_a_short_random_schedule(folder: Path, looking: Engine, seed: int) -> None:
    Stage(folder, looking).perform(made_from(seed, acts=25))


@pytest.mark.long
@pytest.mark.parametrize("nth", range(12))
def test_a_long_random_schedule(folder: Path, looking: Engine, seed: int, nth: int) -> None:
    Stage(folder, looking).perform(made_from(seed + nth, acts=120))


def test_a_seed_makes_the_same_schedule_again() -> None:
    assert made_from(7, acts=50) == made_from(7, acts=50) != made_from(8, acts=50)
