"""What every answer carries so that a browser guards it, and whose word about the client counts."""

from __future__ import annotations

from typing import Final

from flask import Flask, Request, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app.config import Settings

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def init_app(app: Flask, settings: Settings) -> None:
    """Send the headers with everything; believe as many proxies as the settings say."""
    app.after_request(_guard)
    if count := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )


def origin_allowed(asked: Request) -> bool:
    """Whether the page that asks was served from here.

    A browser sends the cookies with a socket opened by any page of the same site, but it always
    tells the origin; so a missing origin is refused too.
    """
    return asked.headers.get("Origin") == f"{_scheme(asked)}://{asked.host}"


def comes_from_elsewhere(asked: Request) -> bool:
    """Whether a page of another site sends this, as far as the browser tells.

    The CSRF token decides; this is the second lock. A program tells no origin, and a proxy that
    ends TLS may change the scheme, so only the host is compared.
    """
    origin = asked.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != asked.host


def _scheme(asked: Request) -> str:
    return "https" if asked.is_secure else "http"


def _guard(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    # What one person has seen must not come back from a cache after they have signed out.
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
