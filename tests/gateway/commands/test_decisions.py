"""`explain` and `rederive` on the command line: words, paths and exit codes, and nothing about anybody."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.__main__ import app
from gateway.demo.invariants import marks
from tests.builders import PERSON, adt_a01, adt_a03, oru_r01, rde_o11
from tests.line import running, sign_agreements

WHY = ("--reason", "a question by letter", "--by", "Ada Example")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


async def a_handover(folder: Path) -> tuple[str, Path]:
    """A delivered handover's decision, and the configuration of its installation, which has stopped."""
    async with running(folder) as line:
        await line.play(adt_a01(), rde_o11(), oru_r01(), adt_a03())
        decided = line.deliveries(letter="handover")[0].decision_id
        return decided, line.config


async def test_a_decision_is_explained_to_three_readers(tmp_path: Path) -> None:
    decided, config = await a_handover(tmp_path)
    said: dict[str, Any] = {}
    fields: dict[str, list[dict[str, str]]] = {}
    for view in ("officer", "person", "recipient"):
        done = run("explain", decided, *WHY, "--view", view, "--json", "--config", str(config))
        assert done.exit_code == 0, done.output
        found = json.loads(done.output)
        said[view], fields[view] = found["sentences"], found["fields"]
        assert run("explain", decided, *WHY, "--view", view, "--config", str(config)).output.splitlines() == said[view]
        assert not [mark for mark in marks(PERSON) if mark in done.output]
    assert "Asked: no consent was on record." in said["officer"]
    assert any(line.startswith("Leaves in part: Patient.identifier") for line in said["officer"])
    assert fields["person"] == fields["recipient"] == []
    ways = {each["source"]: each["outcome"] for each in fields["officer"]}
    assert (ways["PID-5.1"], ways["PV1-36"], ways["MSH-11"]) == ("leaves", "not-in-letter", "")
    assert any(line.startswith(f"Of the message's {len(ways)} fields") for line in said["officer"])
    assert not any("fields" in line for line in (*said["person"], *said["recipient"]))
    assert "They have it now." in said["person"]
    assert not any("Stays back" in line for line in (*said["person"], *said["recipient"]))
    assert run("explain", "NOBODY", *WHY, "--config", str(config)).exit_code == 2


async def test_a_decision_is_made_again(tmp_path: Path) -> None:
    decided, config = await a_handover(tmp_path)
    same = run("rederive", decided, *WHY, "--json", "--config", str(config))
    assert (same.exit_code, json.loads(same.output)["same"]) == (0, True)
    agreement = config.parent / "agreements" / "handover.toml"
    agreement.write_text(agreement.read_text("utf-8") + "\n# another word\n", "utf-8")
    sign_agreements(config)
    assert run("rederive", decided, *WHY, "--config", str(config)).exit_code == 0, "made again under the text of then"
    other = run("rederive", f"{decided}X", *WHY, "--json", "--config", str(config))
    assert other.exit_code == 1


@pytest.mark.parametrize("command", ["explain", "rederive"])
def test_a_decision_is_an_argument(command: str) -> None:
    assert run(command, *WHY).exit_code == 2
