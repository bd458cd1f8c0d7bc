"""The pages of every resource: list, one row, new, change, delete. Declared in `app.resources`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.admin import query, record
from app.admin.asked import asked_of, text_of
from app.admin.errors import Refused
from app.admin.form import Form
from app.admin.query import Condition, Record
from app.admin.resource import Column, Outcome, Resource, RowAction
from app.extensions import db
from app.resources import all_resources
from app.timezones import is_zone, zone_of
from app.users.permissions import HasRole, refusal
from app.users.permissions import may as allows
from app.web.access import may
from app.web.htmx import asked_by_script
from app.web.listing import let_search, listing_of
from app.web.session import here
from app.web.timezones import current_zone


@dataclass(frozen=True, kw_only=True)
class Route:
    """A way to a view, below the resource's own path."""

    endpoint: str
    path: str
    method: str


#: No column has a name with a dot.
ZONE_FIELD: Final = "form.zone"
OPTIONS: Final = Route(endpoint="options", path="/options", method="GET")
ROUTES: Final = (
    # endpoint, path, method, the resource's action that it takes
    ("index", "", "GET", "view"),
    ("new", "/new", "GET", "create"),
    ("create", "", "POST", "create"),
    ("show", "/<int:row_id>", "GET", "view"),
    ("edit", "/<int:row_id>/edit", "GET", "edit"),
    ("update", "/<int:row_id>", "POST", "edit"),
    ("ask_to_delete", "/<int:row_id>/deletion", "GET", "delete"),
    ("delete", "/<int:row_id>/deletion", "POST", "delete"),
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page in the navigation that is no resource: `allowed` is the action that it takes."""

    name: str
    heading: str
    icon: str
    place: int
    allowed: str


PAGES: Final = (
    Page(name="handlers", heading="Handlers", icon="stack-2", place=20, allowed="view"),
)

View = Callable[..., ResponseReturnValue]


def init_app(app: Flask) -> None:
    """Give each resource its pages, as far as it has none of its own, and its navigation."""
    resources = all_resources()
    for resource in resources:
        _add(app, resource, OPTIONS, resource.actions["view"], options)
        if not resource.has_own_pages:
            _add_pages(app, resource)
    app.jinja_env.globals["entries"] = partial(entries, resources)


def entries(resources: Sequence[Resource], person: HasRole) -> list[Resource | Page]:
    """What this person may open, in the order of the navigation."""
    found: list[Resource | Page] = [
        *(each for each in resources if allows(person, each.actions["view"])),
        *(each for each in PAGES if allows(person, each.allowed)),
    ]
    return sorted(found, key=lambda each: each.place)


def _add_pages(app: Flask, resource: Resource) -> None:
    for endpoint, path, method, action in ROUTES:
        if action in resource.actions:
            route = Route(endpoint=endpoint, path=path, method=method)
            _add(app, resource, route, resource.actions[action], globals()[endpoint])
    for each in resource.row_actions:
        route = Route(endpoint=each.name, path=f"/<int:row_id>/{each.name}", method="POST")
        _add(app, resource, route, each.allowed, partial(act, action=each))


def _add(app: Flask, resource: Resource, route: Route, action: str, view: View) -> None:
    @may(action)
    def of_resource(**values: Any) -> ResponseReturnValue:
        return view(resource, **values)

    app.add_url_rule(
        f"/{resource.name}{route.path}",
        f"{resource.name}.{route.endpoint}",
        of_resource,
        methods=[route.method],
    )


# Pages ------------------------------------------------------------------------------------------


def index(resource: Resource) -> str:
    """The list."""
    connection = db.session.connection()
    only = visible(connection, resource)
    look = partial(_meant, connection, resource, only)
    asked = asked_of(resource, request.args, look, current_zone())
    found = query.page(connection, resource, asked, only)
    count = query.count(connection, resource, [*query.conditions(resource, asked), *only])
    return render_template(
        "resources/index.html",
        resource=resource,
        listing=listing_of(asked, found),
        rows=found.rows,
        count=count,
        offered=offers(resource),
    )


def show(resource: Resource, row_id: int, outcome: Outcome | None = None) -> str:
    """One row."""
    return render_template(
        "resources/show.html",
        resource=resource,
        row=_row(resource, row_id),
        offered=offers(resource),
        outcome=outcome,
    )


def new(resource: Resource) -> str:
    """The form for a new row; an address may fill it in."""
    form = _form(resource, "create")
    form.fill(_submitted(request.args), whole=False)
    return _form_page(resource, form, None)


def create(resource: Resource) -> ResponseReturnValue:
    """Make a row."""
    try:
        with _transaction() as session:
            made = resource.writes.create(session, _checked(resource, "create", {}), here())
    except Refused as error:
        return _form_page(resource, _refused(resource, "create", error), None), 422
    flash(f"The {resource.noun} has been created.", "success")
    return redirect(_url(resource, "show", row_id=made), 303)


def edit(resource: Resource, row_id: int) -> str:
    """The form of a row."""
    row = _row(resource, row_id)
    form = _form(resource, "edit")
    record.show(form, row.values, current_zone())
    return _form_page(resource, form, row)


def update(resource: Resource, row_id: int) -> ResponseReturnValue:
    """Change a row."""
    row = _row(resource, row_id)
    try:
        with _transaction() as session:
            values = _checked(resource, "edit", row.values)
            resource.writes.update(session, row_id, values, here())
    except Refused as error:
        return _form_page(resource, _refused(resource, "edit", error), row), 422
    flash(f"The {resource.noun} has been saved.", "success")
    return redirect(_url(resource, "show", row_id=row_id), 303)


def ask_to_delete(resource: Resource, row_id: int, error: str | None = None) -> str:
    """Ask whether it shall be deleted."""
    part = asked_by_script() and error is None
    template = "resources/_ask_delete.html" if part else "resources/delete.html"
    row = _row(resource, row_id)
    return render_template(template, resource=resource, row=row, error=error)


def delete(resource: Resource, row_id: int) -> ResponseReturnValue:
    """Delete a row."""
    _row(resource, row_id)
    try:
        with _transaction() as session:
            resource.writes.delete(session, row_id, here())
    except Refused as error:
        return ask_to_delete(resource, row_id, str(error)), 409
    flash(f"The {resource.noun} has been deleted.", "success")
    return redirect(_url(resource, "index"), 303)


def act(resource: Resource, row_id: int, action: RowAction) -> ResponseReturnValue:
    """Do what else can be done with a row, and show what came of it, once."""
    _row(resource, row_id)
    try:
        with _transaction() as session:
            outcome = action.run(session, row_id, here())
    except Refused as error:
        flash(str(error), "error")
        return redirect(_url(resource, "show", row_id=row_id), 303)
    return show(resource, row_id, outcome), 200, {"Cache-Control": "no-store"}


def options(resource: Resource) -> str:
    """What a reference may mean, for the field in which a person searches for it."""
    column = resource.by_name.get(request.args.get("column", ""))
    if column is None or column.reference is None:
        abort(404)
    connection = db.session.connection()
    only = _offered_by(connection, resource, column)
    found = query.options(connection, column.reference, text_of(request.args, "q"), only)
    return render_template("resources/_options.html", options=found)


def _offered_by(connection: Connection, resource: Resource, column: Column) -> list[Condition]:
    """A form offers all, to who may send it; a filter what the list that they see refers to."""
    place = request.args.get("for", "")
    if place in ("create", "edit") and _may(resource, place):
        return []
    return [query.used_by(resource, column, visible(connection, resource))]


# Parts of them ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Something that can be done here; `reason` says why this person may not."""

    name: str
    reason: str | None


def offers(resource: Resource) -> Mapping[str, Offer]:
    """What the person could do with rows of this resource."""
    actions = dict(resource.actions) | {each.name: each.allowed for each in resource.row_actions}
    return {
        name: Offer(name=name, reason=refusal(here(), action)) for name, action in actions.items()
    }


def visible(connection: Connection, resource: Resource) -> Sequence[Condition]:
    """Which rows the person may see at all."""
    return resource.only(connection, here()) if resource.only else ()


def _meant(
    connection: Connection,
    resource: Resource,
    only: Sequence[Condition],
    column: Column,
    text: str,
) -> tuple[int, str] | None:
    assert column.reference is not None
    used = query.used_by(resource, column, only)
    found = query.option(connection, column.reference, text, [used])
    return None if found is None else (found.id, found.text)


def _row(resource: Resource, row_id: int) -> Record:
    connection = db.session.connection()
    return query.row(connection, resource, row_id, visible(connection, resource))


def _form(resource: Resource, place: str) -> Form:
    form = record.form_of(resource, place)
    let_search(resource, form, place)
    return form


def _checked(resource: Resource, place: str, before: Mapping[str, Any]) -> dict[str, Any]:
    def resolve(column: Column, text: str) -> int | None:
        assert column.reference is not None
        found = query.option(db.session.connection(), column.reference, text)
        return None if found is None else found.id

    said = record.with_moments(resource, _submitted(request.form), _form_zone(), before)
    return record.checked(resource, place, said, resolve)


@contextmanager
def _transaction() -> Iterator[Session]:
    """Give the session for a change, and commit it; what is raised rolls all of it back."""
    session = db.session()
    try:
        yield session
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise Refused("The database refuses these values.") from error
    except BaseException:
        session.rollback()
        raise


def _form_zone() -> ZoneInfo:
    """The zone in which a form has shown its moments: the person's may be another one by now."""
    name = request.form.get(ZONE_FIELD, "")
    return zone_of(name) if is_zone(name) else current_zone()


def _refused(resource: Resource, place: str, error: Refused) -> Form:
    form = _form(resource, place)
    form.fill(_submitted(request.form))
    form.refuse(error.fields)
    form.errors += [error.message] if error.message else []
    return form


def _form_page(resource: Resource, form: Form, row: Record | None) -> str:
    return render_template(
        "resources/form.html",
        resource=resource,
        form=form,
        row=row,
        zone=(ZONE_FIELD, (_form_zone() if request.form else current_zone()).key),
        has_moments=any(each.widget == "datetime" for each in form.fields),
    )


def _submitted(values: Any) -> dict[str, list[str]]:
    return dict(values.lists())


def _may(resource: Resource, action: str) -> bool:
    return action in resource.actions and allows(here(), resource.actions[action])


def _url(resource: Resource, endpoint: str, **values: Any) -> str:
    return url_for(f"{resource.name}.{endpoint}", **values)
