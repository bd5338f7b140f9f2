"""What a handover picks from the file. Each pick says what it takes and what it leaves; it must never change what it takes."""

from collections.abc import Callable
from typing import Final

from fhir_profiles import facts
from fhir_profiles.care_plans import is_substance_misuse_plan
from fhir_profiles.days import days_of, on_or_before
from fhir_profiles.drug_tests import is_mandatory
from fhir_profiles.elements import as_object, as_objects, as_text, codings, identifier_value, name_of, referenced
from fhir_profiles.in_force import NOT_ORDERED, span_of
from fhir_profiles.letters.parts.labels_of_ours import NORMAL
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.medicines import Contents, contents_of, is_substitute
from fhir_profiles.shapes import Json
from fhir_profiles.systems import ODS
from fhir_profiles.terminology import record_items

ENDED_LATELY_DAYS: Final = 28
"""Substitute medication that ended in these days before the release is told, so that nobody takes its end for an omission."""
_SCORES: Final = frozenset({"survey", "social-history"})


def _stands(resource: Json, picture: Picture) -> bool:
    """In force, or written to begin later: a supply for the days after the release is what it is about."""
    return facts.current(resource, picture.as_of) or facts.begins_later(resource, picture.as_of)


def substitute_prescriptions(picture: Picture) -> tuple[Json, ...]:
    return picture.of("MedicationRequest", keep=lambda r: is_substitute(r, picture.file) and _stands(r, picture))


def substitute_medication(picture: Picture) -> tuple[Json, ...]:
    """What is prescribed, and what somebody says is taken: often it is known from outside by words alone."""
    return picture.of(
        "MedicationRequest",
        "MedicationStatement",
        keep=lambda r: is_substitute(r, picture.file) and _stands(r, picture),
    )


def other_medication(picture: Picture) -> tuple[Json, ...]:
    return picture.of(
        "MedicationRequest",
        "MedicationStatement",
        keep=lambda r: not is_substitute(r, picture.file) and _stands(r, picture),
    )


def prescriptions_of_today(picture: Picture) -> tuple[Json, ...]:
    """Prescriptions of substitute medication that are in force, for certain or perhaps: of two a reader has to know how they go together."""
    return tuple(
        each
        for each in substitute_prescriptions(picture)
        if facts.current(each, picture.as_of) and as_text(each.get("status")) != "on-hold"
    )


def ended_substitute_medication(picture: Picture) -> tuple[Json, ...]:
    """Substitute medication that ended in the last 28 days, or on a day that nobody wrote down; never what was only proposed."""
    return _ended_lately(picture, lambda contents: contents.substitute)


def ended_other_medication(picture: Picture) -> tuple[Json, ...]:
    """What else ended lately that treats dependence or that a drug test finds: a detoxification, a benzodiazepine, a gabapentinoid.

    Who reads only that it is not current starts it anew at the old dose, or does not see why somebody has a fit.
    """
    return _ended_lately(picture, lambda held: not held.substitute and (held.treats or bool(held.explains)))


def _ended_lately(picture: Picture, keep: Callable[[Contents], bool]) -> tuple[Json, ...]:
    today = days_of(picture.as_of)
    since = today.plus(-ENDED_LATELY_DAYS) if today is not None else None

    def lately(request: Json) -> bool:
        if not keep(contents_of(request, picture.file)) or facts.current(request, picture.as_of):
            return False
        span = span_of(request)
        # a cancelled order is told, so that nobody looks for it
        if span.never and (span.status != "cancelled" or as_text(request.get("intent")) in NOT_ORDERED):
            return False
        return on_or_before(span.start, today) is not False and on_or_before(since, span.end) is not False

    return picture.of("MedicationRequest", "MedicationStatement", keep=lately)


def last_dose(picture: Picture) -> tuple[Json, ...]:
    """The last injection that may still act, every dose of substitute medication of the day of the last one, and what may have been in part."""
    return facts.doses_to_tell(picture.file, picture.as_of)


def last_dose_may_be_lost(picture: Picture) -> bool:
    return any(facts.may_be_lost(each, picture.file) for each in picture.once(last_dose))


def dose_is_recent(picture: Picture) -> bool:
    """Say whether there are no three whole days without a dose on record, or none is to be expected."""
    return not in_substitute_treatment(picture) or not facts.without_a_dose_for_days(picture.file, picture.as_of)


