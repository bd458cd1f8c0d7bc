"""The rows about people: User, SignIn, OneTimeLink."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app import timezones
from app.db import Base, Id, Moment
from app.users.permissions import Role


class User(Base):
    """A person with an account. No password: only a one-time link can open the account."""

    __tablename__ = "user"

    id: Mapped[Id] = mapped_column(primary_key=True)
    # Always in small letters, so that one person cannot have two accounts; the check says so too.
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    disabled: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(Moment)
    # The one that was chosen or, while none is, the one that the browser told last.
    time_zone: Mapped[str | None] = mapped_column(String(timezones.LONGEST))
    has_chosen_zone: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_in_small_letters"),
        CheckConstraint(
            "role IN ({})".format(", ".join(f"'{each}'" for each in Role)), name="role"
        ),
        # An id is never used again: what a deleted person did must not be taken for another's.
        {"sqlite_autoincrement": True},
    )


class SignIn(Base):
    """One sign-in of a person, from password to sign-out. A cookie is good while its row is here.

    Without the row, a copied cookie would go on working after its owner has signed out.
    """

    __tablename__ = "sign_in"

    key: Mapped[str] = mapped_column(String(43), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class OneTimeLink(Base):
    """A link that sets a password once; without a user it makes the first superadmin (A18).

    Only the hash of its token is kept: who reads the database cannot use it.
    """

    __tablename__ = "one_time_link"

    id: Mapped[Id] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[Id | None] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
