"""What a release plan has to hold (specification A 5.8, R090) and the facts of a record that a handover asks by name. Picks, as selection.py.

The four parts of the plan: the local treatment provider, whom to ask in the prison, how the medicine goes on with which pharmacy, and other
primary care. It must never change what it takes, nor take a name for an answer: what nobody recorded is named as missing.
"""

from collections.abc import Callable, Iterator
from typing import Final

from fhir_profiles import facts
from fhir_profiles.days import days_of, on_or_before
from fhir_profiles.drug_tests import is_mandatory
from fhir_profiles.elements import as_object, as_objects, as_text, codings, find, kind, name_of, referenced
from fhir_profiles.label import label_resource
from fhir_profiles.letters.parts import selection
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.medicines import contents_of
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import record_items

NAMED_NURSE: Final = "named-nurse"
RECOVERY_COORDINATOR: Final = "recovery-coordinator"
SPOC: Final = "spoc"
TREATMENT_PROVIDER: Final = "treatment-provider"
ITEMS: Final = (
    "naloxone",
    "blood-borne-viruses",
    "smoking",
    "communication-need",
    "risk",
    "pregnancy",
    "heart-tracing",
    "liver-function",
)
"""What of the observations of a record has a heading of its own."""
_ENDED: Final = frozenset({"inactive", "proposed"})
_NOT_SUPPLIED: Final = frozenset({"stopped", "cancelled", "draft", "on-hold", "unknown", "not-taken"})


def care_teams(picture: Picture) -> tuple[Json, ...]:
    """The teams that have not ended, with whoever has not left: who is named nurse, recovery co-ordinator and single point of contact."""
    today = days_of(picture.as_of)

    def over(held: Json) -> bool:
        return on_or_before(today, days_of(as_object(held.get("period")).get("end"))) is False

    teams = picture.of("CareTeam", keep=lambda team: as_text(team.get("status")) not in _ENDED and not over(team))
    return tuple(_without(team, over) for team in teams)


def _without(team: Json, over: Callable[[Json], bool]) -> Json:
    """INVARIANT: who left a team is not asked: an agreement need not let the day out on which they left."""
    everybody = as_objects(team.get("participant"))
    still = [each for each in everybody if not over(each)]
    if len(still) == len(everybody):
        return team
    rest = {key: value for key, value in team.items() if key != "participant"}
    return {**rest, "participant": still} if still else rest


def in_role(role: str) -> Callable[[Picture], bool]:
    """Ask whether somebody is named in a role."""
    return lambda picture: any(_participants(picture, role))


def _participants(picture: Picture, role: str) -> Iterator[Json]:
    for team in care_teams(picture):
        for participant in as_objects(team.get("participant")):
            named = any(participant.get(member) for member in ("member", "onBehalfOf"))
            if named and role in record_items(as_objects(participant.get("role"))):
                yield participant


def treatment_provider(picture: Picture) -> tuple[Json, ...]:
    """Who goes on with the treatment outside: the organisations, else the teams in which somebody is only named for it."""
    named = tuple(_participants(picture, TREATMENT_PROVIDER))
    members = (find(picture.file, each.get(member)) for each in named for member in ("onBehalfOf", "member"))
    found = {name_of(each): each for each in members if each is not None and kind(each) == "Organization"}
    if found:
        return tuple(found.values())
    return tuple(team for team in care_teams(picture) if any(each in team.get("participant", ()) for each in named))


def medicine_after_release(picture: Picture) -> tuple[Json, ...]:
    """Prescriptions for supply outside that stand or begin later: how treatment goes on from the first day. None goes on by one that is on hold."""
    return tuple(r for r in for_supply(picture) if as_text(r.get("status")) != "on-hold")


def for_supply(picture: Picture) -> tuple[Json, ...]:
    return tuple(r for r in selection.substitute_prescriptions(picture) if facts.prescription_for_supply(r))


