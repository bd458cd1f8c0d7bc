"""Text search: find a text within others by its letters, whatever their case and their form.

`ä` finds `Ä`, and both find `a` with a combining diaeresis. `ss` finds `ß`, a sigma the final one,
and an `i` finds those of Turkish. No database folds all of these alike, and SQLite none: so what is
looked for is expanded to all the forms in which it may stand, and what is stored stays as it is.
Nothing is called at a row, nothing is stored twice, and an index of trigrams can serve it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from itertools import product
from math import prod
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    SQLColumnExpression,
    String,
    case,
    cast,
    false,
    literal,
    or_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

#: Several letters that may stand at one place.
Letters = str
#: More patterns than these are not held against a row of SQLite, which has no alternatives in one.
MOST_PATTERNS: Final = 64

#: What is alike to those who search, beside what Unicode's folding of single letters says.
_TURKISH: Final = {"\N{LATIN SMALL LETTER DOTLESS I}": "i", "İ": "i"}
_DOTTED: Final = "i\u0307"
_LIGATURES: Final = {"ß": "ss", "ẞ": "ss", "և": "եւ"}
#: Where letters have a case or another form, but for those of Korean, which no table need tell of.
_RANGES: Final = (
    *((0, 0x3000), (0xA640, 0xAC00), (0xF900, 0x10000), (0x10400, 0x105C0), (0x10C80, 0x10D00)),
    *((0x118A0, 0x118E0), (0x16E40, 0x16E80), (0x1E900, 0x1E944), (0x2F800, 0x2FA20)),
)


class Kind(Enum):
    """Ways in which a part of a text is written."""

    USUAL = "usual"
    DECOMPOSED = "decomposed"
    LIGATURE = "ligature"
    DOTTED = "dotted"


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a part of a text: for each place the letters that may stand there."""

    kind: Kind
    places: tuple[Letters, ...]


Part = tuple[Form, ...]


class Place(Enum):
    """Places in a text where another one must stand."""

    ANYWHERE = "anywhere"
    START = "start"
    WHOLE = "whole"


def contains(column: SQLColumnExpression[Any], text: str) -> ColumnElement[bool]:
    """Match rows whose column has this text anywhere in it."""
    return _match(column, text, Place.ANYWHERE)


def starts_with(column: SQLColumnExpression[Any], text: str) -> ColumnElement[bool]:
    """Match rows whose column starts with this text."""
    return _match(column, text, Place.START)


def equals(column: SQLColumnExpression[Any], text: str) -> ColumnElement[bool]:
    """Match rows whose column is this text, and no more."""
    return _match(column, text, Place.WHOLE)


def _match(column: SQLColumnExpression[Any], text: str, place: Place) -> ColumnElement[bool]:
    stored: Any = column
    if not isinstance(stored.type, String):
        stored = cast(column, String)
    first, exact = (
        [stored.bool_op("GLOB")(each) for each in patterns]
        for patterns in glob_patterns(text, place)
    )
    # Of two conditions SQLite may well ask the dear one first; of a CASE it does not.
    on_sqlite = case((or_(*first), or_(*exact)), else_=false()) if exact else or_(*first)
    expression = literal(regular_expression(text, place), String)
    on_postgresql = stored.collate("C").bool_op("~")(expression)
    on_mariadb = stored.bool_op("REGEXP")(expression)
    is_start = place is Place.START
    elsewhere = (stored.istartswith if is_start else stored.icontains)(text, autoescape=True)
    return TextMatch(on_sqlite, on_postgresql, on_mariadb, elsewhere)


class TextMatch(FunctionElement[bool]):
    """A condition in the words of SQLite, PostgreSQL, MariaDB and any other database."""

    inherit_cache = True
    name = "text_match"
    type = Boolean()


_PLACES: Final = {"sqlite": 0, "postgresql": 1, "mariadb": 2}


@compiles(TextMatch)
def _compiled(element: TextMatch, compiler: Any, **context: Any) -> str:
    words = list(element.clauses)[_PLACES.get(compiler.dialect.name, 3)]
    return f"({compiler.process(words, **context)})"


def regular_expression(text: str, place: Place = Place.ANYWHERE) -> str:
    """Return the text as a regular expression of PostgreSQL and of PCRE."""
    body = "".join(map(_alternatives, _parts(text)))
    start = "" if place is Place.ANYWHERE else "^"
    end = r"$(?!\n)" if place is Place.WHOLE else ""
    return f"{start}{body}{end}"


def _alternatives(part: Part) -> str:
    ways = ["".join(map(_one_of, form.places)) for form in part]
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def _one_of(letters: Letters) -> str:
    if len(letters) > 1:
        return f"[{letters}]"
    return letters if letters.isalnum() or not letters.isascii() else f"\\{letters}"


def glob_patterns(text: str, place: Place = Place.ANYWHERE) -> tuple[list[str], list[str]]:
    """Return the text as patterns of SQLite's GLOB.

    What matches must match one of the first ones, and one of the others if there are any. The first
    have a `*` where forms differ in length, so that the others are held against few rows.
    """
    parts = _parts(text)
    after = "" if place is Place.WHOLE else "*"
    loose = [_loose(part) for part in parts]
    if place is Place.ANYWHERE and parts:
        # A letter after a `*` is looked for ten times as fast as one of several.
        rest = ("*" if len(parts[0]) > 1 else "") + "".join(loose[1:]) + after
        first = [f"*{_glob(letter)}{rest}" for letter in _first_letters(parts[0])]
    else:
        first = ["".join(loose) + after]
    if all(len(part) == 1 for part in parts):
        return first, []
    before = "*" if place is Place.ANYWHERE else ""
    ways = ("".join(_glob(each) for form in way for each in form.places) for way in _ways(parts))
    return first, [before + way + after for way in ways]


