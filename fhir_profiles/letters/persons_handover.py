"""The person's own copy of the handover on release: their medicine, last dose, pharmacy, appointment and whom to ask (R090, flow F6).

For the person's hands, on paper: the desk that prints it gives it to them. It MUST NOT hold a risk, a test, a diagnosis, a free note, anything of
another person, or what its source marked as not to be told to the person. INVARIANT: it advises on nothing that the handover does not say.
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
from fhir_profiles.profiles import persons_handover_composition as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json
from fhir_profiles.systems import ACT_CODE, CONFIDENTIALITY
from fhir_profiles.terminology import record_items

TITLE: Final = "Your paper for leaving prison"
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
    "Organization": ("resourceType", "id", "meta", "identifier", "name", "telecom", "address"),
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


def _may_betold_of(resource: Json) -> bool:
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
    return lambda picture: tuple(_least(each) for each in picture.once(pick) if _may_betold_of(each))


def _in_prison(picture: Picture) -> tuple[Json, ...]:
    return tuple(r for r in selection.substitute_medication(picture) if not facts.prescription_for_supply(r))


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


def _provider(picture: Picture) -> tuple[Json, ...]:
    """The organisations alone: a name in a team stands under whom to ask."""
    return tuple(each for each in release_plan.treatment_provider(picture) if kind(each) == "Organization")


@dataclass(frozen=True, kw_only=True)
class PaperPart:
    """A section, its heading, and what stands under it when the file has nothing to tell; `fact` is the name of that gap."""

    code: str
    title: str
    pick: Callable[[Picture], tuple[Json, ...]]
    empty: str
    fact: str


_PARTS: Final = (
    PaperPart(
        code="active-medications",
        title="Your treatment medicine",
        pick=told_of(release_plan.medicine_after_release),
        empty="We know of no medicine for you to get outside. Ask us today.",
        fact="medicine-after-release",
    ),
    PaperPart(
        code="treatments-and-interventions",
        title="The last dose you had",
        pick=told_of(selection.last_dose),
        empty="No last dose is written down. Ask before you take one.",
        fact="last-dose",
    ),
    PaperPart(
        code="community-pharmacy",
        title="Your pharmacy",
        pick=told_of(release_plan.community_pharmacy),
        empty="We do not know your pharmacy. Ask us where to go.",
        fact="community-pharmacy",
    ),
    PaperPart(
        code="appointment",
        title="Where to go next",
        pick=told_of(selection.appointments),
        empty="We have no time and place for you. Ask us today.",
        fact="appointment",
    ),
    PaperPart(
        code="treatment-provider",
        title="Who helps you outside",
        pick=told_of(_provider),
        empty="We do not know who helps you outside. Ask us today.",
        fact="treatment-provider",
    ),
    PaperPart(
        code="care-team",
        title="Who to ask",
        pick=told_of(to_ask),
        empty="No one is named here. Ask at the number below.",
        fact="care-team",
    ),
    PaperPart(
        code="general-practitioner-practice",
        title="Your doctor",
        pick=told_of(selection.general_practice),
        empty="We do not know your doctor. Ask us how to find one.",
        fact="general-practice",
    ),
    PaperPart(
        code="naloxone",
        title="Naloxone to take home",
        pick=told_of(release_plan.naloxone),
        empty="We do not know if you have it. Ask us for it.",
        fact="naloxone",
    ),
    PaperPart(
        code="active-medications",
        title="Your treatment medicine in prison",
        pick=told_of(_in_prison),
        empty="No more is written down.",
        fact="medicine-in-prison",
    ),
    PaperPart(
        code="active-medications",
        title="Your other medicines",
        pick=told_of(release_plan.other_medication),
        empty="No more is written down.",
        fact="other-medicines",
    ),
)
"""The sections in the order in which a person needs them on the day."""
_MAY_BE_NONE: Final = frozenset({"medicine-in-prison", "other-medicines"})
ADVICE: Final = (
    "If you missed a dose, ask before you take more. Your body may not be used to it now.",
    "Two doses on one day can kill.",
    "If you feel unwell, ask for help at once. In danger, call 999.",
)
"""No more than what the handover and its agreement say: ask before any dose, tolerance is lost within days, a double dose can kill."""


def sentences(picture: Picture) -> tuple[str, ...]:
    """What the paper says of itself, and what to do."""
    context = picture.context
    place = context.establishment_name or context.establishment or "the prison"
    said = [f"This paper is yours. It is from the health team at {place}."]
    if context.provisional:
        said.append("We were not told for sure that you leave now. Ask us if this is right.")
    if context.not_contained:
        said.append("Some news came late and is not on this paper. Ask us.")
    return (*said, *ADVICE, "If a thing here is wrong, tell us. You can ask to see all that we hold about you.")


def write(picture: Picture, _missing: Missing) -> tuple[Json, ...]:
    return paper(
        picture,
        letter=letter_concept("persons-handover", TITLE),
        compose=profile.build,
        title=TITLE,
        event="You leave prison",
        parts=_PARTS,
        said=sentences(picture),
    )


def paper(
    picture: Picture,
    *,
    letter: Json,
    compose: Callable[..., Json],
    title: str,
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
        title=title,
        provisional=picture.context.provisional,
        date=picture.as_of,
        subject=name_of(picture.patient),
        author=ESTABLISHMENT,
        event={"code": [{"text": event}]},
        sections=tuple(map(section_json, sections)),
    )
    return ({**composition, "meta": RESTRICTED}, note, who(picture.patient), *told.values(), establishment(picture))


def fact_of(part: PaperPart) -> RequiredFact:
    return RequiredFact(
        name=part.fact, heading=part.title, text=part.empty, present=lambda picture: bool(picture.once(part.pick))
    )


LETTER: Final = LetterKind(
    name="persons-handover",
    title=TITLE,
    events=(Event.RELEASE, Event.RELEASE_UNCLEAR),
    wires=("fhir-document",),
    whole_picture=True,
    required=tuple(fact_of(part) for part in _PARTS if part.fact not in _MAY_BE_NONE),
    write=write,
)
