"""The form of a handler's params: which names its controls have, and what is sent of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.admin.errors import Refused
from app.admin.form import Form, form_for, values_of
from app.jobs import Handler
from app.jobs.errors import InvalidParams
from app.web.timezones import current_zone

#: What scripts ask of a form: a control of such a name would stand in its way.
_MEMBERS: Final = frozenset(
    {
        "addEventListener", "append", "checkVisibility", "childNodes", "classList", "className",
        "cloneNode", "closest", "compareDocumentPosition", "dispatchEvent", "elements",
        "firstChild", "getAttribute", "getAttributeNames", "getRootNode", "hasAttribute",
        "hasAttributes", "innerHTML", "insertAdjacentElement", "isConnected", "isEqualNode",
        "isSameNode", "localName", "matches", "moveBefore", "nextSibling", "nodeName", "nodeType",
        "ownerDocument", "parentElement", "parentNode", "querySelector", "querySelectorAll",
        "remove", "removeAttribute", "removeEventListener", "replaceWith", "requestSubmit",
        "setAttribute", "tagName", "toggleAttribute",
    }
)  # fmt: skip
#: What the create dialog and its address call something themselves, too: a param of such a name
#: gets a prefix.
TAKEN: Final = frozenset({"name", "handler", "again", "option"}) | _MEMBERS


def form_of(handler: Handler) -> Form:
    """Return the empty form of a handler's params, its moments in the zone of the person."""
    return form_for(handler.params, taken=TAKEN, zone=current_zone().key)


def entered(handler: Handler, submitted: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the params that were entered, as JSON; raise InvalidParams for what is no value."""
    try:
        return values_of(handler.params, submitted, taken=TAKEN)
    except Refused as error:
        wrong = {name: list(said) for name, said in error.fields.items()}
        raise InvalidParams(wrong) from None
