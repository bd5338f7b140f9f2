"""Every decision can be made again from what is kept, byte for byte, and what is another now is named by its path."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from sqlalchemy import delete, select, update

from fhir_profiles import fhir_json
from gateway import desk, keys
from gateway.engine import made_by
from gateway.steps.kept import read_kept
from gateway.steps.link import link
from gateway.steps.rederive import RederiveError, first_difference, rederive
from gateway.store.schema import agreement as signed
from gateway.store.schema import consent as registered
from gateway.store.schema import decision, delivery, resource, sealed
from tests.builders import (
    METHADONE,
    administration,
    adt_a01,
    adt_a03,
    adt_a13,
    care_plan,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.line import STRANGER, Line, running
from tests.world import check_world

Json = dict[str, Any]
LONG_AGO = "2026-01-02T09:00:00+00:00"
FILED = [
    care_plan(start="2026-01-02", description="Reduce slowly after release"),
    administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="40 mg supervised"),
]


def word(decided: str, *, name: str = "word", **more: Any) -> bytes:
    return fhir_message(
        resources=[consent(resource_id=name, at=LONG_AGO, decision=decided, **more)],
        message_id=f"FHIR-{name}",
        event="consent",
    )


async def played(line: Line) -> None:
    """Released, withheld, held, corrected, counted and not counted."""
    other, third = synthetic_person(2), synthetic_person(3)
    await line.play(adt_a01(), word("permit"), fhir_message(resources=FILED), rde_o11(), oru_r01())
    await line.play(oru_r01(purpose="mandatory", message_id="ORU-2"), adt_a03(), adt_a13())
    refused = consent(resource_id="no", at=LONG_AGO, decision="deny")
    await line.play(fhir_message(other, resources=[refused], message_id="FHIR-no", event="consent"))
    await line.play(adt_a03(other, message_id="A03-2"))
    unclear = consent(
        resource_id="who",
        at=LONG_AGO,
        decision="deny",
        recipient_reference="https://elsewhere.example/Organization/who",
    )
    await line.play(fhir_message(third, resources=[unclear], message_id="FHIR-who", event="consent"))
    await line.play(adt_a03(third, message_id="A03-3"))


def decisions(line: Line) -> dict[str, Any]:
    with line.gateway.store.read() as c:
        return {row.id: row for row in c.execute(select(decision))}


async def test_every_decision_comes_out_the_same(tmp_path: Path) -> None:
    """All outcomes; also under a new process, after a person has released one and confirmed another, and after two records were joined."""
    async with running(tmp_path) as line:
        await played(line)
        held = next(row for row in line.deliveries() if row.state == "held")
        desk.release_held(line.gateway, held.id, reason="spoken to", by="clinical-lead")
        await line.settle()
        await line.play(word("permit", name="theirs"), client=STRANGER)
        waits = line.messages(state="held")[0]
        desk.release_held(line.gateway, waits.id, reason="seen on paper", by="ig-officer")
        people = {row.person_id for row in line.messages() if row.person_id is not None}
        stays, goes, *_ = sorted(people)
        link(line.gateway, stays, goes, reason="one person", by="operator")
        await line.settle()
        await line.restart()
        found = decisions(line)
        assert {row.outcome for row in found.values()} == {"release", "withhold", "hold", "counted"}
        for each in found:
            again = rederive(line.gateway, each)
            assert again.same, (again, found[each].letter)
        checked = {rederive(line.gateway, row.decision_id).checked for row in line.deliveries(state="delivered")}
        assert checked == {("file", "composed", "decision", "letter")}
        check_world(line)


async def test_what_is_another_now_is_named(tmp_path: Path) -> None:
    """Sabotage of everything that a decision was made from, one at a time."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), word("permit"), fhir_message(resources=FILED), adt_a03())
        handover = line.deliveries(letter="handover")[0]
        gateway, decided = line.gateway, handover.decision_id
        assert rederive(gateway, decided).same
        agreement = gateway.agreements["handover"]

        gateway.agreements = {**gateway.agreements, "handover": replace(agreement, digest="sha256:other")}
        assert rederive(gateway, decided).same, "the text of then is kept with its signatures"
        gateway.agreements = {name: each for name, each in gateway.agreements.items() if name != "handover"}
        assert rederive(gateway, decided).same
        mine = signed.c.name == "handover"
        gateway.store.write(lambda c: c.execute(update(signed).where(mine).values(digest="sha256:nobody's")))
        assert rederive(gateway, decided).first == "agreement"
        gateway.store.write(lambda c: c.execute(update(signed).where(mine).values(digest=agreement.digest)))
        less = (
            agreement.fields[0],
            *agreement.fields[2:],
        )  # without what the letter is; its status is no field to lose (0059)
        gateway.agreements = {**gateway.agreements, "handover": replace(agreement, fields=less)}
        assert str(rederive(gateway, decided).first).startswith("decision.permitted[")
        gateway.agreements = {**gateway.agreements, "handover": agreement}

        gateway.store.write(
            lambda c: c.execute(update(delivery).where(delivery.c.id == handover.id).values(digest="0" * 64))
        )
        assert str(rederive(gateway, decided).first).startswith("letter")
        gateway.store.write(
            lambda c: c.execute(update(delivery).where(delivery.c.id == handover.id).values(digest=handover.digest))
        )
        _made_by_another(line, decided)
        with gateway.store.read() as c:
            plan = c.execute(select(resource.c.sealed_id).where(resource.c.type == "CarePlan")).scalar_one()
        gateway.store.write(lambda c: c.execute(delete(resource).where(resource.c.sealed_id == plan)))
        assert str(rederive(gateway, decided).first).startswith("file[")


