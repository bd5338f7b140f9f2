"""What becomes of every shared example of BaRS, PDS, UK Core and HMPPS: a committed table. `python -m tests.fhir_profiles.mappings.example_table`
writes it again.

A row is a folder and what an example is: how many are released, held and rejected (by the reading alone: nobody is on record), the fields in
their field ledgers, and how many of a hundred were mapped or minimised. The examples break their own rules: most say by no valid number whom they
are about, and are held. Their fields are counted as they fare once a number of the range for tests stands there; `put_right` is that and no more.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from fhir_profiles import systems
from fhir_profiles.file_types import SUBJECTS
from fhir_profiles.hmpps import is_event
from fhir_profiles.identifiers import nhs_number_is_valid
from fhir_profiles.peek import peek
from fhir_profiles.shapes import Channel, Fate, Field, HoldCode, Refusal
from fhir_profiles.translate import translate
from tests.samples import samples_folder

Json = dict[str, Any]
TABLE = Path(__file__).parent / "example_table.csv"
FOLDERS = ("bars-examples", "hmpps-events", "pds-examples", "ukcore-examples")
COLUMNS = ("folder", "event", "released", "held", "rejected", "fields", "carried_percent")
CARRIED = frozenset({Fate.MAPPED, Fate.MINIMISED})
NUMBER = {"system": systems.NHS_NUMBER, "value": "9990000018"}


def examples(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Folder, what it is, and bytes of every example; what is no JSON object is named by its suffix."""
    for name in FOLDERS:
        for path in sorted((folder / "examples" / name).rglob("*")):
            if path.is_file() and path.name != "MANIFEST.tsv":
                body = path.read_bytes()
                yield name, name_of(body) or f"a {path.suffix} file", body


def content_of(body: bytes) -> Json:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def name_of(body: bytes) -> str:
    content = content_of(body)
    kind = str(content.get("resourceType", ""))
    if kind == "Bundle":
        header = content["entry"][0].get("resource", {}) if content.get("entry") else {}
        return str(header.get("eventCoding", {}).get("code") or f"Bundle {content.get('type')}")
    if kind:
        return kind
    if not is_event(content):
        return "JSON of another kind" if content else ""
    inner = json.loads(content["Message"]) if "Message" in content else content
    return str(inner.get("eventType", "an event without a type"))


def channel(body: bytes) -> Channel:
    return Channel(name="samples", format="fhir" if body.lstrip().startswith((b"{", b"[")) else "hl7v2")


def put_right(content: Json) -> Json:
    """The same example, about somebody: a valid number where the Patient, or the reference to one, has none."""
    right = deepcopy(content)
    entries = right.get("entry")
    resources = [entry["resource"] for entry in entries] if isinstance(entries, list) else [right]
    patients = [one for one in resources if one.get("resourceType") == "Patient"]
    for patient in patients:
        numbers = [each for each in patient.get("identifier", ()) if each.get("system") == systems.NHS_NUMBER]
        for each in numbers:
            if not nhs_number_is_valid(str(each.get("value", ""))):
                each["value"] = NUMBER["value"]
        if not numbers:
            patient.setdefault("identifier", []).append(dict(NUMBER))
    for one in resources if not patients else ():
        subject = one.get(SUBJECTS.get(str(one.get("resourceType")), ""))
        if isinstance(subject, dict):
            subject["identifier"] = dict(NUMBER)
    return right


def leaves(value: Any, place: str) -> Iterator[str]:
    """Every value that is not empty, written as the field ledger writes a place: a second walk, which knows nothing of the product's."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{place}[{number}]")
    elif value not in (None, ""):
        yield place


def places(body: bytes) -> list[str]:
    """The places of one example that can be read."""
    content = content_of(body)
    if "resourceType" in content:
        return list(leaves(content, content["resourceType"]))
    if "Message" not in content:
        return list(leaves(content, ""))
    around = {key: item for key, item in content.items() if key != "Message"}
    return [*leaves(json.loads(content["Message"]), ""), *leaves(around, "SNS")]


def fields_once_right(body: bytes) -> tuple[Field, ...]:
    """The field ledger of an example about whom it should be, without what putting it right added; none where it is no valid FHIR."""
    content = content_of(body)
    right = json.dumps(put_right(content)).encode() if "resourceType" in content else body
    own, translation = set(places(body)), translate(channel(right), right)
    if translation.hold is not None and translation.hold.code is HoldCode.UNREADABLE_CONTENT:
        return ()
    return tuple(field for field in translation.fields if field.source in own)


def measured(folder: Path) -> str:
    """The table of the examples in this folder, as CSV."""
    outcomes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    fates: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    for name, event, body in examples(folder):
        row = (name, event)
        if isinstance(peek(channel(body), body), Refusal):
            outcomes[row]["rejected"] += 1
            continue
        translation = translate(channel(body), body)
        outcomes[row]["held" if translation.hold is not None else "released"] += 1
        fates[row].update(field.fate in CARRIED for field in fields_once_right(body))
    lines = [",".join(COLUMNS)]
    for row, counts in sorted(outcomes.items()):
        total = fates[row].total()
        percent = f"{100 * fates[row][True] / total:.1f}" if total else ""
        numbers = [str(counts[outcome]) for outcome in ("released", "held", "rejected")]
        lines.append(",".join((*row, *numbers, str(total or ""), percent)))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(measured(samples_folder()), "utf-8")
