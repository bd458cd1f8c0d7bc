"""One open socket: what it watches, when it looks, and when it must stop."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy.exc import DBAPIError

from app.db import iso, now
from app.jobs import Engine, JobsError
from app.users.errors import UsersError
from app.users.people import Person
from app.web.live import kinds
from app.web.live.socket import PING_SECONDS, LiveSocket
from app.web.live.topics import Topic

log = logging.getLogger(__name__)

#: After the first change in quiet, at most five messages a second.
PAUSE_SECONDS = 0.2
#: Whether the person is still signed in is asked again after so long.
TRUST_SECONDS = 1.0
IDLE_SECONDS = 5.0
#: A page cannot see the pings of the protocol. So much silence is broken by a heartbeat.
HEARTBEAT_SECONDS = PING_SECONDS
MOST_TOPICS = 50
MOST_TEXT = 16_384
#: A program that does not understand this many times is not listened to any more.
MOST_MISTAKES = 3

SIGNED_OUT = (4401, "You are signed out.")
NOT_UNDERSTOOD = (1008, "Send JSON objects: subscribe or unsubscribe, with a topic.")
STOPPING = (1012, "The server restarts; connect again.")


class Goodbye(Exception):
    """The socket must be closed, with this code and reason."""

    def __init__(self, farewell: tuple[int, str]) -> None:
        super().__init__(*farewell)
        self.farewell = farewell


class Watcher:
    """Serves one socket until it ends. Only its own thread writes to it."""

    def __init__(
        self, socket: LiveSocket, engine: Engine, who: Callable[[], Person | None]
    ) -> None:
        self._socket = socket
        self._engine = engine
        self._who = who
        self._person = self._known = who()
        self._known_at = time.monotonic()
        self._is_another = False
        self._topics: dict[str, Topic] = {}
        self._changed: set[int] = set()
        self._first = self._last = 0.0  # when the first and the last of these changes came
        self._changing = threading.Lock()
        self._looked_at = 0.0
        self._sent_at = time.monotonic()
        self._mistakes = 0
        self._stopping = False

    def stop(self) -> None:
        """Let the socket be closed because the server ends; callable from every thread."""
        self._stopping = True
        self._socket.wake()

    def know(self, person: Person | None) -> None:
        """Hear who is behind the sign-in now; callable from every thread."""
        self._known, self._known_at = person, time.monotonic()
        if person != self._person:
            self._socket.wake()

    def job_ids(self) -> set[int]:
        """The jobs that are watched one by one; callable from every thread."""
        return {topic.job_id for topic in list(self._topics.values())} - {0}

    def serve(self) -> None:
        """Answer and tell until the socket is closed; raises ConnectionClosed then."""
        try:
            with self._engine.bus.watching(self._notice):
                while True:
                    self._socket.wait(self._next_look())
                    if self._stopping:
                        raise Goodbye(STOPPING)
                    for message in self._socket.messages():
                        self._answer(message)
                    self._check_person(IDLE_SECONDS)
                    self._look_again_as_another()
                    self._tell()
                    self._send_heartbeat()
        except Goodbye as goodbye:
            self._socket.say_goodbye(*goodbye.farewell)

    def _notice(self, job_ids: Collection[int]) -> None:
        # Runs on the thread that changed the jobs: note it, and be gone. The first note wakes the
        # watcher, which then knows when to look; the others of the same pause need not.
        self._note(job_ids, time.monotonic())

    def _note(self, job_ids: Collection[int], at: float) -> None:
        with self._changing:
            is_first = not self._changed
            self._first = at if is_first else min(at, self._first)
            self._last = max(at, self._last)
            self._changed.update(job_ids)
        if is_first:
            self._socket.wake()

    def _next_look(self) -> float:
        if not self._changed:
            return IDLE_SECONDS
        return max(0.0, self._looked_at + PAUSE_SECONDS - time.monotonic())

    def _tell(self) -> None:
        if not self._changed or time.monotonic() - self._looked_at < PAUSE_SECONDS:
            return
        self._check_person(TRUST_SECONDS)
        with self._changing:
            changed, self._changed = self._changed, set()
            first, last = self._first, self._last
        for name, topic in list(self._topics.items()):
            if topic.concerns(changed):
                self._show(name, topic, changed, first)
                if topic.as_of < last:
                    # It is as others have seen it before the last change: look again soon.
                    self._note(changed, last)
        self._looked_at = time.monotonic()

    def _send_heartbeat(self) -> None:
        if time.monotonic() - self._sent_at >= HEARTBEAT_SECONDS:
            self._send({"heartbeat": iso(now())})

    def _look_again_as_another(self) -> None:
        """Show everything once more to a person whose role has changed."""
        if self._is_another:
            self._is_another = False
            for name, topic in list(self._topics.items()):
                self._show(name, topic, (), time.monotonic())

    def _show(self, name: str, topic: Topic, changed: Collection[int], since: float) -> None:
        try:
            messages = topic.look(self._person, changed, since) if self._person else []
        except (JobsError, UsersError) as error:
            self._topics.pop(name, None)
            self._send({"topic": name, "error": str(error)})
            return
        except DBAPIError as error:
            log.warning("A live update was left out: %s", error.orig)
            self._notice(changed)
            return
        for message in messages:
            self._send({"topic": name, "boot": self._engine.boot, **message})

    def _check_person(self, trusted_for: float) -> None:
        # The lookout tells each second; who is not told asks.
        if time.monotonic() - self._known_at > trusted_for:
            self._known, self._known_at = self._who(), time.monotonic()
        if self._known is None:
            raise Goodbye(SIGNED_OUT)
        if self._known != self._person:
            self._person, self._is_another = self._known, True

    # What the other side says

    def _answer(self, text: str | bytes) -> None:
        asked = _understood(text)
        if asked is None:
            self._mistakes += 1
            self._send({"error": NOT_UNDERSTOOD[1]})
            if self._mistakes >= MOST_MISTAKES:
                raise Goodbye(NOT_UNDERSTOOD)
        elif "unsubscribe" in asked:
            name = asked["unsubscribe"]
            self._topics.pop(name, None)
            self._send({"topic": name, "subscribed": False})
        else:
            self._subscribe(asked["subscribe"])

    def _subscribe(self, name: str) -> None:
        self._check_person(TRUST_SECONDS)
        if len(self._topics) >= MOST_TOPICS:
            error = f"A socket watches {MOST_TOPICS} topics at most; unsubscribe from one first."
            self._send({"topic": name, "error": error})
            return
        topic = kinds.topic(self._engine, name)
        if topic is None:
            self._send({"topic": name, "error": "There is no such topic."})
            return
        self._first_look(name, topic)

    def _first_look(self, name: str, topic: Topic) -> None:
        try:
            messages = topic.look(self._person, (), time.monotonic()) if self._person else []
        except (JobsError, UsersError) as error:
            self._send({"topic": name, "error": str(error)})
            return
        self._topics[name] = topic
        self._send({"topic": name, "subscribed": True, "boot": self._engine.boot})
        for message in messages or [{"data": []}]:
            self._send({"topic": name, "boot": self._engine.boot, **message})

    def _send(self, message: dict[str, Any]) -> None:
        self._sent_at = time.monotonic()
        self._socket.send(json.dumps(message, ensure_ascii=False, separators=(",", ":")))


def _understood(text: str | bytes) -> dict[str, str] | None:
    """The message as an object with one topic, or None when it is no such thing."""
    if isinstance(text, bytes) or len(text) > MOST_TEXT:
        return None
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict):
        return None
    for verb in ("subscribe", "unsubscribe"):
        if isinstance(name := asked.get(verb), str) and _is_text(name):
            return {verb: name}
    return None


def _is_text(name: str) -> bool:
    """Whether it can be sent back: half a surrogate pair can be written in JSON, but not sent."""
    return name == name.encode(errors="ignore").decode()
