"""A letter as a person reads it: a title, a mark, and lines under headings. The wires that carry text (hl7v2, pdf) are written from it.

INVARIANT: it is made from what is left of the letter after minimisation and from nothing else. It must never compute, round, explain or leave
out: what has no words of its own is named by its type.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codings, kind, referenced, words_of
from fhir_profiles.profiles.notice import LETTER_CODES
from fhir_profiles.profiles.prescription_copy import MARK
from fhir_profiles.shapes import Heading, Json
from fhir_profiles.wires.one_line import one_line
from fhir_profiles.wires.plain import PERSONS_OWN, in_plain_words, plain_sentence
from fhir_profiles.wires.sentences import (
    Found,
    address_line,
    names_in_order,
    person_name,
    sentence,
    with_clock_of_england,
)

BLANK: Final = "Nothing is left under this heading in this letter."
NOT_NAMED: Final = "letter"
"""The name of what does not say which letter it is: a report of counts."""
_HEADINGS: Final[Mapping[str, str]] = {
    "ServiceRequest": "Referral",
    "MedicationRequest": "Prescribed",
    "MedicationStatement": "Medicines that somebody reports",
    "MedicationAdministration": "Doses",
    "MedicationDispense": "Supplies",
    "Observation": "Results and observations",
    "DiagnosticReport": "Reports",
    "Appointment": "Appointments",
    "Encounter": "Contacts",
    "Communication": "Messages and calls",
    "Flag": "Risks",
    "QuestionnaireResponse": "Forms",
    "Condition": "Conditions",
    "AllergyIntolerance": "Allergies",
    "CarePlan": "Care plan",
    "Goal": "Goals",
    "CareTeam": "Who is responsible",
    "Practitioner": "People named in this letter",
    "PractitionerRole": "Roles of people named in this letter",
    "Organization": "Organisations named in this letter",
    "Medication": "Medicines named in this letter",
}
"""The heading of what a letter without sections holds, in the order in which a reader wants it; other types come after, under their own name."""
Say = Callable[[Json, Found], str]
"""One resource as one line."""
_IDENTIFIERS: Final = {systems.NHS_NUMBER: "NHS number", systems.PRISON_NUMBER: "Prison number"}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One heading and its lines, none of them empty."""

    code: str
    heading: str
    lines: tuple[str, ...]


WITHHELD: Final = Part(
    code="withheld",
    heading="Information not included",
    lines=("Items excluded due to confidentiality and/or patient preferences.",),
)
"""The words of the record standard, as in the section of a document; never what is left out, nor why."""


_NOT_LASTING: Final = frozenset({"old", "temp"})


@dataclass(frozen=True, kw_only=True)
class Readable:
    """`mark` stands on every page and in front of every text; empty for a letter that holds nothing prescribed.

    `own`: it is for the person's own hands.
    """

    name: str
    title: str
    mark: str
    parts: tuple[Part, ...]
    own: bool = False

    @property
    def is_about_a_person(self) -> bool:
        """Does it name its letter, or hold a person? It may have lost either, and still leaves: silence kills."""
        return self.name != NOT_NAMED or any(part.code == "person" for part in self.parts)


def is_redacted(bundle: Json) -> bool:
    """Say whether the letter is marked as one that something was left out of."""
    return any(each.get("code") == "REDACTED" for each in as_objects(as_object(bundle.get("meta")).get("security")))


def readable(entries: tuple[Json, ...], heading: Heading, *, redacted: bool) -> Readable:
    """Write a letter out. `entries` are those of `envelope.entries_of`, with references inside the letter; `redacted`: `is_redacted`."""
    found = {entry["fullUrl"]: entry["resource"] for entry in entries}
    resources = tuple(found.values())
    composition = next((each for each in resources if kind(each) == "Composition"), None)
    notice = next((each for each in resources if _letter(each.get("category"))), None)
    say = say_of(composition)
    body = tuple(_sections(composition, found, say) if composition is not None else _by_type(resources, notice, found))
    letter = _letter(as_object(composition).get("type")) or _letter(as_object(notice).get("category"))
    title = as_text(as_object(composition).get("title")) or words_of(as_object(notice).get("category")) or "Letter"
    # INVARIANT: whatever holds something prescribed says on every page that it is no prescription: paper is shown to a pharmacy.
    prescribed = any(kind(each) == "MedicationRequest" for each in resources)
    own = _is_own(composition)
    parts = (
        *_about(resources, found, "About you" if own else "The person"),
        *(() if _holds(body, notice, found, say) else _notice(notice)),
        *body,
        # INVARIANT: whoever reads nothing but the text knows that a list is not whole. A document says so in a section of its own.
        *((WITHHELD,) if redacted and composition is None else ()),
        _sent(heading, own=own),
    )
    return Readable(
        name=as_text(letter.get("code")) or NOT_NAMED,
        title=one_line(title),
        mark=MARK if prescribed else "",
        parts=tuple(_in_lines(each) for each in parts),
        own=own,
    )


def _in_lines(part: Part) -> Part:
    """INVARIANT: a line of a part is one line, and its heading is one, whatever stood in the values."""
    return Part(code=part.code, heading=one_line(part.heading), lines=tuple(map(one_line, part.lines)))


def say_of(composition: Json | None) -> Say:
    """Give the words of a letter: plain English where it is the person's own."""
    return plain_sentence if _is_own(composition) else sentence


def _is_own(composition: Json | None) -> bool:
    return _letter(as_object(composition).get("type")).get("code") in PERSONS_OWN


