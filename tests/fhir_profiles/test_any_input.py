"""Every mapping under any input: a translation, a hold or a refusal with a place, never an exception; and generated records come out as they went in."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles.fhir_json import decode
from fhir_profiles.mappings import MAPPINGS, dosage
from fhir_profiles.mappings.datatypes import number_of
from fhir_profiles.peek import peek
from fhir_profiles.peek_hmpps import EVENTS
from fhir_profiles.shapes import Channel, Json, Refusal, Translation
from fhir_profiles.translate import translate
from fhir_profiles.validate import invalid, validate
from gateway.demo.people import synthetic_person
from tests.fhir_profiles.fhir_message.golden_pairs import sources as fhir_sources
from tests.fhir_profiles.hmpps.test_domain_events import event, in_sns
from tests.fhir_profiles.mappings.golden_pairs import sources as hl7v2_sources
from tests.scripted import Scripted

FHIR = Channel(name="any", format="fhir", client="any", establishment="ZFG")
HL7 = Channel(name="any", format="hl7v2")
CONTENTS: list[tuple[str, Json]] = [
    *((source.stem, decode(source.read_bytes())) for source in fhir_sources()),
    *((name, event(name, reason="RELEASED", removedNomsNumber="A9999ZZ", alertCode="HA")) for name in sorted(EVENTS)),
    ("in-sns", in_sns(event("prison-offender-events.prisoner.released", reason="RELEASED"))),
]
WORDS = st.sampled_from(
    [None, True, 0, -1, Decimal("1.50"), "", " ", "x", "#x", "Patient/p2", "urn:uuid:0", [], [None], {}, {"reference": "#"},
     "2026-02-30", "9990000018", "A1234BC", "2026-01-15T10:00:00Z", {"resourceType": "Patient"}, "9" * 60]
)  # fmt: skip


def damaged(value: Any, data: st.DataObject) -> Any:
    """Walk to a random place, and replace, take out or repeat what is there."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 7)):
        key = data.draw(st.sampled_from(sorted(value)))
        if not data.draw(st.integers(0, 6)):
            return {name: each for name, each in value.items() if name != key}
        return {**value, key: damaged(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 7)):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], damaged(value[at], data), *value[at + 1 :]]
    return data.draw(st.one_of(WORDS, st.just([value, value])))


def written(content: Any) -> bytes:
    return json.dumps(content, default=float).encode()


def test_every_mapping_has_an_input_here_or_in_the_golden_messages() -> None:
    """A new kind of message without one would be under no property."""
    bodies = [source.read_bytes() for source in hl7v2_sources()]
    kinds = {peek(HL7, body).kind for body in bodies} | {peek(FHIR, written(each)).kind for _, each in CONTENTS}
    assert kinds == set(MAPPINGS)


@settings(deadline=None, max_examples=250)
@given(st.data())
def test_any_damage_to_any_content_is_translated_held_or_refused_with_a_place(data: st.DataObject) -> None:
    name, content = data.draw(st.sampled_from(CONTENTS))
    found: Any = content
    for _ in range(data.draw(st.integers(1, 4))):
        found = damaged(found, data)
    body = written(found)
    seen = peek(FHIR, body)
    if isinstance(seen, Refusal):
        assert seen.issues, name
        return
    translation = translate(FHIR, body)
    assert isinstance(translation, Translation)
    assert not [issue for issue in translation.issues if issue.code == "exception"], name
    assert translation.hold is None or translation.hold.text, name
    assert not invalid(validate(translation.bundle)), name


