"""A text is found whatever its case and its form, and nothing in it is a wildcard."""

from __future__ import annotations

import re
import sqlite3
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.textsearch import MOST_PATTERNS, Place, fold, glob_patterns, regular_expression
from tests.searched import FOUND, NOT_FOUND

Finds = Callable[[str, str, Place], bool]
_sqlite = sqlite3.connect(":memory:", check_same_thread=False)


def by_globs(stored: str, text: str, place: Place = Place.ANYWHERE) -> bool:
    def one_of(patterns: list[str]) -> bool:
        said = (_sqlite.execute("SELECT ? GLOB ?", (stored, each)) for each in patterns)
        return any(each.fetchone()[0] for each in said)

    first, exact = glob_patterns(text, place)
    return one_of(first) and (one_of(exact) or not exact)


def by_expression(stored: str, text: str, place: Place = Place.ANYWHERE) -> bool:
    return re.search(regular_expression(text, place), stored) is not None


each_way = pytest.mark.parametrize("finds", [by_globs, by_expression])


@each_way
@pytest.mark.parametrize(("stored", "text"), FOUND)
def test_it_is_found(finds: Finds, stored: str, text: str) -> None:
    assert finds(stored, text, Place.ANYWHERE)
    assert finds(f"... {stored} ...", text, Place.ANYWHERE)


@each_way
@pytest.mark.parametrize(("stored", "text"), NOT_FOUND)
def test_it_is_not_found(finds: Finds, stored: str, text: str) -> None:
    assert not finds(stored, text, Place.ANYWHERE)


@each_way
def test_a_place_is_kept(finds: Finds) -> None:
    assert finds("Äpfel und Birnen", "äPFEL", Place.START)
    assert not finds("rote Äpfel", "äpfel", Place.START)
    assert finds("A\u0308pfel", "äPFEL", Place.WHOLE)
    for stored in ("Äpfel ", "Äpfel\n", " Äpfel", "Äpfelx"):
        assert not finds(stored, "äpfel", Place.WHOLE)


DOTLESS, SIGMA = "\N{LATIN SMALL LETTER DOTLESS I}", "\N{GREEK SMALL LETTER SIGMA}"
LETTERS = (
    "aäÄa\u0308sSßẞiİI\u0307öéÉe\u0301ñkKςΣйЙéệợ한각がガ 1%_\\*?[]^-.()|{}+$#'\"\u0301"
    f"{DOTLESS}{SIGMA}"
)


@each_way
@settings(max_examples=300, deadline=None)
@given(text=st.text(LETTERS, max_size=6), around=st.text("aäsic \u0308", max_size=3))
def test_what_is_typed_in_any_way_is_found(finds: Finds, text: str, around: str) -> None:
    """In capitals, in small letters, composed, decomposed: what is stored as what is typed."""
    # No word has so many of one letter, or puts a mark on these.
    assume("ssss" not in fold(text))
    assume(not re.search(f"[ßẞ{DOTLESS}][\u0300-\u036f]", text))
    ways = {text, text.upper(), text.lower(), text.swapcase(), text.casefold()}
    for stored in {unicodedata.normalize(form, way) for form in ("NFC", "NFD") for way in ways}:
        assert finds(f"{stored}{around}", text, Place.START), (stored, text)
        assert finds(f"x {stored} x", text, Place.ANYWHERE), (stored, text)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_text_is_alike_to_itself(text: str) -> None:
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    assert by_globs(text, text, Place.WHOLE)
    assert by_expression(text, text, Place.WHOLE)


@each_way
def test_a_long_search_takes_no_time(finds: Finds) -> None:
    begun = time.perf_counter()
    for text in ("ß" * 200, "äi" * 100, "*" * 200, "sss" * 66, "\u0308" * 200):
        finds("äsßi" * 500, text, Place.ANYWHERE)
        assert len(glob_patterns(text)[1]) <= MOST_PATTERNS
    assert time.perf_counter() - begun < 5
