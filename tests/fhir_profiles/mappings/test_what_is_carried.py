"""The field ledger tells the truth: what is mapped is in the result, and what is minimised or residual changes nothing in it.

Each leaf of every golden message is changed, and taken away: a mapped one must change what stands at the path that the ledger names, unless it has
the value anyway (said twice, or by an order of segments); one that is not carried must change nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles.hl7v2 import Message, parse, parse_path
from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.peek_hl7v2 import peek_hl7v2
from fhir_profiles.shapes import Channel, Envelope, Fate, Field, Translation
from tests.fhir_profiles.mappings.golden_pairs import CHANNEL, sources, translate

BODIES = [source.read_bytes() for source in sources()]
_SET_ID = re.compile(r"(?:AL1|DG1|NK1|NTE|OBR|OBX|TQ1)(?:\[\d+\])?-1")
"""Carried by the order in which what was made of the segments stands (`field_ledger.keep_order`)."""
_TRANSLATED = re.compile(
    r".*\.(?:telecom\.use|telecom\.system|category|type|severity|priority|status|verificationStatus|security|multipleBirth\[x\])"
    r"|Patient\.(?:identifier\.(?:system|type)|extension|maritalStatus\.coding\.(?:system|display)|generalPractitioner(?:\.identifier\.system)?)"
    r"|Translation\.(?:absorbed|occurred)|ServiceRequest\.requester\.identifier\.system"
)
"""Where a word of a table becomes a word of FHIR: its display and table, and another spelling of the same, change nothing."""
_WORDS = frozenset(
    {
        "EVN-1",  # the event, which MSH-9 names too
        "OBX-2",  # the type of a value that is text whichever it is
        "OBX-11",  # a status that TXA-17 says too
        "ORC-1",  # an order control whose words mean the same
        "PRB-1",  # an action: only a deletion changes what is said
        "RXA-21",  # an action: only a deletion changes what is said
        "RXE-9",  # no substitution, which silence means too
        "RXO-9",  # no substitution, which silence means too
        "TXA-19",  # available, which silence means too
        "PV1-3.4",  # the establishment, which MSH-4 names too
        "ORC-9",  # the time of a stop, after an end that counts
        "TXA-17",  # authenticated, and OBX-11 final: both say that the document is final
    }
)
"""Words of a table that silence, or another word of the message, says too: changed or taken away they leave the meaning as it is."""


def meaning(translation: Translation) -> str:
    return repr(
        (
            translation.bundle,
            translation.events,
            translation.persons,
            translation.establishment,
            translation.occurred,
            translation.recorded_by,
            translation.reason,
            translation.absorbed,
            translation.hold.code if translation.hold is not None else None,
            translation.tasks,
        )
    )


def standing_at(translation: Translation, path: str) -> str:
    """What the translation says at a path of the ledger: every value in that element, or below it, of every resource of the kind."""
    kind, _, element = path.partition(".")
    if kind == "Translation":
        return repr(getattr(translation, element))
    if kind == "Provenance":
        return repr((translation.recorded_by, translation.reason, translation.occurred))
    resources = [entry["resource"] for entry in translation.bundle["entry"]]
    if kind == "Bundle":
        return repr([each["id"] for each in resources])
    wanted = element.removesuffix("[x]")
    return repr(
        [
            (place, value)
            for each in resources
            if each["resourceType"] == kind
            for place, value in _leaves(each)
            if place.startswith(wanted)
        ]
    )


def _leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, f"{place}.{name.removeprefix('_')}" if place else name)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, place)
    else:
        yield place, value


def leaf(message: Message, source: str) -> str:
    name, occurrence, *place = parse_path(source)
    number, repetition, component, subcomponent = place
    return message.all(name)[occurrence - 1].raw_value(number, repetition, component, subcomponent)


def with_leaf(message: Message, source: str, value: str) -> bytes:
    """The message with another value in one place."""
    name, occurrence, number, repetition, component, subcomponent = parse_path(source)
    lines = [segment.raw for segment in message.segments]
    index = next(
        place
        for place, segment in enumerate(message.segments)
        if (segment.name, segment.occurrence) == (name, occurrence)
    )
    fields = lines[index].split("|")
    repetitions = fields[number].split("~")
    components = repetitions[repetition - 1].split("^")
    parts = components[component - 1].split("&")
    parts[subcomponent - 1] = value
    components[component - 1] = "&".join(parts)
    repetitions[repetition - 1] = "^".join(components)
    fields[number] = "~".join(repetitions)
    lines[index] = "|".join(fields)
    return "\r".join(lines).encode()


def others(value: str) -> Iterator[str]:
    """Nothing, and another value of the same kind: a time stays a time, a number a number."""
    yield ""
    if re.match(r"(?:19|20)\d{2}[01]\d[0-3]\d", value):
        yield f"{value[:3]}{(int(value[3]) + 1) % 10}{value[4:]}"
    elif re.fullmatch(r"[-\d.]+", value):
        yield value[:-1] + ("1" if value[-1] != "1" else "2")
    else:
        yield f"{value}Q"


def changes(message: Message, kind: str, field: Field) -> bool:
    """Does another value in its place change what is said where it is said to go; of what goes nowhere, anything at all?"""
    said = partial(standing_at, path=field.path) if field.fate is Fate.MAPPED else meaning
    before = said(MAPPINGS[kind](CHANNEL, message.encode()))
    bodies = [with_leaf(message, field.source, each) for each in others(leaf(message, field.source))]
    return any(said(MAPPINGS[kind](CHANNEL, body)) != before for body in bodies)


def untrue(body: bytes) -> list[str]:
    """The entries of the ledger that are not so."""
    message = parse(body)
    envelope = peek_hl7v2(CHANNEL, body)
    assert isinstance(envelope, Envelope)
    translation = translate(body)
    found = []
    for field in translation.fields:
        if field.source.startswith("MSH"):
            continue
        changed = changes(message, envelope.kind, field)
        if field.fate is Fate.MAPPED:
            spared = (
                _SET_ID.fullmatch(field.source)
                or _TRANSLATED.fullmatch(field.path)
                or re.sub(r"\[\d+\]", "", field.source) in _WORDS
            )
            twice = message.text(leaf(message, field.source)).strip() in standing_at(translation, field.path)
            if not (changed or spared or twice):
                found.append(f"{field.source} is said to be carried in {field.path}")
        elif changed and field.fate is Fate.MINIMISED:
            found.append(f"{field.source} is said to be minimised")
    return found


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_the_ledger_tells_the_truth(source: Path) -> None:
    assert untrue(source.read_bytes()) == []


LEAVES = st.one_of(
    st.integers(100, 999).map(lambda number: f"W{number}"),
    st.integers(100, 999).map(lambda number: f"Words {number}"),
    st.integers(2, 99).map(str),
    st.dates(date(1990, 1, 1), date(2029, 12, 31)).map(lambda day: f"{day:%Y%m%d}"),
    st.datetimes(datetime(1990, 1, 1), datetime(2029, 12, 31)).map(lambda moment: f"{moment:%Y%m%d%H%M}"),  # noqa: DTZ001 - digits of a message, no instant
    st.sampled_from(["Y", "N", "A", "D", "F", "R", "S", "U", "mg", "d", "SCT", "LN", "CM", "PH", "HL70443"]),
)
COMPONENTS = st.lists(LEAVES, min_size=1, max_size=3).map("&".join)
REPETITIONS = st.lists(st.one_of(st.just(""), COMPONENTS, COMPONENTS), min_size=1, max_size=8).map("^".join)
VALUES = st.lists(REPETITIONS, min_size=1, max_size=2).map("~".join)
_NAMES_WHO_OR_WHAT = frozenset({("PID", 3), ("OBX", 2)})
"""Without the first a message is of nobody, or of two people; the second says how the next but two is to be read."""


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_stands_in_a_field_the_ledger_tells_the_truth(data: st.DataObject) -> None:
    """Any field of any segment, also one that no golden message has: distinct values, deep ones, repeated ones."""
    message = parse(data.draw(st.sampled_from(BODIES)))
    lines = [segment.raw for segment in message.segments]
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(1, len(lines) - 1))
        fields = lines[index].split("|")
        number = data.draw(st.integers(1, 45))
        if (fields[0], number) not in _NAMES_WHO_OR_WHAT:
            fields += [""] * (number + 1 - len(fields))
            fields[number] = data.draw(VALUES)
            lines[index] = "|".join(fields)
    body = "\r".join(lines).encode()
    if isinstance(peek_hl7v2(CHANNEL, body), Envelope):
        assert untrue(body) == []


def test_a_claim_that_is_not_so_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: a mapping that says of a field that it went somewhere, and leaves it, is found."""
    source = next(each for each in sources() if each.stem == "ppr_pc1")
    real = MAPPINGS["PPR^PC1"]

    def boasts(channel: Channel, body: bytes) -> Translation:
        told = real(channel, body)
        fields = tuple(
            replace(each, fate=Fate.MAPPED, path="Condition.note", reason="") if each.source == "PRB-5" else each
            for each in told.fields
        )
        return replace(told, fields=fields)

    body = source.read_bytes().replace(b"|P-1^EHR|", b"|P-1^EHR|EPISODE|")
    assert untrue(body) == []
    monkeypatch.setattr("tests.fhir_profiles.mappings.golden_pairs.MAPPINGS", {**MAPPINGS, "PPR^PC1": boasts})
    assert untrue(body) == ["PRB-5 is said to be carried in Condition.note"]
