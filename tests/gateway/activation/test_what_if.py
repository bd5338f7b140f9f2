"""What a changed agreement would have done to past traffic: counted exactly, by the same gate, and nothing is written or shown."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from consent.paths import PathError, is_reserved, steps
from consent.shapes import Agreement, PermittedPath
from gateway.__main__ import app
from gateway.demo.invariants import marks
from gateway.steps.rederive import find
from gateway.steps.release import what_would_leave
from gateway.steps.replay import said_in
from gateway.steps.what_if import NOT_ASKED, WhatIf, WhatIfError, what_if
from gateway.store.schema import decision, metadata
from tests.builders import (
    PERSON,
    adt_a01,
    adt_a03,
    care_plan,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.line import Line, running

LONG_AGO = "2026-01-02T09:00:00+00:00"
REFUSES = synthetic_person(2)
ELSEWHERE = synthetic_person(3, postcode="ZZ9 9ZZ")


async def traffic(line: Line) -> None:
    """Somebody who is handed over, somebody who refused, somebody whom nobody serves, and a result that is counted."""
    await line.play(
        adt_a01(),
        fhir_message(resources=[care_plan(start="2026-01-02", description="plan")]),
        rde_o11(),
        oru_r01(),
        adt_a03(),
    )
    refusal = consent(resource_id="no", at=LONG_AGO, decision="deny")
    await line.play(fhir_message(REFUSES, resources=[refusal], message_id="FHIR-no", event="consent"))
    await line.play(adt_a03(REFUSES, message_id="A03-2"), adt_a03(ELSEWHERE, message_id="A03-3"))


def rows_of(line: Line) -> dict[str, int]:
    with line.gateway.store.read() as c:
        return {
            name: c.execute(select(func.count()).select_from(each)).scalar_one()
            for name, each in metadata.tables.items()
        }


def outcomes(found: WhatIf) -> Counter[tuple[str, str]]:
    return Counter({(each.was, each.now): each.decisions for each in found.counts})


def withheld_now(line: Line, decision_id: str) -> str:
    """A path of a letter that stays back under the agreement of then and that an agreement could let out."""
    with line.gateway.store.read() as c:
        kept = find(c, line.gateway, decision_id).kept
    assert kept.composed is not None
    stays = said_in(kept.composed).keys() - said_in(what_would_leave(kept.composed, kept.decision, kept.id_key)).keys()
    for path in sorted(stays):
        try:
            steps(path)
        except PathError:
            continue
        if not is_reserved(path.rpartition(".")[2]) and "." in path and "meta" not in path and "reference" not in path:
            return path
    raise AssertionError(stays)


async def test_past_decisions_are_asked_again_under_the_new_text(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await traffic(line)
        before = rows_of(line)
        agreed = line.gateway.agreements["handover"]

        def ask(new: Agreement, instead_of: str = "handover", **more: Any) -> WhatIf:
            return what_if(line.gateway, new, instead_of=instead_of, **more)

        same = ask(replace(agreed, digest="sha256:new"))
        assert (same.decisions, same.same, same.changed) == (3, 3, ())
        assert outcomes(same) == {("release", "release"): 1, ("withhold", "withhold"): 1, ("hold", "hold"): 1}

        narrow = ask(replace(agreed, fields=tuple(each for each in agreed.fields if each.path != "Patient.name")))
        (one,) = narrow.changed
        assert (
            set(one.withheld)
            == {"Patient.name.family", "Patient.name.given", "Patient.name.use"} & set(one.withheld)
            != set()
        )
        assert (one.was, one.now, one.released) == ("release", "release", ())
        assert [
            (each.less, each.more, each.decisions)
            for each in narrow.counts
            if each.recipient == one.recipient and each.less
        ] == [(True, False, 1)]

        path = withheld_now(line, one.decision)
        wide = ask(replace(agreed, fields=(*agreed.fields, PermittedPath(path=path, why="to see"))))
        assert [each.released for each in wide.changed] == [(path,)]

        strict = ask(replace(agreed, without_consent="nothing", undecidable="withhold"))
        assert outcomes(strict)[("release", "withhold")] == 1, "nobody has said yes"
        assert outcomes(ask(replace(agreed, text={**agreed.text, "ends": "2026-01-01"})))[("release", "hold")] == 1

        fewer = ask(replace(agreed, events=("release-unclear", "transfer")))
        assert {each.now for each in fewer.changed} == {NOT_ASKED}
        assert (fewer.events_added, fewer.events_dropped) == (("transfer",), ("release",))

        report = line.gateway.agreements["report"]
        counted = ask(replace(report, digest="sha256:new"), instead_of="report")
        assert {each.was for each in counted.counts} == {"counted"}
        assert counted.same == counted.decisions > 0

        assert ask(agreed, since="2026-01-15").decisions == 3
        with pytest.raises(WhatIfError, match="nothing was decided"):
            ask(agreed, since="2027-01-01")
        with pytest.raises(WhatIfError, match="to `gp`"):
            ask(replace(agreed, recipient_class="gp"))
        assert rows_of(line) == before, "it reads only"

        line.gateway.store.write(
            lambda c: c.execute(update(decision).where(decision.c.id == one.decision).values(sealed_id=None))
        )
        assert ask(agreed).gone == (one.decision,)


async def test_on_the_command_line_and_nothing_about_anybody(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await traffic(line)
        config = ("--config", str(line.config))
    new = tmp_path / "handover.toml"
    text = (tmp_path / "agreements" / "handover.toml").read_text("utf-8")
    new.write_text(text.replace('"Patient.name", ', "", 1), "utf-8")

    def ask(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["agreements", "what-if", *arguments, *config])
        return done.exit_code, done.output + (str(done.exception) if isinstance(done.exception, WhatIfError) else "")

    code, output = ask(str(new))
    assert code == 0, output
    assert "3 decisions under handover; 2 would be the same" in output
    assert "would not leave: Patient.name.family (1)" in output
    code, as_json = ask(str(new), "--json")
    said = json.loads(as_json)
    assert (code, said["decisions"], len(said["changed"])) == (0, 3, 1)
    assert said["changed"][0]["decision"] in output
    for told in (output, as_json):
        assert not [mark for mark in marks(PERSON) if mark in told]

    other = tmp_path / "another.toml"
    other.write_text(new.read_text("utf-8"), "utf-8")
    assert "nothing was decided under another" in ask(str(other))[1]
    assert ask(str(other), "--instead-of", "handover")[0] == 0
    new.write_text(text.replace('regime = "uk-gdpr"', 'regime = "none"'), "utf-8")
    code, output = ask(str(new))
    assert (code, f"{new}: regime: must be one of" in output) == (1, True)
    assert ask(str(tmp_path / "nowhere.toml"))[0] == 2
