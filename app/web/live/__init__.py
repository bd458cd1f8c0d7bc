"""The websocket `/live`: one for each browser tab, with topics over it (A15)."""

from app.web.live.route import close_all, init_app

__all__ = ["close_all", "init_app"]