def test_a_mapping_that_fails_is_seen_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: each kind is among the contents, and the property reaches its mapping. An exception is held by `translate`, and seen as such."""

    def failing(channel: Channel, body: bytes) -> Translation:
        raise ZeroDivisionError

    damage = test_any_damage_to_any_content_is_translated_held_or_refused_with_a_place.hypothesis.inner_test  # type: ignore[attr-defined]  # hypothesis puts the plain function there
    by_kind = {peek(FHIR, written(each[1])).kind: each for each in CONTENTS}
    for kind, named in by_kind.items():
        harmless = (named, 1, 1, "occurredAt" if kind == "hmpps-event" else "id", 0)
        damage(Scripted(*harmless))
        with monkeypatch.context() as broken:
            broken.setitem(MAPPINGS, kind, failing)
            with pytest.raises(AssertionError):
                damage(Scripted(*harmless))
    assert set(by_kind) == {kind for kind in MAPPINGS if "^" not in kind}


AMOUNTS = st.decimals(min_value="0.1", max_value="999", places=2)
UNITS = st.sampled_from(["mg", "ml", "tablet"])
MOMENTS = st.integers(0, 500_000).map(lambda minutes: datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=minutes))
METHADONE = "36120711000001104^Methadone 1mg/ml oral solution^SCT"


def resources(body: bytes) -> dict[str, Json]:
    translation = translate(HL7, body)
    assert translation.hold is None
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in translation.bundle["entry"]}


def measured(quantity: Json) -> tuple[Decimal, str]:
    """The digits and the unit of a Quantity; its code, where it has one, says the same unit."""
    unit = quantity["unit"].lower()
    assert quantity.get("code", unit).lower() in {unit, {"milligram": "mg", "millilitre": "ml"}.get(unit)}
    return Decimal(str(quantity["value"])), {"milligram": "mg", "millilitre": "ml"}.get(unit, unit)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 500), AMOUNTS, UNITS, MOMENTS, MOMENTS)
def test_dose_unit_time_and_person_of_a_record_are_never_wrong(
    number: int, amount: Decimal, unit: str, start: datetime, given_at: datetime
) -> None:
    """Of a prescription and of the dose given under it: the very digits, the unit, the instant and the person."""
    person = synthetic_person(number)
    said, began, gave = str(amount), f"{start:%Y%m%d%H%M%S}+0000", f"{given_at:%Y%m%d%H%M%S}+0000"

    def message(kind: str, *lines: str) -> bytes:
        head = f"MSH|^~\\&|EHR|ZFG|TG|GATE|{began}||{kind}|M-1|P|2.5.1"
        who = f"PID|1||{person.nhs_number}^^^NHS^NH||{person.family}^{person.given}||{person.born.replace('-', '')}|M"
        return "\r".join((head, who, "PV1|1|I|B^^^ZFG", *lines, "")).encode()

    ordered = resources(
        message("RDE^O11^RDE_O11", "ORC|NW|RX-1", f"RXE||{METHADONE}|{said}||{unit}^{unit}", f"TQ1|1||QD||||{began}")
    )
    (instruction,) = ordered["MedicationRequest"]["dosageInstruction"]
    assert measured(instruction["doseAndRate"][0]["doseQuantity"]) == (amount, unit)
    assert datetime.fromisoformat(instruction["timing"]["repeat"]["boundsPeriod"]["start"]) == start
    dosed = resources(
        message("RAS^O17^RAS_O17", "ORC|RE|RX-1", f"RXA|0|1|{gave}||{METHADONE}|{said}|{unit}^{unit}|||||||||||||CP")
    )
    dose = dosed["MedicationAdministration"]
    assert measured(dose["dosage"]["dose"]) == (amount, unit)
    assert datetime.fromisoformat(dose["effectiveDateTime"]) == given_at
    for found in (ordered["Patient"], dosed["Patient"]):
        assert person.nhs_number in {each["value"] for each in found["identifier"]}
        assert found["birthDate"] == person.born


def test_a_dose_that_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: a mapping that loses a decimal point."""
    record = test_dose_unit_time_and_person_of_a_record_are_never_wrong.hypothesis.inner_test  # type: ignore[attr-defined]  # hypothesis puts the plain function there
    noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    record(1, Decimal("2.50"), "mg", noon, noon)
    monkeypatch.setattr(dosage, "number_of", lambda written: number_of(written.replace(".", "")))
    with pytest.raises(AssertionError):
        record(1, Decimal("2.50"), "mg", noon, noon)
