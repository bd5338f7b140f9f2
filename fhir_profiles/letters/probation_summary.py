"""Probation summary: that a substance misuse plan exists and how it stands, who goes on with it outside, and when the first appointment there is.

For release planning (specification A 5.4, 5.8; R054, R084, R109), where the person agreed. What the plan says, whether somebody came, a medicine, a
result, a diagnosis and an appointment with anybody else MUST NOT be in it. INVARIANT: what it does not tell starts none, or its coming would tell it.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.care_plans import is_substance_misuse_plan
from fhir_profiles.days import days_of, on_or_before
from fhir_profiles.elements import (
    as_object,
    as_objects,
    as_text,
    find,
    identifier_value,
    kind,
    name_of,
    of_type,
    referenced,
)
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.letters.parts import release_plan
from fhir_profiles.letters.parts.carried import at_place, write_carried
from fhir_profiles.letters.parts.identity import CONTACT
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.letters.parts.picture import Picture, picture_of
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import probation_summary as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json, LetterContext
from fhir_profiles.systems import ODS

TITLE: Final = "Resettlement summary for probation"
_OVER: Final = frozenset({"cancelled", "noshow", "fulfilled"})
_PLAN: Final = ("resourceType", "id", "meta", "status", "intent", "period", "subject")
_APPOINTMENT: Final = ("resourceType", "id", "meta", "status", "start", "end")
_PROVIDER: Final = ("resourceType", "id", "meta", "active", "identifier", "name", "telecom", "address")
_CHANGES: Final = ("CareTeam", "Consent")
"""What is never told, and says whom or whether to tell of."""
_NO_PLACE: Final = LetterContext(establishment="", establishment_name="")


def _least(resource: Json, kept: tuple[str, ...]) -> Json:
    return {key: resource[key] for key in kept if key in resource}


def plan(picture: Picture) -> tuple[Json, ...]:
    """The one substance misuse plan, the active one before any other, then the latest; of it that it exists, and since when."""

    def rank(each: Json) -> tuple[bool, str]:
        began = as_text(as_object(each.get("period")).get("start"))
        return as_text(each.get("status")) == "active", max(as_text(each.get("created")), began)

    plans = picture.of(
        "CarePlan",
        keep=lambda each: as_text(each.get("status")) != "draft" and is_substance_misuse_plan(each, picture.file),
    )
    return tuple(_least(each, _PLAN) for each in sorted(plans, key=rank)[-1:])


def provider(picture: Picture) -> tuple[Json, ...]:
    """The organisations that go on with the treatment outside. A name in words alone may be a person's: it is named as missing."""
    return tuple(_least(each, _PROVIDER) for each in of_type(release_plan.treatment_provider(picture), "Organization"))


def appointments(picture: Picture) -> tuple[Json, ...]:
    """The appointments with that provider which stand: when, and with whom, and not what for. INVARIANT: with nobody else."""
    found = []
    for each in picture.of("Appointment", keep=lambda one: as_text(one.get("status")) not in _OVER):
        actors = [as_object(one.get("actor")) for one in as_objects(each.get("participant"))]
        named = [one for one in provider(picture) if any(_is_of(actor, one, picture) for actor in actors)]
        if named:
            # Of what it is for nothing is left: a label by its words stays, and without one it says what the plan says.
            labelled = as_objects(as_object(each.get("meta")).get("security"))
            with_whom = [{"display": as_text(one["name"])} for one in named if as_text(one.get("name"))]
            # INVARIANT: R4 asks for an answer of each; nobody's is told, and none is made up: the person may have declined.
            who = [{"actor": one, "status": "needs-action"} for one in ({"reference": PATIENT_REFERENCE}, *with_whom)]
            found.append(
                {**_least(each, _APPOINTMENT), **({} if labelled else {"meta": RESTRICTED}), "participant": who}
            )
    return tuple(found)


def _called(actor: Json) -> str:
    return as_text(actor.get("display")).strip().casefold()


def _is_of(actor: Json, organisation: Json, picture: Picture) -> bool:
    """Is this participant the organisation, by its code or its whole name, or a role or a place of it? R4 lets an appointment refer to no other."""
    code = identifier_value([as_object(actor.get("identifier"))], ODS)
    if code:
        return code == identifier_value(organisation.get("identifier"), ODS)
    held = find(picture.file, actor)
    if held is not None:
        owner = as_object(held.get("organization")) or as_object(held.get("managingOrganization"))
        return referenced(owner) == name_of(organisation)
    return bool(_called(actor)) and _called(actor) == _called({"display": organisation.get("name")})


def ahead(picture: Picture) -> tuple[Json, ...]:
    """Those that are not over."""
    today = days_of(picture.as_of)
    return tuple(each for each in appointments(picture) if on_or_before(today, days_of(each.get("start"))) is not False)


def causes(brought: Sequence[Json], before: Sequence[Json]) -> tuple[Json, ...]:
    """What came of all this, where it changes what is told, or says that the person agreed; nothing where there is and was no plan to tell of."""
    file = {name_of(each): each for each in (*before, *brought) if kind(each) != "Consent"}
    now, earlier = (_told(picture_of(tuple(each), _NO_PLACE, "")) for each in (file.values(), before))
    agreed = any(as_text(each.get("status")) == "active" for each in of_type(brought, "Consent"))
    if not any(kind(each) == "CarePlan" for each in (*now, *earlier)) or not (agreed or now != earlier):
        return ()
    told = {name_of(each) for each in (*now, *earlier)}
    return tuple(each for each in brought if name_of(each) in told or kind(each) in _CHANGES)


def _told(picture: Picture) -> tuple[Json, ...]:
    return (*plan(picture), *provider(picture), *appointments(picture))


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    about = (*plan(picture), *ahead(picture))
    written = write_carried(
        picture,
        missing,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="routine",
        said=(
            f"From the substance misuse service at {at_place(picture)}, because the person agreed that probation is told this.",
        ),
        always=(profile.USE, profile.SILENCE),
        about=about,
        beside=provider(picture),
    )
    note, *others = written
    return (profile.build(note, tuple(map(name_of, about))), *others)


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.CARE_PLAN, Event.COMMUNITY_RECORD, Event.CONSENT, Event.CONTACT, Event.RECORD),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        CONTACT,
        RequiredFact(
            name="plan",
            heading="Plan",
            text="No substance misuse plan is in the file.",
            present=lambda p: bool(plan(p)),
        ),
        RequiredFact(
            name="provider",
            heading="Provider after release",
            text="No organisation outside is recorded as the provider.",
            present=lambda p: bool(provider(p)),
        ),
        RequiredFact(
            name="appointment",
            heading="First appointment",
            text="No appointment with that provider that is still to come is in the file.",
            present=lambda p: bool(ahead(p)),
        ),
    ),
    carries=causes,
    write=write,
)
