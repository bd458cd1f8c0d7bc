"""A program that listens at the websocket, as a script of somebody's would."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import websocket

from tests.visitor import Visitor

Message = dict[str, Any]
PING, PONG = websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG


@dataclass(frozen=True)
class Heard:
    """A message, and when it came."""

    at: float
    message: Message


class Listener:
    """An open socket and what was heard on it."""

    def __init__(self, address: str, visitor: Visitor | None, **more: Any) -> None:
        options: dict[str, Any] = {"origin": f"http://{address}", "timeout": 5} | more
        if options["origin"] is None:
            options = options | {"suppress_origin": True}
        cookie = visitor and visitor.client.get_cookie("jobdeck_session")
        if cookie:
            options["cookie"] = f"jobdeck_session={cookie.value}"
        self.heard: list[Heard] = []
        self.socket = websocket.create_connection(f"ws://{address}/live", **options)

    def subscribe(self, topic: str) -> None:
        """Ask for a topic."""
        self.say({"subscribe": topic})

    def say(self, message: object) -> None:
        """Send a message; a text is sent as it is."""
        self.socket.send(message if isinstance(message, str) else json.dumps(message))

    def hear(self, within: float = 5.0) -> Message:
        """The next message; pings are answered in between."""
        end, opcode, content = time.monotonic() + within, PING, b""
        while opcode in (PING, PONG):
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            opcode, content = self.socket.recv_data(control_frame=True)
        message: Message = json.loads(content)
        self.heard.append(Heard(time.monotonic(), message))
        return message

    def hear_until(self, seen: Callable[[Message], object], within: float = 10.0) -> Message:
        """Go on hearing until such a message comes, and return it."""
        end = time.monotonic() + within
        while True:
            message = self.hear(max(end - time.monotonic(), 0.001))
            if seen(message):
                return message

    def snapshot(self, topic: str) -> list[Message]:
        """Subscribe, and hear everything that is there."""
        self.subscribe(topic)
        answer = self.hear_until(lambda message: message.get("topic") == topic)
        assert answer.get("subscribed") is True, answer
        data: list[Message] = self.hear()["data"]
        return data

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        try:
            self.hear(seconds)
        except websocket.WebSocketTimeoutException:
            return True
        return False

    def farewell(self, within: float = 5.0) -> int | None:
        """The code with which the socket is closed, after whatever else comes; None without one."""
        end = time.monotonic() + within
        while True:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                opcode, data = self.socket.recv_data(control_frame=True)
            except (websocket.WebSocketConnectionClosedException, ConnectionError):
                return None
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2], "big")

    def close(self) -> None:
        """Go away."""
        self.socket.close(timeout=1)
        self.socket.shutdown()  # type: ignore[no-untyped-call]


def told(message: Message, job_id: int) -> Message:
    """What a message of `job-updates` tells of one job; empty when nothing."""
    about = [each for each in message.get("data", ()) if each.get("jobId") == job_id]
    return about[-1] if about else {}


def ends(job_id: int) -> Callable[[Message], bool]:
    """Whether a message of `job-updates` tells that the job has ended."""
    final = {"DONE", "DONE_WITH_ERRORS", "CANCELLED"}
    return lambda message: told(message, job_id).get("status") in final