def continuation_known(picture: Picture) -> bool:
    """Say whether a prescription for outside is in the file that is active and more than a plan, or none is to be expected."""
    written = any(
        as_text(each.get("status")) == "active" and as_text(each.get("intent")) != "plan"
        for each in medicine_after_release(picture)
    )
    return written or not selection.in_substitute_treatment(picture)


def community_pharmacy(picture: Picture) -> tuple[Json, ...]:
    """The nominated pharmacy as an Organization; nothing when the file names none, or several."""
    code = facts.nominated_pharmacy(picture.file)
    return () if code is None else (selection.organisation(picture, code, made="community-pharmacy"),)


def naloxone(picture: Picture) -> tuple[Json, ...]:
    """What became of naloxone to take home: medicine that is nothing else, and what somebody wrote of it (supplied, declined)."""
    return (*naloxone_medicines(picture), *_observed(picture, "naloxone"))


def naloxone_medicines(picture: Picture) -> tuple[Json, ...]:
    """Naloxone that was supplied, or prescribed for outside, or is said to be taken along: never a dose that was given against an overdose."""
    return _naloxone(
        picture, "MedicationRequest", "MedicationStatement", "MedicationDispense", keep=facts.prescription_for_supply
    )


def naloxone_given(picture: Picture) -> tuple[Json, ...]:
    """Doses of naloxone: an overdose that was treated is a risk, and no kit to take home."""
    return _naloxone(picture, "MedicationAdministration")


def _naloxone(picture: Picture, *types: str, keep: Callable[[Json], bool] = bool) -> tuple[Json, ...]:
    return picture.of(*types, keep=lambda r: contents_of(r, picture.file).names == {"naloxone"} and keep(r))


def naloxone_known(picture: Picture) -> bool:
    """Say whether it is known what became of naloxone to take home: an order that was stopped does not say it."""
    return naloxone_medicine_known(picture) or bool(_observed(picture, "naloxone"))


def naloxone_medicine_known(picture: Picture) -> bool:
    return any(as_text(each.get("status")) not in _NOT_SUPPLIED for each in naloxone_medicines(picture))


def other_medication(picture: Picture) -> tuple[Json, ...]:
    """What else is taken, but naloxone, which has a heading of its own."""
    apart = {name_of(each) for each in naloxone_medicines(picture)}
    return tuple(each for each in selection.other_medication(picture) if name_of(each) not in apart)


def scores(picture: Picture) -> tuple[Json, ...]:
    """Assessment scores and social history that have no heading of their own."""
    apart = {name_of(each) for item in ITEMS for each in _observed(picture, item)}
    return tuple(each for each in selection.scores(picture) if name_of(each) not in apart)


def risks(picture: Picture) -> tuple[Json, ...]:
    """Every flag that has not been ended, and what somebody observed of a risk: a system without flags sends it as that (R075)."""
    return (*selection.risk_flags(picture), *_observed(picture, "risk"))


OVERDOSE_RISK: Final = (
    "High risk of overdose after release: opioid dependence is in the file, also if in remission, and no substitute medication is in force. "
    "See that the person has naloxone and advice."
)
WORKED_OUT: Final = "Worked out by the sending service from this file; nobody recorded it"
_NOT_HAD: Final = frozenset({"refuted", "entered-in-error"})


def risks_on_release(picture: Picture) -> tuple[Json, ...]:
    """The risks, and before them that of an overdose where the file shows it (R010)."""
    return (*_overdose_risk(picture), *risks(picture))


def _overdose_risk(picture: Picture) -> tuple[Json, ...]:
    """A flag of our own, labelled by its words: who keeps back what is about opioid dependence keeps it back as well."""

    def dependent(condition: Json) -> bool:
        sure = {as_text(each.get("code")) for each in codings(condition.get("verificationStatus"))}
        return "opioid-dependence" in record_items(condition.get("code") or {}) and not _NOT_HAD & sure

    if facts.on_substitute_medication(picture.file, picture.as_of) or not any(
        map(dependent, selection.conditions(picture))
    ):
        return ()
    flag: Json = {"resourceType": "Flag", "id": "overdose-risk", "status": "active", "category": [{"text": WORKED_OUT}]}
    return (
        label_resource({**flag, "code": {"text": OVERDOSE_RISK}, "subject": {"reference": name_of(picture.patient)}}),
    )


