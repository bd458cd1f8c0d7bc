"""Who gets a socket is decided before the upgrade; a place is free again when its socket ends."""

from __future__ import annotations

import dataclasses
import http.client

import pytest
import websocket
from flask import Flask

from app.config import Settings
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import Listener


def refusal(address: str, visitor: Visitor | None, **more: object) -> tuple[int, str]:
    """Status and text of the answer that comes instead of a socket."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Listener(address, visitor, **more)
    return refused.value.status_code, bytes(refused.value.resp_body or b"").decode()


def test_without_a_sign_in_it_is_401(address: str, stranger: Visitor) -> None:
    assert refusal(address, stranger)[0] == 401
    assert refusal(address, None, cookie="jobdeck_session=made-up")[0] == 401


def test_after_signing_out_it_is_401(address: str, vera: Visitor) -> None:
    copied = vera.client.get_cookie("jobdeck_session")
    assert copied is not None
    vera.post("/logout")
    assert refusal(address, None, cookie=f"jobdeck_session={copied.value}")[0] == 401


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1", "file://", "", None, "HTTPS://{address}"],
)
def test_from_a_foreign_page_it_is_403(address: str, vera: Visitor, origin: str | None) -> None:
    said = None if origin is None else origin.format(address=address)
    status, text = refusal(address, vera, origin=said)
    assert status == 403
    assert "another origin" in text


def test_a_plain_request_is_told_what_the_address_is_for(address: str, vera: Visitor) -> None:
    answer = vera.get("/live")
    assert answer.status_code == 426
    assert answer.get_json()["error"]["message"] == "This address speaks websocket only."


class TestWithTwoPlaces:
    """A server whose threads leave two for sockets."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Two places."""
        return dataclasses.replace(settings, web_threads=26)

    def test_the_third_is_told_503_and_pages_still_answer(
        self, listen: Listen, address: str, vera: Visitor
    ) -> None:
        taken = [listen(vera) for _ in range(2)]
        status, text = refusal(address, vera)
        assert status == 503
        assert "Too many live pages" in text
        assert vera.get("/jobs").status_code == 200
        assert all(each.snapshot("job-updates") == [] for each in taken)

    def test_a_place_is_free_once_its_socket_ended(
        self, listen: Listen, address: str, vera: Visitor
    ) -> None:
        taken = [listen(vera) for _ in range(2)]
        assert refusal(address, vera)[0] == 503
        taken[0].close()
        eventually(lambda: can_open(listen, vera))


class TestWithSixPlaces:
    """A server whose threads leave six for sockets, so three for one person."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Six places."""
        return dataclasses.replace(settings, web_threads=30)

    def test_one_person_leaves_half_of_them_to_others(
        self, listen: Listen, address: str, vera: Visitor, oscar: Visitor
    ) -> None:
        taken = [listen(vera) for _ in range(3)]
        status, text = refusal(address, vera)
        assert status == 429
        assert text.startswith("You have 3 live pages open")
        assert listen(oscar).snapshot("job-updates") == []
        taken[0].close()
        eventually(lambda: can_open(listen, vera))


def can_open(listen: Listen, visitor: Visitor) -> bool:
    """Whether there is a place."""
    try:
        listen(visitor)
    except websocket.WebSocketBadStatusException:
        return False
    return True


def test_twenty_open_sockets_hold_no_connection_and_keep_no_page_waiting(
    listen: Listen, app: Flask, vera: Visitor
) -> None:
    sockets = [listen(vera) for _ in range(20)]
    assert all(each.snapshot("job-updates") == [] for each in sockets)
    pool = app.extensions["jobdeck_database"].engine.pool
    eventually(lambda: pool.checkedout() == 0)
    for _ in range(5):
        assert vera.get("/jobs").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-WebSocket-Key": "x"},
        {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "7"},
    ],
)
def test_an_upgrade_that_is_none_is_a_bad_request(
    address: str, vera: Visitor, headers: dict[str, str]
) -> None:
    cookie = vera.client.get_cookie("jobdeck_session")
    assert cookie is not None
    asked = {
        "Origin": f"http://{address}",
        "Cookie": f"jobdeck_session={cookie.value}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        **headers,
    }
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request("GET", "/live", headers=asked)
    assert connection.getresponse().status == 400
    connection.close()
