"""Referral: a person in custody is referred to a community provider, and what it has to know to take them (specification A 5.8; BaRS in style).

The ServiceRequest of one message, who asks and whom, and the medicines, last dose, risks, conditions, allergies, plan and appointments of the
file. An update takes the place of what was told; what was taken back says so and holds nothing clinical. It MUST NOT start care by itself, nor
name a use case of Booking and Referral: none of them is one of prisons.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles import facts
from fhir_profiles.content_events import referrals
from fhir_profiles.elements import as_object, as_objects, as_text, name_of, of_type, referenced
from fhir_profiles.letters import handover
from fhir_profiles.letters.parts import release_plan, selection
from fhir_profiles.letters.parts.carried import at_place, carried, write_carried
from fhir_profiles.letters.parts.document import marked
from fhir_profiles.letters.parts.identity import CONTACT, WHO, reachable, who
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import referral
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.referrals import is_taken_back, reason_of
from fhir_profiles.shapes import Event, Json
from fhir_profiles.systems import BARS_REASON

TITLE: Final = "Referral from prison to a community provider"
_SAYS: Final = {
    "new": "A new referral. Tell the sending service whether you take it.",
    "update": "An update: it takes the place of the referral of the same number that was sent before.",
    "delete": "Sent in error: there is no such referral. Mark it as withdrawn in your record, and do not delete it.",
}
_AS_A_HANDOVER: Final = frozenset({"named-nurse", "recovery-coordinator", "communication-needs", "pregnancy"})
"""What a referral names as missing in the words of the handover: who is responsible (R092), how to speak with the person (R056), a pregnancy."""
_REVOKED: Final = "The referral of this number is taken back. Book nothing because of it, and end nothing that was begun without asking."


def requests(picture: Picture) -> tuple[Json, ...]:
    """The referral that caused this letter, also where it was sent in error: then the letter says so, and is no new one."""
    focus = frozenset(picture.context.focus)
    errors = (each for each in of_type(picture.sent_in_error, "ServiceRequest") if name_of(each) in focus)
    return tuple(map(referral.build, (*carried(picture, "ServiceRequest"), *errors)))


def causes(brought: Sequence[Json], before: Sequence[Json]) -> tuple[Json, ...]:
    """What refers somebody. INVARIANT: what is taken back and never stood goes to nobody: its end would tell of the person."""
    stood = {name_of(each) for each in referrals(before) if not is_taken_back(each)}
    return tuple(each for each in referrals(brought) if not is_taken_back(each) or name_of(each) in stood)


def _with_it(picture: Picture, found: Sequence[Json]) -> tuple[Json, ...]:
    """What the provider needs beside the request: what it names as told with it, and the file's medicines, risks, plan and appointments.

    A report comes with its results: a test of which nobody says the result is worse than none.
    """
    named = {referenced(each) for request in found for each in as_objects(request.get("supportingInfo"))}
    reports = [each for each in picture.of("DiagnosticReport") if name_of(each) in named]
    named |= {referenced(each) for report in reports for each in as_objects(report.get("result"))}
    tests = {name_of(each) for each in picture.drug_tests}
    told = tuple(
        marked(each) if name_of(each) in tests else each
        for each in picture.of("Observation", "DiagnosticReport", "Condition", keep=lambda each: name_of(each) in named)
    )
    risks, pregnancy = release_plan.risks(picture), release_plan.pregnancy(picture)
    tracings, needs = release_plan.heart_tracings(picture), release_plan.communication_needs(picture)
    beside = {name_of(each) for each in (*risks, *pregnancy, *tracings, *needs)}
    return (
        *risks,
        *pregnancy,
        *selection.substitute_medication(picture),
        *selection.last_doses(picture),
        *release_plan.naloxone_given(picture),
        *selection.other_medication(picture),
        *selection.allergies(picture),
        *tracings,
        *release_plan.conditions(picture),
        *selection.care_plan(picture),
        *selection.appointments(picture),
        *release_plan.care_teams(picture),
        *needs,
        *(each for each in told if name_of(each) not in beside),
    )


def _asked_no_more(request: Json) -> Json:
    """A referral as whoever it does not ask any more is told of it. INVARIANT: they do not learn whom it asks now, nor what it says now."""
    kept = ("resourceType", "id", "meta", "identifier", "category", "subject", "intent")
    return {**{name: request[name] for name in kept if name in request}, "status": "revoked"}


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    found = requests(picture)
    if picture.context.taken_back:
        found = tuple(each if is_taken_back(each) else _asked_no_more(each) for each in found)
    back = bool(found) and all(map(is_taken_back, found))
    reason = reason_of(found[0], known=picture.context.told_before) if found else "new"
    says = _REVOKED if back and reason == "update" else _SAYS[reason]
    note, *rest = write_carried(
        picture,
        () if back else missing,
        letter=letter_concept("referral", TITLE),
        priority="urgent",
        said=(f"Referral from {at_place(picture)}. {says}",),
        about=found,
        beside=() if back else _with_it(picture, found),
        patient=who(picture.patient) if back else reachable(picture.patient),
    )
    return ({**note, "reasonCode": [{"coding": [{"system": BARS_REASON, "code": reason}]}]}, *rest)


LETTER: Final = LetterKind(
    name="referral",
    title=TITLE,
    events=(Event.REFERRAL,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        CONTACT,
        RequiredFact(
            name="referral",
            heading="Referral",
            text="The request is not in the file.",
            present=lambda p: bool(requests(p)),
        ),
        RequiredFact(
            name="requester",
            heading="Who refers",
            text="Who refers is not recorded.",
            present=lambda p: all(as_object(each.get("requester")) for each in requests(p)),
        ),
        RequiredFact(
            name="reason",
            heading="Reason",
            text="Why the person is referred is not recorded.",
            present=lambda p: all(
                as_objects(each.get("reasonCode")) or as_objects(each.get("reasonReference")) for each in requests(p)
            ),
        ),
        RequiredFact(
            name="written",
            heading="When it was written",
            text="When the referral was written is not recorded.",
            present=lambda p: all(as_text(each.get("authoredOn")) for each in requests(p)),
        ),
        RequiredFact(
            name="risk",
            heading="Risk",
            text="No risk flag is in the file. Ask: that is not a finding of no risk.",
            present=lambda p: bool(p.once(release_plan.risks)),
        ),
        RequiredFact(
            name="last-dose",
            heading="Last dose given",
            text="The person is in substitute treatment and no dose given is in the file. Ask before giving any dose.",
            present=lambda p: facts.last_dose(p.file, p.as_of) is not None or not selection.in_substitute_treatment(p),
        ),
        *(fact for fact in handover.REQUIRED if fact.name in _AS_A_HANDOVER),
        RequiredFact(
            name="release-address",
            heading="Release address",
            text="No release address is in the file.",
            present=lambda p: bool(facts.release_addresses(p.patient)),
        ),
    ),
    carries=causes,
    write=write,
)
