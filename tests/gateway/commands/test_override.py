"""`throughgate override` on the command line: words, ids and exit codes, and nothing about anybody."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from gateway.__main__ import app
from gateway.demo.invariants import marks
from tests.builders import PERSON, adt_a03
from tests.flow.test_change_of_mind import word
from tests.line import running

WHY = "they are in a hospital and cannot say what they take"


def run(*arguments: str, config: Path) -> Result:
    return CliRunner().invoke(app, ["override", *arguments, "--config", str(config)])


def said(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


async def test_an_override_is_given_seconded_reviewed_and_listed(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(word("deny", at="2026-01-15T11:59:00+00:00"), adt_a03())
        (withheld,) = line.deliveries()
        config = line.config
    assert "no override was ever given" in run(config=config).output

    options = ("--recipient", "northfell", "--limb", "harm-to-the-person", "--by", "Ana Nurse", "--reason", WHY)
    give = ("give", withheld.id, "--kind", "vital-interest", *options)
    assert run(*give, "--role", "visitor", config=config).exit_code == 2
    assert run(*give[:-2], "--reason", " ", "--role", "clinician", config=config).exit_code == 1
    made = said(run(*give, "--role", "clinician", "--json", config=config))
    assert made["letter"] is not None
    assert run(*give, "--role", "clinician", config=config).exit_code == 1, "one stands already"

    act = ("--by", "Ben Lead", "--role", "clinical-lead", "--reason", WHY)
    assert said(run("second", made["id"], *act, "--json", config=config))["second_by"] == "Ben Lead"
    assert run("review", made["id"], *act, config=config).exit_code == 1
    done = said(
        run(
            "review",
            made["id"],
            "--by",
            "Cem Officer",
            "--role",
            "ig-officer",
            "--reason",
            WHY,
            "--json",
            config=config,
        )
    )
    assert done["reviewed_by"] == "Cem Officer"

    listing = run(config=config).output
    assert "given by Ana Nurse, and Ben Lead; reviewed by Cem Officer" in listing
    assert WHY not in listing
    assert not [mark for mark in marks(PERSON) if mark in listing]
    assert said(run("--json", config=config))["overrides"][0]["id"] == made["id"]