def section_lines(section: Json, found: Found, say: Say) -> tuple[str, ...]:
    """Give the lines of one section of a Composition: what it holds, else why that is nothing, else what stands below it."""
    resources = [found.get(referenced(entry)) for entry in as_objects(section.get("entry"))]
    items = [say(resource, found) for resource in resources if resource is not None]
    reason = as_text(as_object(section.get("emptyReason")).get("text"))
    subtitles = [as_text(inner.get("title")) for inner in as_objects(section.get("section"))]
    lines = items or ([reason] if reason else subtitles) or [BLANK]
    return tuple(one_line(line) for line in lines if line) or (BLANK,)


def _letter(concepts: object) -> Json:
    """Give the coding that says which letter this is."""
    found = (each for each in codings(concepts) if each.get("system") == LETTER_CODES and as_text(each.get("code")))
    return next(found, {})


def _sections(composition: Json, found: Found, say: Say) -> Iterator[Part]:
    for number, section in enumerate(as_objects(composition.get("section")), start=1):
        code = next((as_text(each.get("code")) for each in codings(section.get("code"))), f"section-{number}")
        yield Part(
            code=code or f"section-{number}",
            heading=as_text(section.get("title")) or words_of(section.get("code")) or "Section",
            lines=section_lines(section, found, say),
        )
        yield from _sections(section, found, say)


def _by_type(resources: tuple[Json, ...], notice: Json | None, found: Found) -> Iterator[Part]:
    types = dict.fromkeys((*_HEADINGS, *map(kind, resources)))
    for type_name in types:
        held = tuple(each for each in resources if kind(each) == type_name and each is not notice)
        if held and type_name != "Patient":
            lines = tuple(sentence(each, found) for each in held)
            yield Part(code=type_name.lower(), heading=_HEADINGS.get(type_name, type_name), lines=lines)


def _holds(parts: tuple[Part, ...], notice: Json | None, found: Found, say: Say) -> bool:
    """Say whether a section says what the notice says."""
    return notice is not None and any(one_line(say(notice, found)) in map(one_line, part.lines) for part in parts)


def _notice(notice: Json | None) -> Iterator[Part]:
    payload = as_objects(as_object(notice).get("payload"))
    lines = tuple(with_clock_of_england(text) for each in payload if (text := as_text(each.get("contentString"))))
    if lines and notice is not None:
        yield Part(code="notice", heading="What this letter says", lines=lines)


def _about(resources: tuple[Json, ...], found: Found, title: str) -> Iterator[Part]:
    for patient in resources:
        if kind(patient) == "Patient":
            yield Part(code="person", heading=title, lines=tuple(_person(patient, found)) or (BLANK,))


def _person(patient: Json, found: Found) -> Iterator[str]:
    for name in names_in_order(as_objects(patient.get("name"))):
        use = as_text(name.get("use"))
        yield from _said(f"Name{f' ({use})' if use not in {'', 'official', 'usual'} else ''}", person_name(name))
    yield from _said("Record", "not in use" if patient.get("active") is False else "")
    yield from _said("Date of birth", as_text(patient.get("birthDate")))
    yield from _said("Gender", as_text(patient.get("gender")))
    died = as_text(patient.get("deceasedDateTime"))
    yield from _said("Died", died or {True: "yes", False: "no"}.get(patient.get("deceasedBoolean", ""), ""))
    for identifier in as_objects(patient.get("identifier")):
        named = _IDENTIFIERS.get(as_text(identifier.get("system"))) or words_of(identifier.get("type")) or "Number"
        yield from _said(_of_use(named, identifier), as_text(identifier.get("value")))
    for address in as_objects(patient.get("address")):
        yield from _said(_of_use("Address", address), address_line(address))
    for contact in as_objects(patient.get("telecom")):
        named = as_text(contact.get("system")).capitalize() or "Contact"
        yield from _said(_of_use(named, contact), as_text(contact.get("value")))
    for spoken in as_objects(patient.get("communication")):
        yield from _said("Language", words_of(spoken.get("language")))
    for practice in as_objects(patient.get("generalPractitioner")):
        code = as_text(as_object(practice.get("identifier")).get("value"))
        named = as_text(practice.get("display")) or as_text(as_object(found.get(referenced(practice))).get("name"))
        yield from _said("General practice", ", ".join(each for each in (named, code) if each))


def _of_use(what: str, held: Json) -> str:
    """INVARIANT: what holds no more, or not for long, is not read as what holds (R4 marks `use` as a modifier)."""
    use = as_text(held.get("use"))
    return f"{what} ({use})" if use in _NOT_LASTING else what


def _said(what: str, value: str) -> Iterator[str]:
    if value:
        yield f"{what}: {value}"


def _sent(heading: Heading, *, own: bool) -> Part:
    to = f"To: {heading.destination_name}{f', {heading.destination_ods}' if heading.destination_ods else ''}"
    lines = (
        f"From: {heading.sender_name}{f', {heading.sender_ods}' if heading.sender_ods else ''}",
        *(() if own else (to,)),  # who prints it is not who it is for
        f"Written: {in_plain_words(heading.time) if own else _minute(heading.time)}",
        f"Letter number: {heading.delivery_id}",
    )
    return Part(code="letter", heading="This letter", lines=lines)


def _minute(time: str) -> str:
    """Write an instant to the minute; as it stands where it is not of our own clock."""
    return f"{time[:10]} {time[11:16]} UTC" if time.endswith("Z") else time
