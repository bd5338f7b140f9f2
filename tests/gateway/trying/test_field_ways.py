"""From a source field to each recipient: the sums, and the bytes that left say the same."""

from typing import Any

import pytest

from consent.outcomes import PathOutcome
from fhir_profiles.hl7v2 import parse
from fhir_profiles.shapes import Fate
from gateway.commands.try_message import say_result
from gateway.steps import field_ways
from gateway.steps.field_ways import AT_INTAKE, NOT_IN_LETTER
from gateway.trying import try_message
from tests.builders import (
    METHADONE,
    OPIATES,
    Assay,
    adt_a03,
    fhir_message,
    medication_request,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.gateway.trying.test_shapes import AS_OF, plan

Json = dict[str, Any]
OUTCOMES = {*(each.value for each in PathOutcome), NOT_IN_LETTER}


def answers() -> list[Json]:
    """A release, a prescription as FHIR and as HL7 v2, results that are counted, and results that are not."""
    order = fhir_message(
        synthetic_person(1),
        resources=[
            medication_request(METHADONE, resource_id="rx", authored="2026-01-15", text="40 mg", category="discharge")
        ],
        message_id="RX-1",
    )
    counts = oru_r01(assays=[Assay(code=OPIATES[0], text=OPIATES[1], result="positive")], purpose="mandatory")
    return [
        try_message(body, history=[plan()], as_of=AS_OF) for body in (adt_a03(), order, rde_o11(), counts, oru_r01())
    ]


def test_the_sum_is_every_field_for_every_recipient() -> None:
    decisions = 0
    for answer in answers():
        fates = [field["fate"] for field in answer["fields"]]
        letters = {(each["recipient"], each["class"], each["letter"]) for each in answer["decisions"]}
        for field in answer["fields"]:
            ways = {(way["recipient"], way["class"], way["letter"]) for way in field["recipients"]}
            assert ways == (letters if field["fate"] == Fate.MAPPED else set())
            assert {way["outcome"] for way in field["recipients"]} <= OUTCOMES
            assert all(bool(way["rule"]) is (way["outcome"] != NOT_IN_LETTER) for way in field["recipients"])
        for decision in answer["decisions"]:
            decisions += 1
            assert sum(decision["fields"].values()) == len(fates)
            assert decision["fields"].get(AT_INTAKE, 0) == len(fates) - fates.count(Fate.MAPPED)
    assert decisions >= 5


SAID = {
    "PID-5.1": "CANARYFAMILY",
    "PID-5.2": "CANARYGIVEN",
    "PID-11.1": "CANARYSTREET",
    "PID-13": "CANARYPHONE",
    "PID-16": "CANARYSTATUS",
    "PV1-3.1": "CANARYWING",
}
"""What a release says of somebody in words that nothing else says."""


def discharge() -> bytes:
    lines = adt_a03().decode().split("\r")
    segments = {line[:3]: line.split("|") for line in lines}
    pid = segments["PID"] + [""] * (17 - len(segments["PID"]))
    pid[5], pid[13], pid[16] = f"{SAID['PID-5.1']}^{SAID['PID-5.2']}^^^^^L", SAID["PID-13"], SAID["PID-16"]
    pid[11] = "^".join([SAID["PID-11.1"], *pid[11].split("^")[1:]])
    pv1 = segments["PV1"]
    pv1[3] = "^".join([SAID["PV1-3.1"], *pv1[3].split("^")[1:]])
    made = {"PID": "|".join(pid), "PV1": "|".join(pv1)}
    return "\r".join(made.get(line[:3], line) for line in lines).encode()


def wrong(answer: Json) -> list[str]:
    """Fields of which the join says otherwise than the bytes that left."""
    found = []
    for number, decision in enumerate(answer["decisions"]):
        if decision["released"] is None:
            continue
        body = decision["released"]["body"]
        for field in answer["fields"]:
            word = SAID.get(field["source"])
            if word is None or not field["recipients"]:
                continue
            leaves = field["recipients"][number]["outcome"] == PathOutcome.LEAVES
            if leaves is not (word in body):
                found.append(f"{decision['letter']} {field['source']}")
    return found


def test_what_is_said_to_leave_is_in_the_bytes_and_what_is_not_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = discharge()
    assert len(parse(body).segments) >= 4
    answer = try_message(body, history=[plan()], as_of=AS_OF)
    assert [each["letter"] for each in answer["decisions"] if each["released"]] == ["handover", "gp-copy"]
    ways = {field["source"]: {way["outcome"] for way in field["recipients"]} for field in answer["fields"]}
    assert {source for source in SAID if PathOutcome.LEAVES in ways[source]} >= {"PID-5.1", "PID-5.2", "PID-11.1"}
    assert ways["PV1-3.1"] == {NOT_IN_LETTER}
    assert wrong(answer) == []
    say_result(answer, fields=True)
    printed = capsys.readouterr().out.splitlines()
    at = printed.index("    PID-5.1: mapped Patient.name.family")
    assert printed[at + 1] == "      leaves         handover for northfell-recovery (implied)"
    assert "    MSH-11: minimised transport: separators, addresses and switches of the transport" in printed
    say_result(answer, fields=False)
    assert "PID-5.1" not in capsys.readouterr().out
    # Sabotage: a join that takes whatever the letter's Patient has, whatever was decided, is caught by the bytes.
    monkeypatch.setattr(field_ways, "outcome_of", lambda groups, name, path: None)
    assert "handover PID-5.1" in wrong(try_message(body, history=[plan()], as_of=AS_OF))
