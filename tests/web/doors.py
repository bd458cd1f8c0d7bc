"""Every way into the application, and who gets through: the table that the walk goes by.

A new route or topic needs a row here; until it has one, `test_permissions.py` fails and names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

#: Who gets through a door that asks for this action. "all" is: strangers too.
THROUGH: Final = {
    "public": {"stranger", "viewer", "operator", "superadmin"},
    "view": {"viewer", "operator", "superadmin"},
    "start": {"operator", "superadmin"},
    "manage": {"operator", "superadmin"},
    "edit": {"superadmin"},
    "delete": {"superadmin"},
    "control": {"superadmin"},
    "users": {"superadmin"},
}

#: Kinds of jobs, and who gets through to them who would not to others. See tests/outside/kinds.py.
NARROWED: Final[dict[str, dict[str, set[str]]]] = {
    "swift": {},
    "secretive": {"view": {"superadmin"}, "start": {"superadmin"}},
    "internal": {"view": {"operator", "superadmin"}},
    "guarded": {"start": {"superadmin"}},
    "kept": {"manage": {"superadmin"}},
}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What is sent along. `{kind}` in a text becomes the name of the handler that is walked to."""

    form: dict[str, Any] | None = None
    json: Any = None
    args: dict[str, str] = field(default_factory=dict)


NOTHING = Sent()

#: In what is sent: a small file. In the parts of an address: the name of a file of the job.
FILE: Final = "made.txt"
#: In the parts of an address: the id of an account that is nobody's who walks.
ACCOUNT: Final = "{account}"


@dataclass(frozen=True)
class Door:
    """A method of a route: which action it asks for, and the answer to those who get through.

    A route with `job_id` in it, or `{kind}` in what is sent, is walked to for each kind of job.
    Several answers: one for some of them, another for others. `job` is the status in which the
    job must be, QUEUED or DONE_WITH_ERRORS; `parts` are those of the address beside its id.
    """

    method: str
    rule: str
    action: str
    answer: int | tuple[int, ...] = 200
    sent: Sent = NOTHING
    job: str = "QUEUED"
    parts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"


_START = Sent(json={"handler": "{kind}"})
_START_FORM = Sent(form={"handler": "{kind}"})
_ENDED = "DONE_WITH_ERRORS"
_ACCOUNT = {"row_id": ACCOUNT}
_DEMOTED = {"email": "somebody@example.com", "role": "viewer"}

_HANDLER = {"name": "swift"}
_WHY = {"reason": "because"}

