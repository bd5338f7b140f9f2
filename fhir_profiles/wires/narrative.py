"""The narrative of a document: XHTML made from what is left of the letter when it is rendered.

INVARIANT: text is made after minimisation and from the minimised data only, so that nothing which was taken out can hide in it. Whatever
narrative the letter carries is replaced. Every character from the data is escaped; there is no attribute, image or style in it.
"""

import re
from html import escape
from typing import Final

from fhir_profiles.elements import as_objects, as_text, kind
from fhir_profiles.shapes import Json
from fhir_profiles.wires.one_line import one_line
from fhir_profiles.wires.readable import Say, say_of, section_lines
from fhir_profiles.wires.sentences import Found

XHTML: Final = "http://www.w3.org/1999/xhtml"
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Escape for XHTML; a character that XML cannot hold becomes U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", text), quote=True)


def _div(section: Json, found: Found, say: Say) -> str:
    title = as_text(section.get("title"))
    heading = f"<p><b>{escaped(one_line(title))}</b></p>" if title else ""
    listed = "".join(f"<li>{escaped(line)}</li>" for line in section_lines(section, found, say))
    return f'<div xmlns="{XHTML}">{heading}<ul>{listed}</ul></div>'


def _with_text(section: Json, found: Found, say: Say) -> Json:
    """Copy a section with its narrative after its code, where R4 has it, and so with its sub-sections."""
    copy = {key: value for key, value in section.items() if key not in {"text", "entry", "emptyReason", "section"}}
    copy["text"] = {"status": "generated", "div": _div(section, found, say)}
    for member in ("entry", "emptyReason"):
        if member in section:
            copy[member] = section[member]
    inner = as_objects(section.get("section"))
    if inner:
        copy["section"] = [_with_text(item, found, say) for item in inner]
    return copy


def with_narrative(composition: Json, found: Found) -> Json:
    """Copy a Composition with the narrative of each section made from `found` (fullUrl -> resource of the same letter)."""
    copy = {key: value for key, value in composition.items() if key != "text"}
    if as_objects(composition.get("section")):
        say = say_of(composition)
        copy["section"] = [_with_text(section, found, say) for section in as_objects(composition.get("section"))]
    return copy


def narrated(entries: tuple[Json, ...]) -> tuple[Json, ...]:
    """Copy the entries of a letter with the narrative of its Composition; everything else stays as it is."""
    found = {entry["fullUrl"]: entry["resource"] for entry in entries}
    return tuple(
        {**entry, "resource": with_narrative(entry["resource"], found)}
        if kind(entry["resource"]) == "Composition"
        else entry
        for entry in entries
    )
