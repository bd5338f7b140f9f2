"""The documents are true: made pages are as the code makes them, the hazard log names tests that exist, links lead somewhere."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.generated_pages import PAGES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES_FOR_PEOPLE = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *DOCS.rglob("*.md"),
        *(file for name in ("adapters", "consent") for file in (ROOT / name).rglob("*.md")),
    ]
)
HAZARDS = tomllib.loads((DOCS / "hazards.toml").read_text("utf-8"))["hazard"]
MUST_HAVE = (
    "wrong person",
    "late or lost handover",
    "handover withheld",
    "duplicate supply",
    "wrong dose or unit",
    "stale plan",
    "merge error",
    "reversed release",
    "clock error",
    "disclosure to the wrong recipient",
)
FIELDS = {"id", "hazard", "cause", "effect", "control", "test", "residual"}


@pytest.mark.parametrize("page", PAGES)
def test_made_pages_are_as_the_code_makes_them(page: str) -> None:
    """Write them again with `python -m tests.generated_pages`."""
    assert (DOCS / page).read_text("utf-8") == PAGES[page]()


def has_test(test_id: str) -> bool:
    """Does `path::name` or `path::Class::name` name a test function that is there?"""
    path, *names = test_id.split("::")
    file = ROOT / path
    if not file.is_file() or not names:
        return False
    body: list[ast.stmt] = ast.parse(file.read_text("utf-8")).body
    for name in names:
        found = [
            node
            for node in body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name
        ]
        if not found:
            return False
        body = found[0].body
    return names[-1].startswith("test_")


def test_the_hazard_log_has_every_hazard_that_it_must() -> None:
    assert {hazard["hazard"] for hazard in HAZARDS} >= set(MUST_HAVE)
    assert len({hazard["id"] for hazard in HAZARDS}) == len(HAZARDS)


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard["id"])
def test_each_hazard_names_tests_that_exist(hazard: dict[str, object]) -> None:
    """A hazard without a test that shows its control is not controlled."""
    assert set(hazard) == FIELDS
    tests = hazard["test"]
    assert isinstance(tests, list)
    assert tests
    assert not [test for test in tests if not has_test(test)]


def test_a_test_that_does_not_exist_is_found() -> None:
    """Sabotage: a name that nobody wrote, a file that is not there, a function that is no test."""
    assert not has_test("tests/test_docs.py::test_nobody_wrote")
    assert not has_test("tests/nowhere.py::test_a")
    assert not has_test("tests/test_docs.py::has_test")
    assert has_test("tests/test_docs.py::test_a_test_that_does_not_exist_is_found")


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead nowhere."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    return [link for link in links if "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES_FOR_PEOPLE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken_links(page)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """Sabotage."""
    page = tmp_path / "page.md"
    page.write_text("[nowhere](nothing.md)", "utf-8")
    assert broken_links(page) == ["nothing.md"]


def test_every_decision_is_in_the_table() -> None:
    """docs/decisions/README.md lists each decision with its status."""
    table = (DOCS / "decisions" / "README.md").read_text("utf-8")
    for file in sorted((DOCS / "decisions").glob("0*.md")):
        status = re.search(r"^Status: (\w+)", file.read_text("utf-8"), re.MULTILINE)
        assert status is not None
        row = next(line for line in table.splitlines() if file.name in line)
        assert status[1] in row


def test_security_properties_name_tests_that_exist() -> None:
    """The README's table of security properties: each row ends with a test."""
    rows = re.findall(r"`(tests/[\w/]+\.py::\w+)`", (ROOT / "README.md").read_text("utf-8"))
    assert rows
    assert not [row for row in rows if not has_test(row)]