def _loose(part: Part) -> str:
    if len(part) == 1:
        return "".join(map(_glob, part[0].places))
    return _glob(_first_letters(part)) + "*"


def _first_letters(part: Part) -> Letters:
    return "".join(sorted({each for form in part for each in form.places[0]}))


def _glob(letters: Letters) -> str:
    is_plain = len(letters) == 1 and letters not in "*?["
    return letters if is_plain else f"[{letters}]"


def _ways(parts: Sequence[Part]) -> Iterable[Sequence[Form]]:
    """All ways to write a text; where there are too many, those that are alike all along it."""
    if prod(map(len, parts)) <= MOST_PATTERNS:
        return product(*parts)
    kinds = product(*((None, kind) for kind in (Kind.DECOMPOSED, Kind.LIGATURE)))
    ways = {tuple(_chosen(part, wanted) for part in parts) for wanted in kinds}
    return sorted(ways, key=str)


def _chosen(part: Part, kinds: Sequence[Kind | None]) -> Form:
    return next((form for form in part if form.kind in kinds), part[0])


@lru_cache(64)
def _parts(text: str) -> tuple[Part, ...]:
    """The parts of a text, each with the ways to write it, the usual one first."""
    folded, found, place = fold(text), [], 0
    while place < len(folded):
        length = _length_at(folded, place)
        part, end = folded[place : place + length], place + length
        halves = _halves(part, at_start=place == 0, at_end=end == len(folded))
        found.append(_letters(part) if length > 1 else _letter(part, halves))
        place = end
    return tuple(found)


def _length_at(folded: str, place: int) -> int:
    """Return how many letters belong together there: `ss` does, and of `sss` either half."""
    ligatures = _alike()[1]
    if folded[place : place + 2] not in ligatures:
        return 1
    return 3 if folded[place + 1 : place + 3] in ligatures else 2


def _letters(part: str) -> Part:
    ligatures = _alike()[1]
    apart = tuple(map(_same, part))
    forms = [Form(Kind.USUAL, apart)]
    for place in range(len(part) - 1):
        one = ligatures[part[place : place + 2]]
        forms.append(Form(Kind.LIGATURE, (*apart[:place], one, *apart[place + 2 :])))
    return tuple(forms)


def _letter(part: str, halves: Letters) -> Part:
    alike = _same(part)
    forms = [Form(Kind.USUAL, ("".join(dict.fromkeys(alike + halves)),))]
    decomposed = {unicodedata.normalize("NFD", each) for each in alike}
    bases = _same(fold(min(decomposed, key=len)[0]))
    if part != "i":  # whose capital of Turkish is the only one that is decomposed
        for length in range(2, max(map(len, decomposed)) + 1):
            same = [each[1:] for each in decomposed if len(each) == length]
            marks = ("".join(sorted(set(letters))) for letters in zip(*same, strict=True))
            forms += [Form(Kind.DECOMPOSED, (bases, *marks))] if same else []
    if "i" in bases:
        rest = [form.places[1:] for form in forms if form.kind is Kind.DECOMPOSED] or [()]
        forms += [Form(Kind.DOTTED, ("iI", _DOTTED[1], *each)) for each in rest]
    return tuple(forms)


def _same(folded: str) -> Letters:
    """A folded letter, and all that are folded to it."""
    return folded + _alike()[0].get(folded, "")


def _halves(part: str, *, at_start: bool, at_end: bool) -> Letters:
    """The letters of which this is half, at an edge of what is typed: `stras` finds `Straße`."""
    return "".join(
        letters
        for pair, letters in _alike()[1].items()
        if (at_end and pair[0] == part) or (at_start and pair[1] == part)
    )


def fold(text: str) -> str:
    """Return the text as it is compared: composed, without case."""
    text = unicodedata.normalize("NFC", text).replace(_DOTTED, "i")
    for letter, pair in _LIGATURES.items():
        text = text.replace(letter, pair)
    return unicodedata.normalize("NFC", "".join(map(_folded, text)))


def _folded(letter: str) -> str:
    if letter in _TURKISH:
        return _TURKISH[letter]
    for folded in (letter.casefold(), letter.lower()):
        if len(folded) == 1:
            return folded
    return letter


@cache
def _alike() -> tuple[dict[str, Letters], dict[str, Letters]]:
    """By each folded letter, and by each pair of them, the letters that are folded to it.

    Takes some 20 ms, once.
    """
    singles: dict[str, Letters] = {}
    pairs: dict[str, Letters] = {}
    for letter in (chr(each) for begin, end in _RANGES for each in range(begin, end)):
        folded = fold(letter)
        if folded != letter and len(folded) <= 2:
            known = singles if len(folded) == 1 else pairs
            known[folded] = known.get(folded, "") + letter
    return singles, pairs
