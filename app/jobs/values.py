"""What may be stored: JSON values of a bounded size, and texts that every database takes."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable
from itertools import chain
from typing import Any
from urllib.parse import quote, quote_plus

from app.jobs.errors import ValueNotStorable

#: The longest message or traceback that is kept, in characters; the middle of longer ones goes.
TEXT_LIMIT = 20_000

#: Lists and objects within each other; more could be written, but not read everywhere.
DEPTH = 200

#: The code of a NUL character in a JSON text, unless its backslash is itself a character.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def encode(value: Any, what: str, limit: int) -> str:
    """Return `value` as JSON text of at most `limit` bytes, else raise ValueNotStorable.

    `what` names the value in the error, such as "state field 'path'".
    """
    try:
        text = _encoder.encode(value)
        size = size_of(text)
    except UnicodeEncodeError:
        raise _half_a_pair(what) from None
    except RecursionError:
        raise _too_deep(what) from None
    except (TypeError, ValueError) as error:
        raise ValueNotStorable(
            f"The {what} cannot be stored as JSON: {_reason(error)}. "
            "Use text, numbers, true, false, null, lists and objects with text keys."
        ) from None
    check_size(size, what, limit)
    if text.count("[") + text.count("{") > DEPTH and _depth(value) > DEPTH:
        raise _too_deep(what)
    if _NUL.search(text):
        raise ValueNotStorable(f"The {what} has a NUL character in it. Remove it before storing.")
    return text


def size_of(text: str) -> int:
    """How many bytes a text takes."""
    return len(text) if text.isascii() else len(text.encode())


def check_size(size: int, what: str, limit: int) -> None:
    """Raise ValueNotStorable when a JSON text of `size` bytes is too large."""
    if size > limit:
        raise ValueNotStorable(
            f"The {what} takes {size:,} bytes as JSON, and the limit is {limit:,}. "
            "Store large content in a file and keep its name here."
        )


def encode_fields(fields: dict[str, Any], what: str, limit: int) -> dict[str, str]:
    """Return each field's JSON text; every key must be text."""
    for key in fields:
        if not isinstance(key, str):
            raise ValueNotStorable(f"A {what} field's name must be text, not {key!r}.")
        encode(key, f"name of a {what} field", limit)
    return {key: encode(value, f"{what} field {key!r}", limit) for key, value in fields.items()}


