"""The wires `hl7v2` and `hl7v2-oru`: what a letter says is in them whole, nothing in a value can be taken for a segment, and no copy for an order.

`python -m tests.fhir_profiles.render.test_hl7v2` writes the golden messages again: look at what changed in what recipients get.
"""

from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import hl7  # type: ignore[import-untyped]  # has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles.compose import LETTERS
from fhir_profiles.elements import name_of
from fhir_profiles.hl7v2 import Message, parse
from fhir_profiles.profiles.prescription_copy import MARK
from fhir_profiles.render import render
from fhir_profiles.shapes import Channel, Fate, Json
from fhir_profiles.translate import translate
from fhir_profiles.wires.envelope import entries_of
from fhir_profiles.wires.er7 import leaf, timestamp
from fhir_profiles.wires.readable import WITHHELD, Readable, is_redacted, readable
from tests.fhir_profiles.letters.files import HEADING
from tests.fhir_profiles.mappings import golden_pairs
from tests.fhir_profiles.validators.leaving import minimised_letters

GOLDEN = Path(__file__).parent / "golden_hl7v2"
CHANNEL = Channel(name="neighbour", format="hl7v2")
V2 = ("hl7v2", "hl7v2-oru")
ORDERS = {"ORC", "RXO", "RXE", "RXR", "RXD", "RXA", "RXC", "RXG", "TQ1", "FT1"}
LOST = {
    "encounter": "the stay is in no letter",
    "extension.url": "the establishment is the sender of the message",
    "extension.valueIdentifier": "the establishment is the sender of the message",
    "interpretation.coding.display": "a flag of HL7 v2.5 is a code alone",
    "presentedForm": "a document inside a result is in no letter",
    "specimen": "what was tested is in no letter but in words",
}
"""What a result and its person lose on the way to HL7 v2 and back, and why. The integration guide says the same."""


LOST_OF_A_PERSON = {
    "maritalStatus": "in no letter",
    "multipleBirth": "in no letter",
    "contact": "next of kin are in no letter",
    "extension.extension": "a nationality is in no letter",
}
"""What else a person of an admission loses: no letter holds it."""


def text_of(message: Message) -> list[str]:
    """The lines that a reader of the message sees: what its FT results say."""
    lines: list[str] = []
    for segment in message.all("OBX"):
        if segment.raw_value(2) == "FT":
            lines += message.text(segment.field(5)).split("\n")
    return lines


def written(bundle: Json, wire: str) -> Message:
    return parse(render(bundle, wire, HEADING).body)


@cache
def letters() -> list[tuple[str, str, Json]]:
    return [one for one in minimised_letters() if LETTERS[one[0]].about_a_person]


def test_a_letter_that_something_was_left_out_of_says_so_to_its_reader_once() -> None:
    """With a Composition the gate writes a section of its own; without one the mark stands on the Bundle alone, and no text showed it."""
    for letter, file, bundle in letters():
        redacted = {
            "meta": {"security": [{"code": "REDACTED"}]},
            **{key: bundle[key] for key in bundle if key != "meta"},
        }
        document = any(entry["resource"]["resourceType"] == "Composition" for entry in bundle["entry"])
        for wire in V2:
            lines = text_of(written(redacted, wire))
            assert (WITHHELD.lines[0] in lines) is not document, (letter, file)
        assert WITHHELD not in of({**redacted, "meta": {}}).parts


def of(bundle: Json) -> Readable:
    return readable(entries_of(bundle, HEADING), HEADING, redacted=is_redacted(bundle))


def test_every_line_of_every_letter_is_in_the_message() -> None:
    seen: Counter[str] = Counter()
    for letter, file, bundle in letters():
        for wire in V2:
            message = written(bundle, wire)
            lines = text_of(message)
            for part in of(bundle).parts:
                assert part.heading in lines, (letter, file, wire)
                assert set("\n".join(part.lines).split("\n")) <= set(lines), (letter, file, wire, part.code)
            assert message.get("MSH-10") == HEADING.delivery_id
            assert message.get("MSH-18") == "UNICODE UTF-8"
            seen[wire] += 1
    assert min(seen[wire] for wire in V2) >= 3 * (len(LETTERS) - 1) - 3


def test_no_line_names_only_a_type() -> None:
    """Whatever our letters hold has words of its own; a type that has none would tell a reader nothing."""
    for letter, file, bundle in letters():
        types = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
        for part in of(bundle).parts:
            assert not types & set(part.lines), (letter, file, part.code)


def test_a_copy_is_never_an_order_and_says_so_first() -> None:
    marked = 0
    for letter, _file, bundle in letters():
        prescribed = any(entry["resource"]["resourceType"] == "MedicationRequest" for entry in bundle["entry"])
        for wire in V2:
            message = written(bundle, wire)
            assert message.get("MSH-9.1") in {"MDM", "ORU"}
            assert not {segment.name for segment in message.segments} & ORDERS
            assert (text_of(message)[0] == MARK) is prescribed, letter
            marked += prescribed
    assert marked