def pregnancy(picture: Picture) -> tuple[Json, ...]:
    """What is observed or diagnosed of a pregnancy: doses and who is told at once depend on it."""
    diagnosed = (each for each in selection.conditions(picture) if "pregnancy" in record_items(each.get("code") or {}))
    return (*diagnosed, *_latest_first(_observed(picture, "pregnancy")))


def may_be_pregnant(picture: Picture) -> bool:
    """Whose gender is not said may be."""
    return as_text(picture.patient.get("gender")) != "male"


def pregnancy_known(picture: Picture) -> bool:
    return bool(pregnancy(picture)) or not may_be_pregnant(picture)


def conditions(picture: Picture) -> tuple[Json, ...]:
    """Conditions, but a pregnancy, which has a heading of its own."""
    apart = {name_of(each) for each in pregnancy(picture)}
    return tuple(each for each in selection.conditions(picture) if name_of(each) not in apart)


def heart_tracings(picture: Picture) -> tuple[Json, ...]:
    """Heart tracings with their QT interval, and the reports of them: methadone lengthens it, and what is given beside it may."""
    return (*_latest_first(_observed(picture, "heart-tracing")), *_reports(picture, "heart-tracing"))


def heart_tracing_known(picture: Picture) -> bool:
    """Say whether a heart tracing is in the file, or none is to be expected: no methadone stands."""
    treated = any("methadone" in contents_of(r, picture.file).names for r in selection.substitute_medication(picture))
    return bool(heart_tracings(picture)) or not treated


def liver_function(picture: Picture) -> tuple[Json, ...]:
    return (*_latest_first(_observed(picture, "liver-function")), *_reports(picture, "liver-function"))


def _latest_first(observed: tuple[Json, ...]) -> tuple[Json, ...]:
    """INVARIANT: an old tracing is not the first that is read; one of no day comes last."""

    def day(each: Json) -> str:
        began = as_text(as_object(each.get("effectivePeriod")).get("start"))
        return as_text(each.get("effectiveDateTime")) or as_text(each.get("effectiveInstant")) or began

    return tuple(sorted(observed, key=day, reverse=True))


def _reports(picture: Picture, item: str) -> tuple[Json, ...]:
    """The reports that are named for an item and list nothing that the letter does not tell of it."""
    told = {name_of(each) for each in _observed(picture, item)}

    def about(report: Json) -> bool:
        results = {referenced(result) for result in as_objects(report.get("result"))}
        return item in record_items(as_object(report.get("code"))) and results <= told and not is_mandatory(report)

    return picture.of("DiagnosticReport", keep=about)


def blood_borne_viruses(picture: Picture) -> tuple[Json, ...]:
    return _observed(picture, "blood-borne-viruses")


def smoking(picture: Picture) -> tuple[Json, ...]:
    return _observed(picture, "smoking")


def communication_needs(picture: Picture) -> tuple[Json, ...]:
    """What somebody wrote of how to speak with the person; the language is in the Patient."""
    return _observed(picture, "communication-need")


def communication_known(picture: Picture) -> bool:
    return bool(communication_needs(picture)) or bool(as_objects(picture.patient.get("communication")))


def _observed(picture: Picture, item: str) -> tuple[Json, ...]:
    tests = {name_of(test) for test in picture.drug_tests}

    def about(observation: Json) -> bool:
        said = record_items(as_object(observation.get("code"))) | record_items(
            as_object(observation.get("valueCodeableConcept"))
        )
        return name_of(observation) not in tests and item in said

    return picture.of("Observation", keep=about)
