"""What the console says in words of its own is complete, and what it is dressed in is what was built, with nothing from elsewhere."""

import hashlib
import re
from pathlib import Path

from consent.decide import RULES
from gateway.console import rendering, ways
from gateway.console.work import WHO_SETTLES
from gateway.journeys.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]


def test_each_rule_has_its_caldicott_principle() -> None:
    assert set(ways._BY_RULE) == set(RULES)
    assert {number for numbers in ways._BY_RULE.values() for number in numbers} <= set(ways.PRINCIPLES)


def test_each_task_is_the_work_of_a_role() -> None:
    assert {kind.role for kind in TASKS.values()} == set(WHO_SETTLES)


def test_the_style_is_what_was_built_and_loads_nothing() -> None:
    """`requirements/console/build.sh` makes both files. The pictures that it names belong to parts that no page has."""
    built = (ROOT / "requirements" / "console" / "console.css.sha256").read_text().strip()
    assert hashlib.sha256(rendering.STYLE).hexdigest() == built
    text = rendering.STYLE.decode()
    named = set(re.findall(r"url\(([^)]*)\)", text))
    assert all(each.startswith('"/assets/images/nhsuk-icon-') for each in named)
    assert "@font-face" not in text
    assert "@import" not in text
    assert len(rendering.STYLE) < 250_000


def test_no_template_escapes_the_escaping() -> None:
    """Nor holds a script, a style or an address of elsewhere."""
    files = sorted((ROOT / "gateway" / "console" / "templates").glob("*.html"))
    assert len(files) > 15
    for file in files:
        text = file.read_text("utf-8")
        assert not re.search(r"\|\s*safe|autoescape|<script|style=|\son[a-z]+=|https?://", text), file.name
    for module in sorted((ROOT / "gateway" / "console").glob("*.py")):
        assert "arkup" not in module.read_text("utf-8"), f"{module.name}: text is made markup by templates alone"
    assert rendering.ENVIRONMENT.autoescape is True


def test_what_serves_the_console_writes_no_addresses_down() -> None:
    assert "access_log=False" in (ROOT / "gateway" / "serving.py").read_text("utf-8")


def test_times_and_ages_are_as_people_say_them() -> None:
    assert rendering.when("2026-07-15T12:00:00.000000Z") == "15 Jul 2026, 13:00"
    assert rendering.when(None) == "-"
    seconds = {
        0: "under a minute",
        60: "1 minute",
        3_700: "1 hour 1 minute",
        93_600: "1 day 2 hours",
        604_800: "7 days",
    }
    assert {each: rendering.age(each) for each in seconds} == seconds