def test_a_letter_about_nobody_is_not_written() -> None:
    report = next(bundle for letter, _, bundle in minimised_letters() if letter == "report")
    for wire in V2:
        with pytest.raises(ValueError, match="no letter about a person"):
            render(report, wire, HEADING)
    assert not set(V2) & set(LETTERS["report"].every_wire)


def test_our_own_intake_reads_it_and_accounts_for_every_field() -> None:
    for letter, file, bundle in letters():
        people = [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Patient"]
        numbers = {each["value"] for person in people for each in person.get("identifier", ())}
        for wire in V2:
            found = translate(CHANNEL, render(bundle, wire, HEADING).body)
            assert (found.hold is None) is bool(numbers), (letter, file, wire)
            assert {one.value for one in found.persons} == numbers
            assert all(field.reason for field in found.fields if field.fate is not Fate.MAPPED), (letter, wire)


def test_a_correction_names_the_letter_that_it_takes_back() -> None:
    bundle = next(bundle for letter, file, bundle in letters() if (letter, file) == ("correction", "whole file"))
    assert written(bundle, "hl7v2").get("TXA-13.1") == "0000000000000000000C"


# there and back


def results_of(bundle: Json) -> list[Json]:
    return [
        entry["resource"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] in {"Patient", "Observation", "DiagnosticReport"}
    ]


def leaves(value: Any, at: str = "") -> list[tuple[str, str]]:
    """Every value of a resource by its path without places."""
    if isinstance(value, dict):
        return [one for key, item in value.items() for one in leaves(item, f"{at}.{key}" if at else key)]
    if isinstance(value, list):
        return [one for item in value for one in leaves(item, at)]
    return [(at, str(value))]


def said(resource: Json) -> Counter[tuple[str, str]]:
    kept = {key: value for key, value in resource.items() if key not in {"id", "subject", "result"}}
    return Counter((path, value) for path, value in leaves(kept))


def explained(path: str) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in LOST)


def there_and_back(source: bytes) -> list[tuple[Json, Json]]:
    """Each result of a message beside what becomes of it when it is written as HL7 v2 and read again."""
    first = translate(CHANNEL, source)
    again = translate(CHANNEL, render(first.bundle, "hl7v2-oru", HEADING).body)
    one, other = results_of(first.bundle), results_of(again.bundle)
    letter = [each for each in other if each["resourceType"] != "DiagnosticReport" or not of_the_letter(each)]
    other = [each for each in letter if not (each["resourceType"] == "Observation" and of_the_text(each))]
    for kind in ("Patient", "Observation", "DiagnosticReport"):
        assert [each["resourceType"] for each in one].count(kind) == [each["resourceType"] for each in other].count(
            kind
        )
    order = ("Patient", "DiagnosticReport", "Observation")
    return list(
        zip(*(sorted(each, key=lambda r: order.index(r["resourceType"])) for each in (one, other)), strict=True)
    )


def of_the_letter(report: Json) -> bool:
    return any(each.get("value") == HEADING.delivery_id for each in report.get("identifier", ()))


def of_the_text(observation: Json) -> bool:
    systems = {each.get("system", "") for each in observation["code"].get("coding", ())}
    return systems == {"https://throughgate.example/code/l"}


EVERY_TYPE = (Path(__file__).parent / "every_type.hl7").read_bytes()
"""Every kind of value that an OBX has, and a person with two names, three numbers and a letter in no code page."""


def sources() -> list[tuple[str, bytes]]:
    found = [(path.name, path.read_bytes()) for path in golden_pairs.sources()]
    results = [(name, body) for name, body in found if body.split(b"|", 9)[8].startswith(b"ORU^R01")]
    return [*results, ("every type", EVERY_TYPE)]


def test_results_come_back_and_what_is_lost_is_said() -> None:
    compared = 0
    for source, body in sources():
        for before, after in there_and_back(body):
            lost = [leaf_ for leaf_ in said(before) - said(after) if not explained(leaf_[0])]
            made = [leaf_ for leaf_ in said(after) - said(before) if not explained(leaf_[0])]
            if before.get("status") == "unknown":
                # no code of HL7 says so; "not verified" comes back as what is not final either
                lost.remove(("status", "unknown"))
                made.remove(("status", after["status"]))
                assert after["status"] in {"preliminary", "partial"}
            assert not lost, (source, name_of(before), lost)
            assert not made, (source, name_of(before), made)
            compared += 1
    assert compared >= 29


def person_there_and_back(source: bytes) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """What is lost of the person of a message, and what is made of them, on the way to HL7 v2 and back."""
    first = translate(CHANNEL, source)
    again = translate(CHANNEL, render(first.bundle, "hl7v2-oru", HEADING).body)
    before, after = (
        next(said(each) for each in results_of(one.bundle) if each["resourceType"] == "Patient")
        for one in (first, again)
    )
    return before - after, after - before