def dose_of_the_day(picture: Picture) -> bool:
    """Say whether a dose of the day of what happened is recorded, an injection still acts, or no dose is to be expected."""
    if not in_substitute_treatment(picture) or facts.last_depot_dose(picture.file, picture.as_of) is not None:
        return True
    dose = facts.last_administration(picture.file, picture.as_of)
    day = days_of(picture.context.occurred or picture.as_of)
    given = days_of(facts.given_at(dose)) if dose is not None else None
    return given is not None and given == day


def last_doses(picture: Picture) -> tuple[Json, ...]:
    """The last dose, what was seen of its not being kept down, and after it each that was not given, with why.

    Whoever restarts treatment has to know how many days there was none.
    """
    doses = last_dose(picture)
    seen = {name_of(each): each for dose in doses for each in facts.seen_lost(dose, picture.file)}
    return (*doses, *seen.values(), *facts.doses_not_given(picture.file, picture.as_of, ENDED_LATELY_DAYS))


def in_substitute_treatment(picture: Picture) -> bool:
    """Say whether a last dose is to be expected: substitute medication stands, or ended lately."""
    treated = facts.on_substitute_medication(picture.file, picture.as_of)
    return treated or bool(ended_substitute_medication(picture))


def risk_flags(picture: Picture) -> tuple[Json, ...]:
    """Every flag that has not been ended. They are never left out."""
    return picture.of("Flag", keep=lambda flag: as_text(flag.get("status")) != "inactive")


def care_plan(picture: Picture) -> tuple[Json, ...]:
    """The one care plan: active before anything else, of substance misuse before any other, the latest of those."""

    def rank(plan: Json) -> tuple[bool, bool, str]:
        began = as_text(as_object(plan.get("period")).get("start"))
        latest = max(as_text(plan.get("created")), began)
        return as_text(plan.get("status")) == "active", is_substance_misuse_plan(plan, picture.file), latest

    plans = picture.of("CarePlan", keep=lambda plan: as_text(plan.get("status")) in {"active", "on-hold", "unknown"})
    return tuple(sorted(plans, key=rank)[-1:])


def drug_test_reports(picture: Picture) -> tuple[Json, ...]:
    """The reports all of whose results are drug tests of this letter."""
    tests = {name_of(test) for test in picture.drug_tests}

    def about_tests(report: Json) -> bool:
        results = {referenced(result) for result in as_objects(report.get("result"))}
        return bool(results) and results <= tests and not is_mandatory(report)

    return picture.of("DiagnosticReport", keep=about_tests)


def drug_tests_and_reports(picture: Picture) -> tuple[Json, ...]:
    return (*picture.drug_tests, *drug_test_reports(picture))


def scores(picture: Picture) -> tuple[Json, ...]:
    """Assessment scores and social history: the Observations that are no drug test and whose category or code says so."""
    tests = {name_of(test) for test in picture.drug_tests}

    def is_score(observation: Json) -> bool:
        categories = {as_text(coding.get("code")) for coding in codings(observation.get("category"))}
        named = "assessment-score" in record_items(as_object(observation.get("code")))
        return name_of(observation) not in tests and (named or bool(categories & _SCORES))

    return picture.of("Observation", keep=is_score)


def allergies(picture: Picture) -> tuple[Json, ...]:
    return picture.of("AllergyIntolerance")


def conditions(picture: Picture) -> tuple[Json, ...]:
    return picture.of("Condition")


def appointments(picture: Picture) -> tuple[Json, ...]:
    """Appointments that stand and are not over."""
    today = days_of(picture.as_of)

    def ahead(appointment: Json) -> bool:
        standing = as_text(appointment.get("status")) not in {"cancelled", "noshow", "fulfilled"}
        return standing and on_or_before(today, days_of(appointment.get("start"))) is not False

    return picture.of("Appointment", keep=ahead)


def general_practice(picture: Picture) -> tuple[Json, ...]:
    """The general practice as an Organization, from Patient.generalPractitioner; nothing when the file names none, or several."""
    code = facts.gp_practice(picture.file)
    if code is None:
        return ()
    display = next(
        (as_text(r.get("display")) for r in as_objects(picture.patient.get("generalPractitioner")) if r.get("display")),
        "",
    )
    return (organisation(picture, code, made="gp-practice", display=display),)


def organisation(picture: Picture, code: str, *, made: str, display: str = "") -> Json:
    """The Organization of an ODS code: the file's own, else one that says no more than the code and what it is called."""
    for known in picture.of("Organization"):
        if identifier_value(known.get("identifier"), ODS).upper() == code:
            return known
    written: Json = {"resourceType": "Organization", "id": made, "meta": NORMAL}
    written["identifier"] = [{"system": ODS, "value": code}]
    return {**written, "name": display} if display else written
