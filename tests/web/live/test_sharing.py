"""What several sockets show alike is drawn once, and nobody is sent what is another one's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import Engine
from app.web import pages
from app.web.live import sharing
from app.web.live.sharing import Shared
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import Message


class Counting:
    """A function whose calls are counted."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.calls = 0
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """Count, and do it."""
        self.calls += 1
        return self._function(*arguments)


def has_html(message: Message) -> bool:
    return bool(message.get("html"))


def test_a_drawing_that_is_new_enough_is_not_made_again() -> None:
    shared, draw = Shared[str](), Counting(lambda: "drawn")
    first = shared.drawn("a", 0.0, draw)
    assert shared.drawn("a", first.as_of, draw) is first
    assert draw.calls == 1
    assert shared.drawn("a", first.as_of + 1e-9, draw).as_of > first.as_of
    assert shared.drawn("b", 0.0, draw).content == "drawn"
    assert draw.calls == 3


def test_who_waits_for_a_drawing_takes_it() -> None:
    shared, drawn = Shared[str](), []
    begun, go_on = threading.Event(), threading.Event()

    def draw() -> str:
        begun.set()
        assert go_on.wait(10)
        return "drawn"

    threads = [
        threading.Thread(target=lambda: drawn.append(shared.drawn("a", 0.0, draw)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in drawn}) == 1


def test_a_drawing_that_failed_is_made_by_the_next_one() -> None:
    shared = Shared[str]()
    with pytest.raises(ZeroDivisionError):
        shared.drawn("a", 0.0, lambda: str(1 // 0))
    assert shared.drawn("a", 0.0, lambda: "drawn").content == "drawn"


def test_a_few_drawings_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST", 2)
    shared, draw = Shared[str](), Counting(lambda: "drawn")
    for view in ("a", "b", "a", "c", "a"):
        shared.drawn(view, 0.0, draw)
    assert draw.calls == 3
    shared.drawn("b", 0.0, draw)
    assert draw.calls == 4


def test_a_popup_is_drawn_for_all_who_watch_it(
    listen: Listen, vera: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = engine.start("swift")
    listeners = [listen(vera, f"view/job/{job_id}") for _ in range(12)]
    for listener in listeners:
        listener.hear_until(has_html)
    popup = Counting(pages.popup)
    monkeypatch.setattr(pages, "popup", popup)
    engine.set_job_state_field(job_id, "answer", 42)
    for listener in listeners:
        assert "42" in str(listener.hear_until(has_html)["html"])
    assert popup.calls < len(listeners) / 2


def test_each_role_is_sent_what_it_may_do(
    listen: Listen, vera: Visitor, alice: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    name, said = f"job-{job_id}-actions", {}
    for visitor in (alice, vera):
        listener = listen(visitor, f"view/job/{job_id}")
        said[visitor] = listener.hear_until(has_html)["html"][name]
    assert said[alice] != said[vera]
    assert "only for superadmins" in said[vera]
    assert "only for superadmins" not in said[alice]


def test_each_person_is_sent_their_own_jobs(listen: Listen, oscar: Visitor, alice: Visitor) -> None:
    for visitor in (oscar, alice):
        name = f"Of {visitor.email}"
        visitor.send("POST", "/api/v1/jobs", {"handler": "swift", "name": name})
    for visitor, other in ((oscar, alice), (alice, oscar)):
        snapshot = str(listen(visitor, "view/navbar").hear_until(has_html))
        assert f"Of {visitor.email}" in snapshot
        assert f"Of {other.email}" not in snapshot


def test_what_is_sent_holds_nobodys_token(listen: Listen, alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    listener = listen(alice)
    for topic in ("view/jobs", f"view/job/{job_id}", "view/navbar"):
        listener.subscribe(topic)
        assert "csrf" not in str(listener.hear_until(has_html))