def test_the_person_of_every_event_comes_back_and_what_is_lost_is_said() -> None:
    """Nothing is made that the message did not say: a doctor's number came back as an organisation's."""
    lost: set[str] = set()
    for source in golden_pairs.sources():
        gone, made = person_there_and_back(source.read_bytes())
        assert not [path for path, _ in made if not explained(path)], source.stem
        lost |= {path for path, _ in gone if not explained(path)}
    assert {path for path in lost if not any(path.startswith(name) for name in LOST_OF_A_PERSON)} == set()
    assert [name for name in LOST_OF_A_PERSON if not any(path.startswith(name) for path in lost)] == []


def test_a_doctor_is_no_organisation() -> None:
    """Sabotage in one: the same number as that of a practice is another person."""
    source = next(each for each in golden_pairs.sources() if each.stem == "adt_a01").read_bytes()
    assert b"~G1234567^Example^Gina" in source
    first = translate(CHANNEL, source)
    message = parse(render(first.bundle, "hl7v2-oru", HEADING).body)
    assert message.get("PD1-3.3") == "B86001"
    assert message.get("PD1-4.1") == "G1234567"


def test_a_digit_that_is_lost_is_found() -> None:
    """Sabotage: another number, unit or word of a result is a difference."""
    before, after = next(pair for _, body in sources() for pair in there_and_back(body) if "valueQuantity" in pair[0])
    changed = deepcopy(after)
    changed["valueQuantity"]["value"] += 1
    assert said(before)["valueQuantity.value", str(before["valueQuantity"]["value"])]
    assert [one for one in said(before) - said(changed) if not explained(one[0])]


# hostile text


HOSTILE = st.text(st.characters(blacklist_categories=()), max_size=40) | st.sampled_from(
    [
        "\rPID|1||X",
        "\nOBX|1",
        "\x1c\r\x0bMSH|^~\\&|",
        '""',
        "\\X0D\\",
        "a|b^c~d&e\\f",
        "\\.br\\",
        "\u2028",
        "\ud800",
        "\\",
    ]
)


@given(HOSTILE)
def test_no_value_ends_a_field_a_segment_or_a_frame(text: str) -> None:
    raw = leaf(text)
    assert not set(raw) & set("\r\n\x0b\x0c\x1c|^~&\x85\u2028\u2029")
    message = parse(b"MSH|^~\\&|||||||||||||||UNICODE UTF-8\rZZZ|" + raw.encode() + b"|end\r")
    assert message.get("ZZZ-2") == "end"
    assert (message.get("ZZZ-1") or "") == "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)


@settings(max_examples=40)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_letter_gets_a_segment_from_what_it_holds(family: str, words: str, note: str) -> None:
    _, _, bundle = next(one for one in letters() if one[:2] == ("handover", "whole file"))
    planted = deepcopy(bundle)
    for entry in planted["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            resource["name"] = [{"family": family, "given": [words]}]
            resource["address"] = [{"line": [note, words], "city": family}]
        if resource["resourceType"] == "Observation":
            resource["code"] = {"text": words}
            resource["note"] = [{"text": note}]
            resource["valueString"] = family
    for wire in V2:
        body = render(planted, wire, HEADING).body
        names = [each.split("|")[0] for each in body.decode().split("\r")]
        assert names == [each.name for each in parse(body).segments] + [""]
        assert names == [str(each[0]) for each in hl7.parse(body.decode())] + [""]
        plain = [each.split("|")[0] for each in render(bundle, wire, HEADING).body.decode().split("\r")]
        assert [n for n in names if n != "NTE"] == [n for n in plain if n != "NTE"]


@pytest.mark.parametrize(
    ("fhir", "v2"),
    [
        ("2026", "2026"),
        ("2026-01", "202601"),
        ("2026-01-15", "20260115"),
        ("2026-01-15T08:05:00+01:00", "20260115080500+0100"),
        ("2026-01-15T12:00:01.000000Z", "20260115120001.0000+0000"),
        ("2026-02-30", ""),
        ("2026-01-15T25:00:00Z", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_a_time_is_as_precise_as_it_was(fhir: str, v2: str) -> None:
    assert timestamp(fhir) == v2


# golden


def golden() -> dict[str, bytes]:
    found = {letter: bundle for letter, file, bundle in letters() if file == "whole file"}
    return {
        "handover": render(found["handover"], "hl7v2", HEADING).body,
        "handover-oru": render(found["handover"], "hl7v2-oru", HEADING).body,
        "prescription-copy": render(found["prescription-copy"], "hl7v2", HEADING).body,
        "correction": render(found["correction"], "hl7v2", HEADING).body,
    }


def test_the_message_is_as_agreed_byte_for_byte() -> None:
    made = golden()
    assert {path.stem for path in GOLDEN.glob("*.hl7")} == set(made)
    for name, body in made.items():
        assert body == (GOLDEN / f"{name}.hl7").read_bytes(), name


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for golden_name, golden_body in golden().items():
        (GOLDEN / f"{golden_name}.hl7").write_bytes(golden_body)
