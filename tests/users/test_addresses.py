"""What can be an e-mail address, and the one form in which it is kept."""

from __future__ import annotations

import pytest

from app.users.addresses import complaint, same_form


@pytest.mark.parametrize(
    "email",
    [
        "vera@example.com",
        "vera+jobs@sub.example.co.uk",
        "o'brien_{7}@localhost",
        "björn.ångström@müller-söhne.de",
        "вера@почта.рф",
        "天子@例え.jp",
        "संपर्क@डाटामेल.भारत",
        "a@b",
        "x" * 64 + "@" + "y" * 63 + ".com",
    ],
)
def test_what_could_be_an_address_is_taken(email: str) -> None:
    assert complaint(email) is None


@pytest.mark.parametrize(
    "email",
    [
        "vera",
        "@example.com",
        "vera@",
        "vera@@example.com",
        "vera@home@example.com",
        ".vera@example.com",
        "ve..ra@example.com",
        "vera@.example.com",
        "vera@example..com",
        "vera@example.com.",
        "vera@-example.com",
        "vera@exam_ple.com",
        "vera@[127.0.0.1]",
        "<b>vera</b>@example.com",
        '"vera"@example.com',
        "vera@example.com,bob@example.com",
        "vera@" + "y" * 64,
    ],
)
def test_what_could_not_is_refused(email: str) -> None:
    assert complaint(email) == "This is not an e-mail address."


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("", "Write an e-mail address."),
        ("x" * 255, "An e-mail address has at most 254 characters."),
        ("x@" + "y" * 1_000_000, "An e-mail address has at most 254 characters."),
        ("ve ra@example.com", "An e-mail address has no spaces."),
        ("vera@exam\u00a0ple.com", "An e-mail address has no spaces."),
        ("ve\0ra@example.com", "An e-mail address has no control characters or invisible ones."),
        ("vera@a\r\n.com", "An e-mail address has no control characters or invisible ones."),
        ("ve\u200bra@a.com", "An e-mail address has no control characters or invisible ones."),
        ("ve\ud800ra@a.com", "An e-mail address has no control characters or invisible ones."),
    ],
)
def test_what_is_wrong_is_said(email: str, sentence: str) -> None:
    assert complaint(email) == sentence


def test_one_address_has_one_form_however_it_is_written() -> None:
    assert same_form("  Vera@Example.COM\n") == "vera@example.com"
    assert same_form("jose\u0301@example.com") == same_form("JOSÉ@example.com")
