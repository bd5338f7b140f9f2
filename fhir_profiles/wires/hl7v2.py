"""The wires `hl7v2` and `hl7v2-oru`: a letter for a record system that speaks only HL7 v2.5.1.

`hl7v2` is an MDM^T02: one document, its text under its headings. `hl7v2-oru` is an ORU^R01: the text as the first
order, then every result of the letter in codes, for a system that files results and nothing else.

INVARIANT: it is never an order, a prescription or an admission (OMP, RDE, RDS, ADT). Nothing prescribed stands in a field that a pharmacy
system would act on: it is in the text, behind the mark that it is no prescription, in front of everything else.
MSH-10 is the delivery id, the same at every attempt.
"""

from collections.abc import Iterator
from typing import Final

from fhir_profiles.elements import as_object, as_objects, as_text, kind
from fhir_profiles.shapes import Heading, Json, Rendered
from fhir_profiles.wires.envelope import DELIVERY_ID, entries_of
from fhir_profiles.wires.er7 import CHARSET, components, formatted, leaf, segment, timestamp
from fhir_profiles.wires.readable import Part, Readable, is_redacted, readable
from fhir_profiles.wires.sentences import Found
from fhir_profiles.wires.v2_person import pd1, pid
from fhir_profiles.wires.v2_results import results

CONTENT_TYPE: Final = "application/hl7-v2+er7"
VERSION: Final = "2.5.1"
APPLICATION: Final = "THROUGHGATE"


def render_document(bundle: Json, heading: Heading) -> Rendered:
    """Write an MDM^T02. Raises ValueError for what is no letter about a person."""
    found, patient, letter = _read(bundle, heading)
    body = (
        _msh(heading, "MDM^T02^MDM_T02"),
        segment("EVN", {1: "T02", 2: timestamp(heading.time)}),
        pid(patient),
        segment("PV1", {1: "1", 2: "N"}),
        _txa(found, letter, heading),
        *(_obx(number, part) for number, part in enumerate(_parts(letter), start=1)),
    )
    return _rendered(body)


def render_results(bundle: Json, heading: Heading) -> Rendered:
    """Write an ORU^R01. Raises ValueError for what is no letter about a person."""
    found, patient, letter = _read(bundle, heading)
    status = "P" if _is_provisional(found) else "F"
    order = {1: "1", 3: components(heading.delivery_id, APPLICATION), 4: components(letter.name, letter.title, "L")}
    body = (
        _msh(heading, "ORU^R01^ORU_R01"),
        pid(patient),
        *filter(None, (pd1(patient, found),)),
        segment("PV1", {1: "1", 2: "N"}),
        segment("OBR", {**order, 7: timestamp(heading.time), 22: timestamp(heading.time), 25: status}),
        *(_obx(number, part) for number, part in enumerate(_parts(letter), start=1)),
        *results(found),
    )
    return _rendered(body)


def _read(bundle: Json, heading: Heading) -> tuple[Found, Json, Readable]:
    entries = entries_of(bundle, heading)
    found = {entry["fullUrl"]: entry["resource"] for entry in entries}
    letter = readable(entries, heading, redacted=is_redacted(bundle))
    patient = next((each for each in found.values() if kind(each) == "Patient"), None)
    if not letter.is_about_a_person:
        raise ValueError("hl7v2: this is no letter about a person")
    # a letter that lost its Patient still leaves, and its reader asks who it is
    return found, patient or {}, letter


def _rendered(segments: tuple[str, ...]) -> Rendered:
    body = "".join(f"{each}\r" for each in segments).encode()
    return Rendered(content_type=CONTENT_TYPE, body=body, text=body)


def _msh(heading: Heading, kind_of_message: str) -> str:
    """MSH-15 asks for the accept acknowledgement alone; a receiver of the original mode answers it by AA."""
    fields = {
        2: leaf(APPLICATION),
        3: leaf(heading.sender_ods),
        4: leaf(heading.destination_name),
        5: leaf(heading.destination_ods),
        6: timestamp(heading.time),
        8: kind_of_message,
        9: heading.delivery_id,
        10: "P",
        11: VERSION,
        14: "AL",
        15: "NE",
        16: "GBR",
        17: CHARSET,
    }
    return segment("MSH", {1: "^~\\&", **fields})


def _txa(found: Found, letter: Readable, heading: Heading) -> str:
    written = timestamp(heading.time)
    return segment(
        "TXA",
        {
            1: "1",
            2: components(letter.name, letter.title, "L"),
            3: "FT",
            4: written,
            6: written,
            12: components(heading.delivery_id, APPLICATION),
            13: components(_earlier(found), APPLICATION) if _earlier(found) else "",
            17: "IN" if _is_provisional(found) else "DO",
            18: "R",
            19: "AV",
        },
    )


def _earlier(found: Found) -> str:
    """Give the delivery id of the letter that this one is about: a correction names what it takes back."""
    for resource in found.values():
        for about in as_objects(resource.get("about")) if kind(resource) == "Communication" else ():
            identifier = as_object(about.get("identifier"))
            if identifier.get("system") == DELIVERY_ID:
                return as_text(identifier.get("value"))
    return ""


def _is_provisional(found: Found) -> bool:
    return any(kind(each) == "Composition" and each.get("status") == "preliminary" for each in found.values())


def _parts(letter: Readable) -> Iterator[Part]:
    """The title, behind the mark where there is one, then what the letter holds."""
    lines = (letter.mark, letter.title) if letter.mark else (letter.title,)
    yield Part(code="title", heading="Title", lines=lines)
    yield from letter.parts


def _obx(number: int, part: Part) -> str:
    """Write one heading and its lines; the heading stands in the text too, for a reader that shows nothing else."""
    title = () if part.code == "title" else (part.heading,)
    return segment(
        "OBX",
        {
            1: str(number),
            2: "FT",
            3: components(part.code, part.heading, "L"),
            4: str(number),
            5: formatted((*title, *part.lines)),
            11: "F",
        },
    )
