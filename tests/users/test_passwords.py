"""Passwords are kept as argon2id hashes, and tell nothing by the time they take."""

from __future__ import annotations

import runpy

import pytest
from argon2 import PasswordHasher, extract_parameters

from app.users import passwords


def test_a_password_is_right_and_another_is_not() -> None:
    kept = passwords.hashed("correct horse")
    assert passwords.is_right("correct horse", kept)
    assert not passwords.is_right("correct hors", kept)
    assert "correct" not in kept


def test_the_parameters_are_those_that_owasp_recommends() -> None:
    untouched = runpy.run_path(passwords.__file__)["HASHER"]
    parameters = extract_parameters(untouched.hash("x"))
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)


def test_an_account_without_a_password_is_compared_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []

    def compare(_password: str, kept: str) -> bool:
        compared.append(kept)
        return True

    monkeypatch.setattr(passwords, "_matches", compare)
    assert not passwords.is_right("anything", None)
    assert compared[0].startswith("$argon2id$")


def test_not_even_the_password_of_nobody_opens_an_account_without_one() -> None:
    assert not passwords.is_right("the password of nobody", None)


def test_rubbish_in_the_database_matches_nothing() -> None:
    assert not passwords.is_right("anything", "rubbish")


def test_a_hash_of_other_parameters_is_outdated() -> None:
    assert passwords.is_outdated(PasswordHasher(2, 16, 1).hash("correct horse"))
    assert not passwords.is_outdated(passwords.hashed("correct horse"))


@pytest.mark.parametrize(("length", "will_do"), [(9, False), (10, True), (200, True), (201, False)])
def test_a_new_password_has_a_length_that_will_do(length: int, will_do: bool) -> None:
    assert (passwords.complaint("x" * length) is None) == will_do
