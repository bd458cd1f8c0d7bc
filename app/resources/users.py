"""The people who may sign in. All that happens to an account is decided in `app.users` (P11)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from pydantic import SecretStr
from sqlalchemy.orm import Session

from app.admin import Column, Outcome, Refused, Resource, RowAction, Rows
from app.admin.rows import Written
from app.users import changing, links, people
from app.users.changing import Changes
from app.users.errors import AccountDisabled, BadAccount, LastSuperadmin
from app.users.models import User
from app.users.permissions import Role


class Accounts(Rows):
    """Accounts are made, changed and deleted by those who guard them."""

    def create(self, session: Session, values: Written, by: Any) -> int:
        """Make an account; without a password, a one-time link will open it."""
        with _told():
            account = people.checked(**{"password": None, **_plain(values)})
            return people.insert_user(session.connection(), account).id

    def update(self, session: Session, row_id: int, values: Written, by: Any) -> None:
        """Change an account; a password that was left empty stays."""
        with _told():
            wanted = changing.checked_changes(cast(Changes, _plain(values)))
            changing.write_changes(session.connection(), row_id, wanted, by)

    def delete(self, session: Session, row_id: int, by: Any) -> None:
        """Delete an account; the jobs that it started stay."""
        with _told():
            changing.remove_user(session.connection(), row_id, by)


def make_link(session: Session, user_id: int, by: Any) -> Outcome:
    """A link by which the person sets a password."""
    with _told():
        token = links.new_link(session.connection(), user_id)
    return Outcome(
        sentence="Send this link to the person, and to nobody else. It sets the password of this "
        "account, once, within three days. It is not shown again.",
        path=f"/set-password/{token}",
    )


def _plain(values: Written) -> dict[str, Any]:
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
    }


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BadAccount as error:
        raise Refused(fields={name: [said] for name, said in error.fields.items()}) from error
    except (LastSuperadmin, AccountDisabled) as error:
        raise Refused(str(error)) from error


USERS = Resource(
    name="users",
    table=User,
    label="email",
    icon="users",
    order="email",
    place=90,
    actions={"view": "users", "create": "users", "edit": "users", "delete": "users"},
    rows=Accounts(User),
    row_actions=[
        RowAction(
            name="link",
            label="Password link",
            icon="link",
            allowed="users",
            run=make_link,
            help="A one-time link lets the person set a password. An older link stops working.",
        )
    ],
    columns=[
        Column(name="email", label="Email", widget="email", search=True, sort=True),
        Column(
            name="role",
            type=Role,
            default=Role.VIEWER,
            sort=True,
            show_in=("list", "show", "create", "edit", "filter"),
            help="Viewers see. Operators also start, cancel and retry. "
            "Superadmins also edit and delete, and manage the users.",
        ),
        Column(
            name="disabled",
            show_in=("list", "show", "edit", "filter"),
            help="A disabled account cannot sign in. Where it is signed in now, it is put out.",
        ),
        Column(
            name="has_password",
            label="Has a password",
            expression=User.password_hash.is_not(None),
            show_in=("show",),
            words=("Yes", "Not yet: make a link, so that the person can set one"),
        ),
        Column(name="last_sign_in_at", label="Last sign-in", sort=True, show_in=("list", "show")),
        Column(name="created_at", sort=True, show_in=("list", "show", "filter")),
        Column(
            name="password",
            type=SecretStr | None,
            show_in=("create", "edit"),
            help="At least 10 characters. Left empty, a new account waits until a one-time link "
            "sets one, and an old account keeps its own.",
        ),
    ],
)
