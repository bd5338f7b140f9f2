"""A letter for the person's own hands, on paper: its sections, what of a resource may be told to the person, and what the paper says of itself.

It MUST NOT hold a risk, a test, a diagnosis, a free note, anything of another person, or what its source marked as not to be told to the person.
INVARIANT: it advises on nothing that the handover does not say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fhir_profiles import facts
from fhir_profiles.elements import as_object, as_objects, as_text, kind, name_of, referenced
from fhir_profiles.letters.parts import release_plan, selection
from fhir_profiles.letters.parts.headings import Section, section_json
from fhir_profiles.letters.parts.identity import who
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.letters.parts.notice import ESTABLISHMENT, establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json
from fhir_profiles.systems import ACT_CODE, CONFIDENTIALITY
from fhir_profiles.terminology import record_items

_NOT_FOR_THE_PERSON: Final = frozenset({(ACT_CODE, "NOPAT"), (CONFIDENTIALITY, "V")})
"""Labels of a source: no disclosure to the patient without the clinician's word, and very restricted."""
_HEAD: Final = ("resourceType", "id", "meta", "status", "subject", "medicationCodeableConcept", "medicationReference")
_KEPT: Final = {
    "MedicationRequest": (*_HEAD, "intent", "doNotPerform", "dosageInstruction", "dispenseRequest"),
    "MedicationStatement": (*_HEAD, "effectiveDateTime", "effectivePeriod", "dosage"),
    "MedicationAdministration": (*_HEAD, "effectiveDateTime", "effectivePeriod", "dosage"),
    "MedicationDispense": (*_HEAD, "quantity", "whenHandedOver", "dosageInstruction"),
    "Observation": (*_HEAD, "code", "effectiveDateTime", "valueCodeableConcept", "valueString"),
    "Appointment": (*_HEAD, "start", "end", "participant"),
    "CareTeam": (*_HEAD, "participant", "telecom"),
    "Organization": ("resourceType", "id", "meta", "active", "identifier", "name", "telecom", "address"),
}
"""What of a resource is told; notes, reasons, free words about an appointment (a clinic says what it treats) and whoever wrote it are not."""
_TO_ASK: Final = frozenset(
    {
        release_plan.SPOC,
        release_plan.NAMED_NURSE,
        release_plan.RECOVERY_COORDINATOR,
        release_plan.TREATMENT_PROVIDER,
    }
)


def _may_be_told(resource: Json) -> bool:
    labels = as_objects(as_object(resource.get("meta")).get("security"))
    return not any((each.get("system"), each.get("code")) in _NOT_FOR_THE_PERSON for each in labels)


def _of_another(participant: Json, member: str) -> bool:
    """A relative of the person, who is nobody's to tell of."""
    who_it_is = as_object(participant.get(member))
    return "RelatedPerson" in {as_text(who_it_is.get("type")), referenced(who_it_is).split("/")[0]}


def _least(resource: Json) -> Json:
    kept = {key: resource[key] for key in _KEPT[kind(resource)] if key in resource}
    if kind(resource) == "Appointment":
        kept["participant"] = [each for each in as_objects(kept.get("participant")) if not _of_another(each, "actor")]
    return kept


def told_of(pick: Callable[[Picture], tuple[Json, ...]]) -> Callable[[Picture], tuple[Json, ...]]:
    """The same pick, of it what the person may be told."""
    return lambda picture: tuple(_least(each) for each in picture.once(pick) if _may_be_told(each))


def to_ask(picture: Picture) -> tuple[Json, ...]:
    """The care teams with whoever is named in them for a role that a person asks by."""
    found = []
    for team in release_plan.care_teams(picture):
        named = [
            each
            for each in as_objects(team.get("participant"))
            if record_items(as_objects(each.get("role"))) & _TO_ASK and not _of_another(each, "member")
        ]
        if named:
            found.append({**team, "participant": named})
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class PaperPart:
    """A section, its heading, and what stands under it when the file has nothing to tell; `fact` is the name of that gap, empty where none is one."""

    code: str
    title: str
    pick: Callable[[Picture], tuple[Json, ...]]
    empty: str
    fact: str = ""


ADVICE: Final = (
    "If you missed a dose, ask before you take more. Your body may not be used to it now.",
    "Two doses on one day can kill.",
    "If you feel unwell, ask for help at once. In danger, call 999.",
)
"""No more than what the handover and its agreement say: ask before any dose, tolerance is lost within days, a double dose can kill."""