def _made_by_another(line: Line, decided: str) -> None:
    """An upgrade between: what comes out the same is the same, and a difference says that the program is another."""
    gateway = line.gateway
    assert rederive(gateway, decided).another == ()
    with gateway.store.read() as c:
        row = c.execute(select(decision).where(decision.c.id == decided)).one()
        stored = json.loads(gateway.keys.unseal(c, row.sealed_id))
    assert stored["made_by"] == asdict(made_by())

    def put(kept: Any) -> None:
        """As a program with the keys of this installation would have kept it, under the id that was entered."""

        def write(c: Any) -> None:
            key, nonce = os.urandom(32), os.urandom(12)
            content = fhir_json.encode(kept if kept is not None else stored)
            again = AESGCM(key).encrypt(nonce, content, keys._associated(row.sealed_id, "decision"))
            wrapped = aes_key_wrap(gateway.keys._person_wraps(c, (row.person_id,))[row.person_id], key)
            values = {"nonce": nonce, "ciphertext": again, "wrapped_key": wrapped}
            c.execute(update(sealed).where(sealed.c.id == row.sealed_id).values(values))

        gateway.store.write(write)

    put({**stored, "made_by": {**stored["made_by"], "engine": "0" * 64}})
    again = rederive(gateway, decided)
    assert (again.same, again.another, again.text) == (
        True,
        ("engine",),
        "the same, byte for byte: it was made by another engine",
    )
    put({**stored, "made_by": {**stored["made_by"], "terminology": "0" * 64}, "missing": ["another word"]})
    again = rederive(gateway, decided)
    assert (again.same, again.first, again.another) == (False, "missing[0]", ("terminology",))
    assert again.text.endswith("made by another terminology, which is no sign that anything was changed")
    put({**{name: each for name, each in stored.items() if name != "made_by"}, "missing": ["another word"]})
    assert rederive(gateway, decided).another == ("engine", "terminology"), "decided before that was kept"
    put({**stored, "missing": ["another word"]})
    again = rederive(gateway, decided)
    assert (again.same, again.another, again.text) == (False, (), "what comes out differs")
    put(None)
    assert rederive(gateway, decided).same


async def test_a_consent_that_is_gone_and_a_decision_that_is_gone(tmp_path: Path) -> None:
    """Retention takes both at their time: it is said, and nothing is made up."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), word("permit"), adt_a03())
        decided = line.deliveries(letter="handover")[0].decision_id
        with line.gateway.store.read() as c:
            sealed_id = c.execute(select(decision.c.sealed_id).where(decision.c.id == decided)).scalar_one()
            assert len(read_kept(line.gateway.keys.unseal(c, sealed_id)).consents) == 1
        line.gateway.store.write(lambda c: c.execute(delete(registered)))
        assert rederive(line.gateway, decided).first == "consents[0]"

        def forget(c: Any) -> None:
            c.execute(update(decision).where(decision.c.id == decided).values(sealed_id=None))
            c.execute(delete(sealed).where(sealed.c.id == sealed_id))

        line.gateway.store.write(forget)
        with pytest.raises(RederiveError, match="retention"):
            rederive(line.gateway, decided)
        with pytest.raises(RederiveError, match="no decision"):
            rederive(line.gateway, "NOBODY")


@pytest.mark.parametrize(
    ("before", "now", "path"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, None),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ".a[1].b"),
        ({"a": [1]}, {"a": [1, 2]}, ".a[1]"),
        ({"a": 1}, {"a": 1, "c": 2}, ".c"),
        ({"a": 1, "c": 2}, {"a": 1}, ".c"),
        (json.loads("1.0"), json.loads("1"), ""),
        ({"a": []}, {"a": {}}, ".a"),
    ],
)
def test_the_first_difference(before: Any, now: Any, path: str | None) -> None:
    assert first_difference(before, now) == path
