"""Rendering: envelopes, ids, references and narrative, byte for byte the same, and nothing that is not in the letter."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fhir_profiles.compose import compose, compose_report
from fhir_profiles.fhir_json import decode, encode
from fhir_profiles.letters.parts.spec import AS_TEXT
from fhir_profiles.render import WIRES, render
from fhir_profiles.shapes import Json, ReportCell, ReportFigures
from fhir_profiles.systems import ACT_CODE
from fhir_profiles.terminology import SUBSTANCE_GROUPS
from fhir_profiles.wires.envelope import derived_uuid
from fhir_profiles.wires.narrative import escaped
from fhir_profiles.wires.one_line import one_line
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    FIGURES,
    HEADING,
    care_plan,
    dose,
    drug_test,
    flag,
    patient,
    prescription,
    whole_file,
)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LETTER_AND_WIRE = [
    ("handover", "fhir-document"),
    ("handover", "fhir-message"),
    ("handover", "fhir-collection"),
    ("prescription-copy", "fhir-message"),
    ("prescription-copy", "fhir-collection"),
    ("correction", "fhir-message"),
    ("report", "fhir-collection"),
]


def letter(name: str, file: list[Json] | None = None) -> Json:
    if name == "report":
        return compose_report(FIGURES).bundle
    return compose(name, whole_file() if file is None else file, CONTEXT, AS_OF).bundle


def rendered(name: str, wire: str, file: list[Json] | None = None) -> Json:
    return decode(render(letter(name, file), wire, HEADING).body)


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []


def divs(bundle: Json) -> str:
    return " ".join(re.findall(r"<div.*?</div>", encode(bundle).decode()))


@pytest.mark.parametrize(("name", "wire"), LETTER_AND_WIRE)
def test_every_reference_leads_to_an_entry(name: str, wire: str) -> None:
    bundle = rendered(name, wire)
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    assert all(UUID.fullmatch(url.removeprefix("urn:uuid:")) for url in urls)
    assert references(bundle)
    assert set(references(bundle)) <= set(urls)


@pytest.mark.parametrize(("name", "wire"), LETTER_AND_WIRE)
def test_the_same_inputs_give_the_same_bytes(name: str, wire: str) -> None:
    assert render(letter(name), wire, HEADING) == render(letter(name), wire, HEADING)


def test_the_bytes_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "import hashlib\n"
        "from tests.fhir_profiles.letters.files import *\n"
        "from fhir_profiles.compose import compose\n"
        "from fhir_profiles.render import render\n"
        "body = render(compose('handover', whole_file(), CONTEXT, AS_OF).bundle, 'fhir-document', HEADING).body\n"
        "print(hashlib.sha256(body).hexdigest())\n"
    )
    root = Path(__file__).resolve().parents[3]
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_the_envelope_is_named_by_the_delivery_id_and_by_nothing_else() -> None:
    bundle = rendered("handover", "fhir-document")
    assert bundle["id"] == derived_uuid(HEADING.delivery_id, "bundle")
    assert bundle["identifier"] == {"system": "https://throughgate.example/id/delivery", "value": HEADING.delivery_id}
    other = decode(render(letter("handover"), "fhir-document", replace(HEADING, delivery_id="X" * 20)).body)
    assert other["id"] != bundle["id"]
    assert UUID.fullmatch(bundle["id"])


def test_a_document_begins_with_its_composition_and_has_a_time() -> None:
    bundle = rendered("handover", "fhir-document")
    assert bundle["type"] == "document"
    assert bundle["timestamp"] == HEADING.time
    assert bundle["entry"][0]["resource"]["resourceType"] == "Composition"


def test_a_message_begins_with_a_header_of_ours() -> None:
    bundle = rendered("prescription-copy", "fhir-message")
    header = bundle["entry"][0]["resource"]
    assert bundle["type"] == "message"
    assert header["eventCoding"] == {
        "system": "https://throughgate.example/code/message-event",
        "code": "prescription-copy",
    }
    assert header["destination"][0]["endpoint"] == HEADING.destination_endpoint
    assert header["destination"][0]["receiver"]["identifier"]["value"] == HEADING.destination_ods
    assert header["sender"]["identifier"]["value"] == HEADING.sender_ods
    kinds = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert {kinds[focus["reference"]] for focus in header["focus"]} == {
        "Communication",
        "MedicationRequest",
        "MedicationAdministration",
    }


def test_no_letter_looks_like_an_electronic_prescription() -> None:
    for name, wire in LETTER_AND_WIRE:
        text = render(letter(name), wire, HEADING).body.decode()
        assert "prescription-order" not in text
        assert "https://fhir.nhs.uk/CodeSystem/message-event" not in text


def test_a_letter_for_a_mailbox_still_has_its_endpoints() -> None:
    heading = replace(HEADING, destination_endpoint="", sender_endpoint="", destination_ods="", sender_ods="")
    header = decode(render(letter("correction"), "fhir-message", heading).body)["entry"][0]["resource"]
    assert header["destination"][0]["endpoint"] == "https://throughgate.example/mailbox"
    assert header["source"]["endpoint"] == "https://throughgate.example/gateway"
    assert header["sender"] == {"display": HEADING.sender_name}


def test_a_report_tells_no_time_but_its_month() -> None:
    body = render(letter("report"), "fhir-collection", HEADING).body.decode()
    assert "timestamp" not in body
    assert HEADING.time not in body
    assert set(re.findall(r"\d{4}-\d{2}(?!\d)(?:-\d{2})?", re.sub(UUID, "", body))) == {"2026-01"}


def test_unknown_wires_and_letters_that_do_not_fit_are_errors_of_the_caller() -> None:
    assert {"fhir-collection", "fhir-document", "fhir-message", *AS_TEXT} == WIRES
    with pytest.raises(ValueError, match="no wire named fax"):
        render(letter("handover"), "fax", HEADING)
    with pytest.raises(ValueError, match="no Composition"):
        render(letter("correction"), "fhir-document", HEADING)


def test_numbers_keep_their_digits() -> None:
    """In data as they came; in words for a reader, and in HL7 v2 (whose NM has no exponent), never as a power of ten."""
    texts = {
        "40.0": "40.0",
        "40.00": "40.00",
        "0.10": "0.10",
        "40": "40",
        "1E+2": "100",
        "7.50e0": "7.50",
        "2.50E-1": "0.250",
    }
    for text, read in texts.items():
        amount = decode(f'{{"amount":{text}}}'.encode())["amount"]
        file = [
            patient(),
            prescription(),
            dose(amount=amount),
            drug_test(valueQuantity={"value": amount, "unit": "ml"}),
        ]
        body = render(letter("handover", file), "fhir-document", HEADING).body
        assert f'"value":{text}'.encode() in body.replace(b" ", b"")
        assert f"; {read} ml".encode() in body
        for wire in ("hl7v2", "hl7v2-oru"):
            written = render(letter("handover", file), wire, HEADING).body
            assert f"; {read} ml".encode() in written
            assert text == read or text.encode() not in written
        assert re.search(rf"\rOBX\|\d+\|NM\|[^\r]*\|{re.escape(read)}\|ml", written.decode())


HOSTILE = [
    "</div><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; & \" ' <!-- -->",
    "]]><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;",
    "null \x00 bell \x07 escape \x1b",
    "\ufffe\uffff",
    "\u202eright to left",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_in_the_narrative(text: str) -> None:
    file = [
        patient(),
        flag(code={"text": text}),
        care_plan(description=text),
        prescription(text=text),
        drug_test(note=[{"text": text}]),
    ]
    bundle = rendered("handover", "fhir-document", file)
    for section in bundle["entry"][0]["resource"]["section"]:
        root = ET.fromstring(section["text"]["div"])  # it is well-formed XML
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"div", "p", "b", "ul", "li"}
        assert all(not element.attrib for element in root.iter())
    shown = " ".join(
        "".join(ET.fromstring(s["text"]["div"]).itertext()) for s in bundle["entry"][0]["resource"]["section"]
    )
    assert re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd]", "\ufffd", one_line(text)) in shown


def test_escaping_can_fail() -> None:
    assert escaped("<&>\"'\x00") == "&lt;&amp;&gt;&quot;&#x27;\ufffd"
    with pytest.raises(ET.ParseError):
        ET.fromstring("<li>" + HOSTILE[0] + "</li>")


def test_text_is_made_from_what_is_left_and_narrative_that_came_along_is_replaced() -> None:
    bundle = letter("handover")
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Composition":
            resource["section"] = [
                {**section, "text": {"status": "additional", "div": "<div>canary</div>"}}
                for section in resource["section"]
            ]
        if resource["resourceType"] == "MedicationRequest":
            resource.pop("dosageInstruction", None)
    left = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != "Flag"]
    written = decode(render({**bundle, "entry": left}, "fhir-document", HEADING).body)
    assert "canary" not in divs(written)
    assert "40 ml once a day" not in divs(written)
    assert "self-harm" not in divs(written)
    risk = written["entry"][0]["resource"]["section"][1]
    assert risk["title"] == "Risk"
    assert "Nothing is left under this heading" in risk["text"]["div"]
    assert "entry" not in risk


def test_the_narrative_says_what_matters() -> None:
    text = divs(rendered("handover", "fhir-document"))
    for words in (
        "Risk of self-harm: ACCT open",
        "Methadone 1mg/ml oral solution; 40.00 ml; given 2026-01-15T08:05:00+00:00; supervised",
        "as written: 40 ml once a day, supervised",
        "opiates: positive; presumptive, not a confirmatory result; purpose: therapeutic",
        "methadone: positive; confirmatory result; purpose: therapeutic",
        "Penicillin",
        "Opioid dependence",
        "first appointment",
        "phone 0113 496 0000",
    ):
        assert words in text


def test_ids_that_are_uuids_stay_and_labels_are_not_added() -> None:
    own = "11111111-2222-8333-8444-555555555555"
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"urn:uuid:{own}", "resource": {**patient(), "id": own}},
            {"resource": {**flag(), "id": own[:-1] + "6", "subject": {"reference": f"urn:uuid:{own}"}}},
        ],
    }
    written = decode(render(bundle, "fhir-collection", HEADING).body)
    assert [entry["fullUrl"] for entry in written["entry"]] == [f"urn:uuid:{own}", f"urn:uuid:{own[:-1]}6"]
    assert written["entry"][1]["resource"]["subject"] == {"reference": f"urn:uuid:{own}"}
    assert ACT_CODE not in encode(written).decode()


def test_every_report_has_the_same_length() -> None:
    """Whatever its cells say; and it is read as if nothing stood behind it."""
    bodies = []
    for tested, shown in (("not shown", "not shown"), ("10", "not seen"), ("385", "seen")):
        cells = tuple(ReportCell(group=group, tested=tested, shown=shown) for group in SUBSTANCE_GROUPS)
        figures = ReportFigures(establishment="ZFG", establishment_name="HMP Fellgate", period="2026-01", cells=cells)
        bundle = compose_report(figures).bundle
        bodies.append(render(bundle, "fhir-collection", HEADING).body)
        assert decode(bodies[-1])["resourceType"] == "Bundle"
    assert len({len(body) for body in bodies}) == 1
    assert len({body.rstrip() for body in bodies}) == len(bodies)