SICK: Final = "It is written down that you may not have kept your last dose down. Ask before you take more."


MORE_THAN_ONE: Final = (
    "More than one treatment medicine is on this paper. Ask which you take now, and do not take both till you know."
)


def _stand_together(picture: Picture, medicines: Callable[[Picture], tuple[Json, ...]]) -> bool:
    """INVARIANT: two that stand, of which the one may take the place of the other, are not read as two to take: that is twice the dose."""
    today = {name_of(each) for each in selection.prescriptions_of_today(picture)}
    return sum(name_of(each) in today and _may_be_told(each) for each in picture.once(medicines)) > 1


def _may_be_lost(picture: Picture) -> bool:
    """INVARIANT: a dose, or what was seen after it, that the person may not be told of says nothing here either."""
    told = tuple(filter(_may_be_told, picture.file))
    return any(facts.may_be_lost(each, told) for each in picture.once(selection.last_dose) if _may_be_told(each))


@dataclass(frozen=True, kw_only=True)
class PaperWords:
    """What a paper says of itself, in the words of where the person is when they read it."""

    place: str
    """Where the health team is that wrote it, when its name is not known."""
    first: tuple[str, ...] = ()
    unsure: str
    late: str
    medicines: Callable[[Picture], tuple[Json, ...]]
    """What stands under "Your treatment medicine"."""
    advice: tuple[str, ...] = ADVICE
    wrong: str

    def said(self, picture: Picture) -> tuple[str, ...]:
        context = picture.context
        place = context.establishment_name or context.establishment or self.place
        return (
            f"This paper is yours. It is from the health team at {place}.",
            *self.first,
            *((self.unsure,) if context.provisional else ()),
            *((self.late,) if context.not_contained else ()),
            *((MORE_THAN_ONE,) if _stand_together(picture, self.medicines) else ()),
            *((SICK,) if _may_be_lost(picture) else ()),
            *self.advice,
            f"{self.wrong} You can ask to see all that we hold about you.",
        )


def paper(
    name: str,
    *,
    title: str,
    happened: str,
    events: tuple[Event, ...],
    compose: Callable[..., Json],
    parts: tuple[PaperPart, ...],
    words: PaperWords,
) -> LetterKind:
    """State the letter of a paper. `happened` is what it is about in words, `compose` writes its Composition."""

    def write(picture: Picture, _missing: Missing) -> tuple[Json, ...]:
        letter = letter_concept(name, title)
        return _written(picture, letter=letter, compose=compose, event=happened, parts=parts, said=words.said(picture))

    return LetterKind(
        name=name,
        title=title,
        events=events,
        wires=("fhir-document",),
        whole_picture=True,
        required=tuple(_fact_of(part) for part in parts if part.fact),
        write=write,
    )


def _written(
    picture: Picture,
    *,
    letter: Json,
    compose: Callable[..., Json],
    event: str,
    parts: tuple[PaperPart, ...],
    said: tuple[str, ...],
) -> tuple[Json, ...]:
    """Write the Composition, who it is about, then what the sections hold. What is missing is said under its own heading."""
    note = notice(picture, letter=letter, priority="urgent", sentences=said, labels=RESTRICTED)
    sections = [Section(code="handover-details", title="Read this first", entries=(name_of(note),))]
    told: dict[str, Json] = {}
    for part in parts:
        picked = picture.once(part.pick)
        told |= {name_of(each): each for each in picked}
        names = tuple(map(name_of, picked))
        sections.append(Section(code=part.code, title=part.title, entries=names, empty=part.empty))
    sections.append(
        Section(code="contact-for-further-information", title="The number to call", entries=(ESTABLISHMENT,))
    )
    composition = compose(
        kind=letter,
        title=as_text(letter.get("text")),
        provisional=picture.context.provisional,
        date=picture.as_of,
        subject=name_of(picture.patient),
        author=ESTABLISHMENT,
        event={"code": [{"text": event}]},
        sections=tuple(map(section_json, sections)),
    )
    return ({**composition, "meta": RESTRICTED}, note, who(picture.patient), *told.values(), establishment(picture))


def _fact_of(part: PaperPart) -> RequiredFact:
    return RequiredFact(
        name=part.fact, heading=part.title, text=part.empty, present=lambda picture: bool(picture.once(part.pick))
    )
