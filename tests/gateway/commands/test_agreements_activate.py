"""`throughgate agreements activate` on the command line; `check` and `serve` say what is not in force."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner, Result

from gateway.__main__ import app
from tests.line import RECIPIENTS, make_installation


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_from_an_edited_file_to_an_agreement_in_force(tmp_path: Path) -> None:
    """Propose, approve, end; whatever is wrong is said with the file and what to do, and signs nothing."""
    config = make_installation(tmp_path, dict.fromkeys(RECIPIENTS, 9))
    file = tmp_path / "agreements" / "handover.toml"
    signs = ("--reason", "agreed", "--config", str(config))
    ada, ben = ("--by", "Ada Example", *signs), ("--by", "Ben Example", *signs)

    def activate(*arguments: str) -> Result:
        return run("agreements", "activate", *arguments)

    nothing = activate("--all", *ada)
    assert (nothing.exit_code, "nothing to sign" in nothing.output) == (1, True)
    assert activate(*ada).exit_code == activate("handover", "--all", *ada).exit_code == 2
    assert activate("handover", "--by", "Ada Example", "--config", str(config)).exit_code == 2, "a reason is asked for"

    good = file.read_text("utf-8")
    file.write_text(good.replace('expect = "release"', 'expect = "withhold"', 1), "utf-8")
    wrong = activate("handover", *ada)
    assert (wrong.exit_code, f"{file}: its example" in wrong.output) == (1, True)
    file.write_text(good.replace("undecidable = ", "undecided = "), "utf-8")
    assert f"{file}: undecided: unknown key" in activate("handover", *ada).output
    assert "no-such.toml: cannot be opened" in activate("no-such", *ada).output
    file.write_bytes(b"\xff\xfe")
    assert f"{file}: is not UTF-8 text" in activate("--all", *ada).output

    ends = next(line.removeprefix("ends") for line in good.splitlines() if line.startswith("ends"))
    late = re.sub(r"(?m)^review .*$", f"review{ends}", good)
    file.write_text(late.replace('"Patient.name", ', "", 1), "utf-8")
    faults = json.loads(run("check", "--config", str(config), "--json").output)["faults"]
    (fault,) = [each for each in faults if "handover" in each["place"]]
    assert fault["text"].startswith("another text is in force")
    proposed = activate("--all", *ada)
    assert proposed.exit_code == 0, proposed.output
    assert "throughgate agreements activate handover --approve" in proposed.output
    assert "remark review-after-end: its review is not before its end" in proposed.output
    assert activate("handover", "--approve", *ada).exit_code == 1
    approved = json.loads(activate("handover", "--approve", "--json", *ben).output)
    (made,) = approved["agreements"]
    assert [each["code"] for each in made["remarks"]] == ["review-after-end"], "both people are told"
    assert (approved["act"], made["proposed_by"], made["approved_by"]) == ("approved", "Ada Example", "Ben Example")
    assert not [
        each
        for each in json.loads(run("check", "--config", str(config), "--json").output)["faults"]
        if "handover" in each["place"]
    ]
    rendered = run("agreements", "render", "--to", str(tmp_path / "ig"), "--config", str(config))
    assert rendered.exit_code == 0, rendered.output
    assert "signed by Ada Example and Ben Example" in (tmp_path / "ig" / "sharing-agreements.md").read_text("utf-8")

    assert "proposed by" in activate("handover", "--end", *ben).output
    assert "ended, signed by Ben Example and Ada Example" in activate("handover", "--end", "--approve", *ada).output
    unsigned = json.loads(run("check", "--config", str(config), "--json").output)["faults"]
    assert any("nobody has signed it" in each["text"] for each in unsigned)


def test_a_gateway_with_files_and_nothing_in_force_does_not_open(tmp_path: Path) -> None:
    """INVARIANT: care never stops in silence: an upgrade, or a new installation, is told before the doors open."""
    config = make_installation(tmp_path, dict.fromkeys(RECIPIENTS, 9))
    signs = ("--reason", "over", "--config", str(config), "--all", "--end")
    assert run("agreements", "activate", "--by", "Ada Example", *signs).exit_code == 0
    assert run("agreements", "activate", "--by", "Ben Example", "--approve", *signs).exit_code == 0
    served = run("serve", "--config", str(config))
    assert served.exit_code == 1
    assert "not in force: agreements/handover.toml" in served.output
    assert "no agreement is in force" in served.output
    assert "ready" not in served.output
