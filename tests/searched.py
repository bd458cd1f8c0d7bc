"""What a search finds, and what not: what is stored, and what is typed."""

from __future__ import annotations

import unicodedata


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


FOUND = [
    ("Import Äpfel", "äpfel"), ("äpfel", "ÄPFEL"), ("ПРОВЕРКА", "проверка"),
    ("проверка счёта", "СЧЁТА"), (_decomposed("Äpfel"), "äpfel"), ("Äpfel", _decomposed("äpfel")),
    (_decomposed("йод"), "ЙОД"), ("Tiếng Việt", _decomposed("TIẾNG VIỆT")),
    (_decomposed("한국어"), "한국어"), ("ガラス", _decomposed("ガラス")),
    ("Straße", "STRASSE"), ("STRASSE", "straße"), ("GROẞ", "gross"),
    ("Messestraße", "messestrasse"),
    ("Straße", "stras"), ("Fußsache", "fusssache"), ("Σίσυφος", "ΣΊΣΥΦΟΣ"), ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("ΟΔΟΣ", "οδος"), ("İSTANBUL", "istanbul"), ("istanbul", "İstanbul"),
    ("ISPARTA", "\N{LATIN SMALL LETTER DOTLESS I}sparta"),
    (_decomposed("İstanbul"), "istanbul"), ("İzmir".lower(), "İZMİR"),
    ("Ångström", "\u212bngström"),
    ("100%", "%"), ("a_b", "_"), ("C:\\temp", "\\"), ("a*b?[c]", "*b?[C]"), ("x^-]", "^-]"),
    ("(a|b)+.{2}$", "(A|B)+.{2}$"), ("it's \"so\"", "'S \"SO"), ("a/b", "/"), ("ΰ", "ΰ".upper()),
    ("𐐀𐐁", "𐐨𐐩"), ("Ωmega", "\u2126MEGA"),
]  # fmt: skip
NOT_FOUND = [
    ("Äpfel", "apfel"), ("Apfel", "äpfel"), ("проверка", "провёрка"), ("abc", "a%c"),
    ("abc", "a_c"), ("abc", "a*c"), ("abc", "a?c"), ("abc", "[abc]"), ("abc", "a.c"), ("abc", "\\"),
    ("aaab", "a+b"), ("a", "a|b"), ("Strase", "straße"), ("", "x"),
    ("abc", "^abc"), ("abc", "abc$"),
]  # fmt: skip
