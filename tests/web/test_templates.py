"""The templates and static files by themselves: sound, self-contained, without inline code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment

from app.web import filters

APP = Path(__file__).parent.parent.parent / "app"
STATIC = APP / "static"
TEMPLATES = sorted([*(APP / "templates").rglob("*.html"), *(APP / "components").rglob("*.html")])


def name_of(path: Path) -> str:
    return str(path.relative_to(APP))


# What the Content-Security-Policy forbids ---------------------------------------------------------

FORBIDDEN = {
    "an inline style": r"\sstyle\s*=",
    "an inline listener": r"\son\w+\s*=",
    "hx-on": r"hx-on",
    "a js: value": r"\bjs:|javascript:",
    "an event filter": r"hx-trigger=\"[^\"]*\[",
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "a style element": r"<style",
    "something from elsewhere": r"(?:src|href)=\"(?:https?:)?//",
    "unescaped output": r"\|\s*safe\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_templates_have_nothing_that_the_policy_forbids(what: str) -> None:
    found = [name_of(path) for path in TEMPLATES if re.search(FORBIDDEN[what], path.read_text())]
    assert found == []


def test_scripts_and_sheets_load_nothing_from_elsewhere() -> None:
    found = {
        (name_of(path), address)
        for path in STATIC.glob("**/*.[cj]s*")
        if path.parent.name != "vendor"
        for address in re.findall(r"https?://[^\s'\"]+", path.read_text())
    }
    assert {pair for pair in found if pair[1] != "http://www.w3.org/2000/svg"} == set()


# What templates refer to --------------------------------------------------------------------------


def test_every_icon_that_is_used_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    text = "".join(path.read_text() for path in TEMPLATES)
    used = set(re.findall(r'icon\("([\w-]+)"', text)) | set(filters.STATUS_ICONS.values())
    used |= set(re.findall(r'"(chevron-\w+|sun|moon|device-desktop)"', text))
    assert used - sprite == set()


def test_every_static_file_that_is_named_is_there() -> None:
    text = (APP / "templates/_head.html").read_text()
    named = re.findall(r'filename="([^"]+\.\w+)"', text)
    listed = re.search(r"for sheet in \(([^)]+)\)", text)
    assert listed
    sheets = re.findall(r'"(\w+)"', listed[1])
    assert sorted(sheets) == sorted(path.stem for path in (STATIC / "css").glob("*.css"))
    assert [name for name in named if not (STATIC / name).is_file()] == []


@pytest.mark.parametrize("path", sorted((STATIC / "js").glob("*.js")), ids=name_of)
def test_a_module_imports_only_what_is_there(path: Path) -> None:
    for module in re.findall(r'from "\./([^"]+)"', path.read_text()):
        assert (STATIC / "js" / module).is_file()


def test_vendored_files_carry_their_version_and_their_licence() -> None:
    for path in [*(STATIC / "vendor").glob("*.js"), *(STATIC / "fonts").glob("*.woff2")]:
        version = re.search(r"\d+\.\d+\.\d+", path.name)
        assert version
        assert list(path.parent.glob(f"*{version[0]}.LICENSE"))


def test_templates_compile() -> None:
    known = Environment(autoescape=True)
    known.filters.update(filters.FILTERS)
    for path in TEMPLATES:
        known.compile(path.read_text(), filename=str(path))