def encode_object(value: Any, what: str, limit: int) -> str:
    """Like encode(), for a value that must be an object."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueNotStorable(
            f"The {what} must be an object with text keys, such as {{'path': 'a.jpg'}}, "
            f"not {type(value).__name__}."
        )
    return encode(value, what, limit)


def decode(text: str | None) -> Any:
    """Return the value that encode() made `text` of."""
    return None if text is None else json.loads(text)


def join_object(fields: dict[str, str]) -> str:
    """Return the JSON object of fields that are JSON texts already."""
    return "{" + ",".join(f"{_encoder.encode(key)}:{text}" for key, text in fields.items()) + "}"


#: How a secret param is stored, so that it is known for one whatever becomes of its handler.
SECRET = "$secret"
#: What stands for one where it is not kept.
HIDDEN: dict[str, Any] = {SECRET: None}
MASK = "••••••"


#: How an uploaded file is stored among params: an object with its id, name, size and token.
FILE = "$file"


#: What a person reads of a value that JSON has no words for; see app.jobs.params.codec.
VALUE = "$value"
#: The same of a mapping: pairs, since a key may be anything.
PAIRS = "$pairs"


def readable(stored: Any) -> Any:
    """Return stored params as people and programs see them: JSON, without a type's marks.

    Each secret is replaced by dots (X5), and each file by its name.
    """
    if isinstance(stored, list):
        return [readable(each) for each in stored]
    if not isinstance(stored, dict):
        return stored
    if stored.keys() == {SECRET}:
        return MASK
    if stored.keys() == {FILE} and isinstance(stored[FILE], dict):
        return str(stored[FILE].get("name"))
    if VALUE in stored:
        return readable(stored[VALUE])
    if PAIRS in stored:
        return _object(readable(stored[PAIRS]))
    hidden = stored.get("$excluded", ())
    shown = {key: each for key, each in stored.items() if key[:1] != "$" and key not in hidden}
    fields = {key: readable(each) for key, each in shown.items()}
    return fields | _object(readable(stored.get("$extra", [])))


def _object(pairs: list[list[Any]]) -> dict[str, Any]:
    return {_key(key): value for key, value in pairs}


def _key(key: Any) -> str:
    return key if isinstance(key, str) else _encoder.encode(key)


def mask_secrets(value: Any) -> Any:
    """Return a value with each secret in it replaced by dots (X5)."""
    return _each_secret(value, lambda _: MASK)


def reveal_secrets(value: Any) -> Any:
    """Return a value with each secret in it as it was given; for handlers only."""
    return _each_secret(value, lambda secret: secret)


#: A shorter secret is not looked for in texts: it would be found everywhere.
SHORTEST_SECRET = 4


def secrets_in(value: Any) -> tuple[str, ...]:
    """Return the secrets in stored params, in every form in which a text may tell them."""
    found: set[str] = set()

    def note(secret: Any) -> None:
        found.update(form for form in _forms(secret) if len(form) >= SHORTEST_SECRET)

    _each_secret(value, note)
    # The longest first: one may be a part of another.
    return tuple(sorted(found, key=len, reverse=True))


def _forms(secret: Any) -> Iterable[str]:
    if isinstance(secret, dict) and VALUE in secret:
        # Bytes are said as Python writes them, too.
        yield from _forms(secret[VALUE])
        if "$base64" in secret:
            yield repr(b64decode(secret[VALUE]))[2:-1]
        return
    said = secret if isinstance(secret, str) else _encoder.encode(secret)
    yield from (said, repr(said)[1:-1], _encoder.encode(said)[1:-1], json.dumps(said)[1:-1])
    yield from (quote(said, safe=""), quote_plus(said), ascii(said.encode())[2:-1])


def mask_text(text: str, secrets: Iterable[str]) -> str:
    """Return a text with each of these secrets replaced by dots (X5)."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def mask_values(value: Any, secrets: Collection[str]) -> Any:
    """Return a JSON value with each of these secrets replaced by dots, in keys and in texts."""
    if not secrets:
        return value
    if isinstance(value, str):
        return mask_text(value, secrets)
    if isinstance(value, dict):
        return {mask_text(k, secrets): mask_values(each, secrets) for k, each in value.items()}
    if isinstance(value, list):
        return [mask_values(each, secrets) for each in value]
    return value


def _each_secret(value: Any, show: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {SECRET}:
            return show(value[SECRET])
        return {key: _each_secret(each, show) for key, each in value.items()}
    if isinstance(value, list):
        return [_each_secret(each, show) for each in value]
    return value


def storable_text(text: str) -> str:
    """Return `text` as every database keeps it: no NUL, no half surrogates, not endless."""
    text = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    if len(text) > TEXT_LIMIT:
        half = TEXT_LIMIT // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
    return text


#: Controls, line breaks among them, and what turns the order of the letters round.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def name_of(text: str) -> str:
    """Return a name as it is kept: in one line; "" when there is nothing to be seen in it."""
    name = " ".join(_UNSEEN.sub(" ", storable_text(text)).split())
    return name if any(each.isprintable() and each != " " for each in name) else ""


def demand_sound(value: Any, what: str) -> None:
    """Raise ValueNotStorable for what is nested too deeply to be looked at, or is no text.

    Asked of what comes from outside before anything else looks at it.
    """
    depth, level = 0, [value]
    while level:
        if depth > DEPTH:
            raise _too_deep(what)
        for text in (each for each in level if isinstance(each, str)):
            _demand_text(text, what)
        level = [inner for each in level for inner in _inside(each)]
        depth += 1


def _demand_text(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _half_a_pair(what) from None


def _half_a_pair(what: str) -> ValueNotStorable:
    return ValueNotStorable(
        f"The {what} has half of a surrogate pair in it, which is no text. "
        "Decode the bytes that it came from with errors='replace'."
    )


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return chain(value, value.values())
    return value if isinstance(value, list | tuple) else ()


def _reason(error: Exception) -> str:
    return str(error)[:200].rstrip(".") or type(error).__name__


def _too_deep(what: str) -> ValueNotStorable:
    return ValueNotStorable(f"The {what} is nested too deeply, or contains itself.")


def _depth(value: Any) -> int:
    """How many lists and objects lie within each other."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list | tuple)]:
        depth += 1
        level = [inner for each in level for inner in _parts(each)]
    return depth


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
