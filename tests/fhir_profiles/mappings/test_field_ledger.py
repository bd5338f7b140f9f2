"""Every leaf that is not empty has exactly one entry; nothing of its content is in it; and a guard that misses one would be seen."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles.hl7v2 import Message, parse
from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.mappings.field_ledger import FieldLedger
from fhir_profiles.peek_hl7v2 import KINDS, peek_hl7v2
from fhir_profiles.shapes import Channel, Envelope, Event, Fate, Field, HoldCode, Refusal, Translation
from tests.builders import adt_a01, adt_a03, adt_a13, adt_a40, oru_r01, rde_o11
from tests.fhir_profiles.mappings.golden_pairs import CHANNEL, sources, translate
from tests.scripted import Scripted


def unaccounted(message: Message, fields: Iterable[Field]) -> list[str]:
    """The oracle: the places of the message that have no entry, or several, by the tokenizer's own walk."""
    entries = Counter(field.source for field in fields)
    places = Counter(path for path, _ in message.values())
    return sorted(set(places - entries) | set(entries - places))


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_every_field_is_accounted_for(source: Path) -> None:
    body = source.read_bytes()
    fields = translate(body).fields
    assert unaccounted(parse(body), fields) == []
    for field in fields:
        assert bool(field.path) != bool(field.reason), field
        assert (field.fate is Fate.MAPPED) == bool(field.path), field


def test_the_guard_sees_a_dropped_field() -> None:
    """Sabotage: a ledger that loses an entry, or doubles one, is found."""
    body = sources()[0].read_bytes()
    fields = translate(body).fields
    assert unaccounted(parse(body), fields[:5] + fields[6:]) == [fields[5].source]
    assert unaccounted(parse(body), (*fields, fields[5])) == [fields[5].source]


def test_an_entry_has_no_content() -> None:
    """Canaries in every field: not one of them is in the ledger, the issues, the hold or the tasks."""
    body = adt_a01().replace(b"Birkett-Test", b"CANARYNAME").replace(b"ZA1 1AA", b"CANARY1 1AA") + b"ZZZ|CANARY\r"
    translation = translate(body)
    assert "CANARY" in str(translation.bundle)
    assert "CANARY" not in str((translation.fields, translation.issues, translation.hold, translation.tasks))


def test_fates() -> None:
    """Null, blanks, subcomponents that nobody read, and what no mapping knows."""
    body = adt_a01().replace(b"|M|||1 Example Street^^", b'|""|||  ^1 Example&Street&7&kept^') + b"ZZZ|a^b&c~d\r"
    fates = {field.source: (field.fate, field.path or field.reason[:12]) for field in translate(body).fields}
    assert fates["PID-8"] == (Fate.UNSUPPORTED, "an explicit ")
    assert fates["PID-11.1"] == (Fate.RESIDUAL, "only blanks")
    assert fates["PID-11.2.1"][0] is Fate.MAPPED
    assert fates["PID-11.2.4"] == (Fate.RESIDUAL, "no mapping f")
    assert {fates[source][0] for source in ("ZZZ-1.1", "ZZZ-1.2.1", "ZZZ-1.2.2", "ZZZ-1[2]")} == {Fate.RESIDUAL}


def test_a_value_that_is_taken_back_is_unsupported() -> None:
    """A read that turns out to be no real date is not counted as mapped."""
    body = adt_a01().replace(b"|19610202|", b"|19610231|")
    translation = translate(body)
    entry = next(field for field in translation.fields if field.source == "PID-7")
    assert entry.fate is Fate.UNSUPPORTED
    assert "birthDate" not in translation.bundle["entry"][0]["resource"]
    assert any(issue.path == "PID-7" for issue in translation.issues)


def test_rows_of_equal_segments_are_apart() -> None:
    message = parse(b"MSH|^~\\&|A\rNTE|1||same\rNTE|1||same")
    ledger = FieldLedger(message)
    ledger.row(message.all("NTE")[1]).text(3, to="Observation.note.text")
    fates = {field.source: field.fate for field in ledger.fields()}
    assert (fates["NTE-3"], fates["NTE[2]-3"]) == (Fate.RESIDUAL, Fate.MAPPED)


BODIES = [adt_a01(), adt_a03(), adt_a13(), adt_a40(), oru_r01(), rde_o11()]
BODIES += [source.read_bytes() for source in sources()]


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_any_damage_is_translated_and_accounted_for(data: st.DataObject) -> None:
    """Whatever happens to a message: refused by the peek, or a Translation with an entry for every field. Never an exception."""
    body = bytearray(data.draw(st.sampled_from(BODIES)))
    signs = st.sampled_from(
        [b"|", b"^", b"~", b"&", b"\\", b"\r", b'""', b" ", b"0", b"-1", b"\xff", b"\\X0\\", b"9" * 40]
    )
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 6))] = data.draw(st.one_of(signs, st.binary(max_size=4)))
        if not body:
            return
    envelope = peek_hl7v2(CHANNEL, bytes(body))
    if isinstance(envelope, Refusal):
        return
    assert isinstance(envelope, Envelope)
    translation = MAPPINGS[envelope.kind](CHANNEL, bytes(body))
    assert unaccounted(parse(bytes(body)), translation.fields) == []
    assert translation.persons == envelope.persons
    if envelope.kind == "ADT^A02" and translation.events[0] is Event.TRANSFER:  # the prison that was left hands over
        assert translation.destination == envelope.establishment != translation.establishment
    else:
        assert translation.establishment == envelope.establishment


def test_a_mapping_that_fails_is_seen_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: every kind is among the bodies, and the property reaches its mapping and believes nothing of it."""

    def failing(channel: object, body: bytes) -> Translation:
        raise ZeroDivisionError

    def forgetful(channel: Channel, body: bytes) -> Translation:
        found = real(channel, body)
        return replace(found, fields=found.fields[1:])

    damage = test_any_damage_is_translated_and_accounted_for.hypothesis.inner_test  # type: ignore[attr-defined]  # hypothesis puts the plain function there
    by_kind: dict[str, bytes] = {}
    for body in BODIES:
        envelope = peek_hl7v2(CHANNEL, body)
        assert isinstance(envelope, Envelope)
        by_kind.setdefault(envelope.kind, body)
    assert set(by_kind) == set(KINDS)
    for kind, body in by_kind.items():
        blank_at_the_end = (body, 1, len(body) - 1, b" ", 0)
        damage(Scripted(*blank_at_the_end))
        real = MAPPINGS[kind]
        for broken, error in ((failing, ZeroDivisionError), (forgetful, AssertionError)):
            monkeypatch.setitem(MAPPINGS, kind, broken)
            with pytest.raises(error):
                damage(Scripted(*blank_at_the_end))
        monkeypatch.setitem(MAPPINGS, kind, real)


@settings(deadline=None)
@given(st.binary(max_size=120), st.sampled_from(sorted(kind for kind in MAPPINGS if not kind.startswith("fhir-"))))
def test_bytes_that_no_peek_saw_are_held(body: bytes, kind: str) -> None:
    """A mapping that is called with anything gives a Translation; what cannot be read is held."""
    translation = MAPPINGS[kind](CHANNEL, body)
    assert isinstance(translation, Translation)
    if not body.lstrip(b"\r\n\t ").startswith((b"MSH", b"\xef\xbb\xbf")):
        assert translation.hold is not None
        assert translation.hold.code is HoldCode.UNREADABLE_CONTENT