DOORS: Final = [
    # Signing in and out, and what watches the process
    Door("GET", "/login", "public", (200, 302)),
    Door("POST", "/login", "public", 401, Sent(form={"email": "x@example.com", "password": "x"})),
    Door("GET", "/session", "public"),
    Door("GET", "/signed-in", "view"),
    Door("GET", "/login/background", "public", 404),
    Door("GET", "/setup/<token>", "public", 410, parts={"token": "x"}),
    Door("POST", "/setup/<token>", "public", 410, parts={"token": "x"}),
    Door("GET", "/healthz", "public"),
    Door("GET", "/readyz", "public"),
    Door("POST", "/logout", "view", 303),
    # The own account, and the link that opens one
    Door("GET", "/set-password/<token>", "public", 410, parts={"token": "x"}),
    Door("POST", "/set-password/<token>", "public", 410, parts={"token": "x"}),
    Door("GET", "/account", "view"),
    Door("POST", "/account/password", "view", 422),
    Door("POST", "/account/time-zone", "view", 303),
    Door("POST", "/account/browser-zone", "view"),
    Door("POST", "/account/sign-ins/deletion", "view", 303),
    Door("POST", "/account/sign-ins/<sign_in_id>/deletion", "view", 303, parts={"sign_in_id": "x"}),
    # Accounts
    Door("GET", "/users", "users"),
    Door("GET", "/users/options", "users", 404),
    Door("GET", "/users/new", "users"),
    Door("POST", "/users", "users", 422),
    Door("GET", "/users/<int:row_id>", "users", parts=_ACCOUNT),
    Door("GET", "/users/<int:row_id>/edit", "users", parts=_ACCOUNT),
    Door("POST", "/users/<int:row_id>", "users", 303, Sent(form=_DEMOTED), parts=_ACCOUNT),
    Door("POST", "/users/<int:row_id>/link", "users", parts=_ACCOUNT),
    Door("GET", "/users/<int:row_id>/deletion", "users", parts=_ACCOUNT),
    Door("POST", "/users/<int:row_id>/deletion", "users", 303, parts=_ACCOUNT),
    # Pages about jobs
    Door("GET", "/", "view", 302),
    Door("GET", "/jobs", "view"),
    Door("GET", "/jobs/options", "view", 200, Sent(args={"column": "started_by"})),
    Door("GET", "/jobs/<int:job_id>", "view"),
    Door("GET", "/jobs/<int:job_id>/files/<name>", "view", parts={"name": FILE}),
    Door("GET", "/jobs/new", "start"),
    Door("GET", "/jobs/new", "start", 200, Sent(args={"handler": "{kind}"})),
    Door("POST", "/jobs", "start", 303, _START_FORM),
    Door("POST", "/jobs/preview", "start", 200, _START_FORM),
    Door("GET", "/jobs/<int:job_id>/cancellation", "manage"),
    Door("POST", "/jobs/<int:job_id>/cancellation", "manage", 303),
    Door("GET", "/jobs/<int:job_id>/retry", "manage", job=_ENDED),
    Door("POST", "/jobs/<int:job_id>/retry", "manage", 303, job=_ENDED),
    Door("POST", "/jobs/<int:job_id>/start", "manage", 409),
    Door("GET", "/jobs/<int:job_id>/priority", "manage"),
    Door("POST", "/jobs/<int:job_id>/priority", "manage", 303, Sent(form={"priority": "7"})),
    Door("GET", "/jobs/<int:job_id>/edit", "edit"),
    Door("POST", "/jobs/<int:job_id>", "edit", 303, Sent(form={"name": "Renamed"})),
    Door("GET", "/jobs/<int:job_id>/limit", "control"),
    Door("POST", "/jobs/<int:job_id>/limit", "control", 303, Sent(form={"parallel_limit": "3"})),
    Door("GET", "/jobs/<int:job_id>/deletion", "delete", job=_ENDED),
    Door("POST", "/jobs/<int:job_id>/deletion", "delete", 303, job=_ENDED),
    # Handlers
    Door("GET", "/handlers", "view"),
    Door("GET", "/handlers/<name>/pause", "control", parts=_HANDLER),
    Door("POST", "/handlers/<name>/pause", "control", 303, Sent(form=_WHY), parts=_HANDLER),
    Door("POST", "/handlers/<name>/resume", "control", 303, parts=_HANDLER),
    Door("GET", "/handlers/<name>/limits", "control", parts=_HANDLER),
    Door("POST", "/handlers/<name>/limits", "control", 303, parts=_HANDLER),
    # The API
    Door("GET", "/api/v1/handlers", "view"),
    Door("POST", "/api/v1/handlers/<name>/pause", "control", 200, Sent(json=_WHY), parts=_HANDLER),
    Door("POST", "/api/v1/handlers/<name>/resume", "control", parts=_HANDLER),
    Door("PATCH", "/api/v1/handlers/<name>", "control", 200, Sent(json={}), parts=_HANDLER),
    Door("GET", "/api/v1/jobs", "view"),
    Door("GET", "/api/v1/jobs/<int:job_id>", "view"),
    Door("GET", "/api/v1/jobs/<int:job_id>/tasks", "view"),
    Door("GET", "/api/v1/jobs/<int:job_id>/log", "view"),
    Door("POST", "/api/v1/jobs", "start", 201, _START),
    Door("POST", "/api/create-job/", "start", 201, _START),
    Door("POST", "/api/v1/files", "start", 201, Sent(form={"file": FILE})),
    Door("POST", "/api/v1/jobs/<int:job_id>/cancellation", "manage", 202, Sent(json={})),
    Door("POST", "/api/v1/jobs/<int:job_id>/retry", "manage", 202, Sent(json={}), _ENDED),
    Door("POST", "/api/v1/jobs/<int:job_id>/start", "manage", 409, Sent(json={})),
    Door("PATCH", "/api/v1/jobs/<int:job_id>", "manage", 200, Sent(json={"priority": 7})),
    Door("PATCH", "/api/v1/jobs/<int:job_id>/state", "edit", 200, Sent(json={"sum": 8})),
    Door("DELETE", "/api/v1/jobs/<int:job_id>", "delete", 204, job=_ENDED),
    # The websocket; see TOPICS for what it tells
    Door("GET", "/live", "view", 426),
]


#: The kinds of topics of the websocket, and the action that a job's `roles` must allow for it.
#: One without `<id>` is open to all who are signed in, and leaves out what a person may not see.
TOPICS: Final = {
    "job-updates": "view",
    "job-task-updates/<id>": "view",
    "job-state/<id>/<field>": "view",
    "job-task-state/<id>/<field>": "view",
    "view/jobs": "view",
    "view/job/<id>": "view",
    "view/navbar": "view",
    "view/handlers": "view",
}
