"""Clinical facts that the line needs from a person's file: was this result explained, what was the last dose, who is the pharmacy.

Pure and three-valued: what the file does not say is unknown, never assumed. It must never decide who may know.
The caller gives the whole current file (FHIR resources with internal ids); times are FHIR text with an offset.

Expected or unexpected (specification A 5.12, 5.13). A positive is *expected* when a prescription that was in force on the day of the test
contains a substance that explains the group (`in_force.py`, `medicines.py`). It is *unexpected* when every medicine that was in force is
known and none explains it. It is *unknown* when a medicine in force is not recognised, may explain it or not, or has dates that do not settle it.

Confirmation. A confirmatory result of a group replaces the screening results of the same group from the same specimen; where either names no
specimen, from the same day. Only a confirmatory result that found something out (positive or negative) does so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.care_plans import is_substance_misuse_plan
from fhir_profiles.days import Days, days_of, instant_of, on_or_before
from fhir_profiles.drug_tests import (
    HEROIN_MARKER,
    Assay,
    Purpose,
    Result,
    assays_of,
    establishment_of,
    reports_by_observation,
)
from fhir_profiles.elements import (
    as_object,
    as_objects,
    as_text,
    every_coding,
    find,
    identifier_value,
    in_error,
    name_of,
    of_type,
    well_formed,
    words_of,
)
from fhir_profiles.in_force import in_force, span_of
from fhir_profiles.medicines import (
    Contents,
    Same,
    contents_of,
    is_depot,
    is_substitute,
    medication_concepts,
    same_medicine,
)
from fhir_profiles.movements import place_of, stays_that_go_on
from fhir_profiles.shapes import Json
from fhir_profiles.supervision import lost_in_words, supervised_in_words
from fhir_profiles.terminology import SUBSTANCE_GROUPS, record_items

__all__ = [
    "SUBSTANCE_GROUPS",
    "LastDose",
    "Purpose",
    "Test",
    "expected",
    "gp_practice",
    "last_dose",
    "nominated_pharmacy",
]
__all__ += [
    "addresses_to_tell",
    "begins_later",
    "doses_in_doubt",
    "doses_to_tell",
    "establishments",
    "in_custody",
    "may_be_lost",
    "names_a_practice",
    "on_substitute_medication",
    "prescription_for_supply",
    "release_addresses",
    "release_postcode",
    "seen_lost",
    "supplying_pharmacy",
    "tests",
    "treatment_providers",
    "was_in_treatment",
    "without_a_dose_for_days",
]

SUPERVISED: Final = "supervised"
UNSUPERVISED: Final = "unsupervised"
_MEDICATION_TYPES: Final = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")
DIAMORPHINE: Final = "diamorphine"
_INPATIENT: Final = "inpatient"
_ENDED: Final = frozenset({"stopped", "completed", "ended"})
_IN_DOUBT: Final = frozenset({"stopped", "on-hold", "unknown"})
_NOT_GIVEN: Final = "not-done"
_KEPT_AFTER: Final = timedelta(hours=6)
"""A dose of the late evening is vomited on the next day."""
_DENIALS: Final = frozenset(
    {
        "no",
        "none",
        "nil",
        "absent",
        "negative",
        "never",
        "not present",
        "not seen",
        "not observed",
        "denied",
        "denies",
        "false",
        "n",
        "0",
    }
)
"""What an Observation of vomiting has as its value where there was none."""
_GIVEN: Final = frozenset({"completed", "in-progress"})
DEPOT_DAYS: Final = 56
"""A prolonged-release injection is told, and counts as treatment, for twice the longest time between two of them (a month): one may be late."""
RECENT_DOSE_DAYS: Final = 3
"""A dose of substitute medication in these days shows that the person is in treatment, whatever the prescriptions say."""


@dataclass(frozen=True, kw_only=True)
class Test:
    """One drug test of one substance group.

    `observation` is `Observation/<id>`, `taken` an ISO date (the day in London), `month` is `YYYY-MM`. `unexpected` is meant for
    the security report: positive and not explained; None when that cannot be known; a negative is never unexpected.
    `unexplained`: a positive would be unexpected, whatever the result was; of who is prescribed the substance none could be.
    """

    __test__ = False  # it is no test case of pytest, whatever its name

    observation: str
    group: str
    taken: str
    month: str
    purpose: Purpose
    result: Result
    unexpected: bool | None
    unexplained: bool | None
    in_intervention: bool
    establishment: str | None
    confirmatory: bool


@dataclass(frozen=True, kw_only=True)
class LastDose:
    """The last dose that was given. `given` is FHIR text as recorded; `amount` keeps its digits; None and "" mean: nobody wrote it down."""

    administration: str
    given: str
    medicine: str
    amount: Decimal | int | None
    unit: str
    text: str
    supervised: bool | None


class _Medicines:
    """The medicines of a file, each read once, and each day looked up once."""

    def __init__(self, resources: Sequence[Json]) -> None:
        self._rows = tuple((span_of(r), contents_of(r, resources)) for r in of_type(resources, *_MEDICATION_TYPES))
        self._days: dict[Days, tuple[tuple[bool | None, Contents], ...]] = {}

    def _on(self, day: Days) -> tuple[tuple[bool | None, Contents], ...]:
        """Give what was in force on a day, for certain or perhaps."""
        if day not in self._days:
            rows = ((span.covers(day), contents) for span, contents in self._rows)
            self._days[day] = tuple(row for row in rows if row[0] is not False)
        return self._days[day]

    def explain(self, group: str, analyte: str, day: Days) -> bool | None:
        """Say whether a positive of this group on this day is explained."""
        doubt = False
        for covered, contents in self._on(day):
            explains = group in contents.explains
            if analyte == HEROIN_MARKER:
                explains = explains and DIAMORPHINE in contents.names
            if explains and covered:
                return True
            doubt = doubt or explains or group in contents.may_explain or not contents.names
        return None if doubt else False

    def intervention(self, day: Days) -> bool:
        """Say whether a substance misuse medicine was in force on this day, for certain."""
        return any(contents.treats and covered is True for covered, contents in self._on(day))

    def substitute_prescribed(self, group: str, day: Days) -> bool:
        """Say whether substitute medication that this very group tests for was in force on this day, for certain."""
        return any(c.substitute and group in c.explains and covered is True for covered, c in self._on(day))


def _plan_active(resources: Sequence[Json], day: Days) -> bool:
    """Say whether a substance misuse care plan was active on this day; an active plan without dates is active."""
    for plan in of_type(resources, "CarePlan"):
        status = as_text(plan.get("status"))
        if (
            in_error(plan)
            or status not in {"active", "completed", "on-hold"}
            or not is_substance_misuse_plan(plan, resources)
        ):
            continue
        period = as_object(plan.get("period"))
        start, end = days_of(period.get("start")) or days_of(plan.get("created")), days_of(period.get("end"))
        begun = on_or_before(start, day) if start is not None else status == "active"
        lasts = on_or_before(day, end) if end is not None else status == "active"
        if begun and lasts:
            return True
    return False


def _superseded(assay: Assay, group: str, confirmed: Mapping[str, Sequence[Assay]]) -> bool:
    """Say whether a confirmatory result of the same group and specimen (or day) replaces this screening result."""
    if assay.confirmatory:
        return False
    for other in confirmed.get(group, ()):
        if assay.specimen and other.specimen:
            if assay.specimen == other.specimen:
                return True
        elif assay.days is not None and assay.days == other.days:
            return True
    return False


def _assays(resources: Sequence[Json]) -> Iterator[Assay]:
    reports = reports_by_observation(resources)
    for observation in of_type(resources, "Observation"):
        yield from assays_of(observation, reports.get(name_of(observation), ()))


def tests(resources: Sequence[Json]) -> tuple[Test, ...]:
    """Give the drug tests of a person's whole current file, in the order of the file.

    A test whose day is not known to the day belongs to no month and is left out, and so is a screening result that was confirmed or refuted.
    """
    file = well_formed(resources)
    found = tuple(_assays(file))
    if not found:
        return ()  # of a long history of medicines nothing is asked where nothing was tested
    confirmed: dict[str, list[Assay]] = {}
    for assay in found:
        if assay.confirmatory and assay.result != "unknown":
            for group in assay.groups:
                confirmed.setdefault(group, []).append(assay)
    medicines = _Medicines(file)
    return tuple(
        _test(assay, group, medicines, file)
        for assay in found
        for group in assay.groups
        if assay.days is not None and assay.days.first == assay.days.last and not _superseded(assay, group, confirmed)
    )


def establishments(resources: Sequence[Json]) -> frozenset[str]:
    """Give the establishments that the results of a file name, also those that were taken back and are no test any more."""
    named = (establishment_of(each) for each in of_type(well_formed(resources), "Observation", "DiagnosticReport"))
    return frozenset(place for place in named if place)


def _test(assay: Assay, group: str, medicines: _Medicines, file: Sequence[Json]) -> Test:
    assert assay.days is not None
    explained = medicines.explain(group, assay.analyte, assay.days)
    unexplained = None if explained is None else not explained
    unexpected = {"negative": False, "positive": unexplained}.get(assay.result)
    taken = assay.days.first.isoformat()
    return Test(
        observation=assay.observation,
        group=group,
        taken=taken,
        month=taken[:7],
        purpose=assay.purpose,
        result=assay.result,
        unexpected=unexpected,
        unexplained=unexplained,
        in_intervention=medicines.intervention(assay.days) or _plan_active(file, assay.days),
        establishment=assay.establishment,
        confirmatory=assay.confirmatory,
    )


def expected(observation: Json, resources: Sequence[Json]) -> bool | None:
    """Say whether a result was to be expected from what was prescribed on the day of the test.

    Positive: explained by a prescription in force. Negative: True, but False when substitute medication that this group tests for was
    in force (a sign for the prescriber, never for security). None: it cannot be known, or the Observation is no drug test with a result.
    """
    file = well_formed(resources)
    reports = reports_by_observation(file).get(name_of(observation), ())
    medicines = _Medicines(file)
    answers = [
        _expected(assay, group, medicines) for assay in assays_of(observation, reports) for group in assay.groups
    ]
    if not answers or None in answers:
        return None
    return all(answers)


def _expected(assay: Assay, group: str, medicines: _Medicines) -> bool | None:
    if assay.days is None or assay.result == "unknown":
        return None
    if assay.result == "negative":
        return not medicines.substitute_prescribed(group, assay.days)
    return medicines.explain(group, assay.analyte, assay.days)


def in_intervention(resources: Sequence[Json], day: str) -> bool:
    """Say whether the person was in a clinical intervention on a day: a substance misuse medicine or care plan, active for certain."""
    file = well_formed(resources)
    days = days_of(day)
    return days is not None and (_Medicines(file).intervention(days) or _plan_active(file, days))


def supervised(resource: Json) -> bool | None:
    """Say whether a dose was supervised: the local supervision code wherever a mapping put it, and the words of its dosage text.

    None when nobody wrote it, or when both are said.
    """
    said = {as_text(c.get("code")) for c in every_coding(resource) if c.get("system") == systems.SUPERVISION}
    for dosage in as_objects(resource.get("dosage")):
        answer = supervised_in_words(as_text(dosage.get("text")))
        said |= set() if answer is None else {SUPERVISED if answer else UNSUPERVISED}
    if said == {SUPERVISED}:
        return True
    return False if said == {UNSUPERVISED} else None


def given_at(administration: Json) -> str:
    """Give when a dose was given, as written: effectiveDateTime, else the end or the start of effectivePeriod."""
    period = as_object(administration.get("effectivePeriod"))
    for value in (administration.get("effectiveDateTime"), period.get("end"), period.get("start")):
        if instant_of(value) is not None:
            return as_text(value)
    return ""


def _was_given(administration: Json) -> bool:
    """INVARIANT: a dose of nothing was not given, whatever its status says: who takes it for the last dose gives the next too low, or too soon."""
    return as_text(administration.get("status")) in _GIVEN and not _is_of_nothing(administration)


def _is_of_nothing(administration: Json) -> bool:
    amount = as_object(as_object(administration.get("dosage")).get("dose")).get("value")
    return as_text(administration.get("status")) in _GIVEN and amount is not None and amount == 0


def last_administration(resources: Sequence[Json], as_of: str, request: Json | None = None) -> Json | None:
    """Give the MedicationAdministration of the last dose given up to `as_of`: of substitute medication, or of what `request` prescribes."""
    file = well_formed(resources)
    until = instant_of(as_of)
    best: tuple[Any, Json] | None = None
    for administration in of_type(file, "MedicationAdministration"):
        moment = instant_of(given_at(administration))
        if not _was_given(administration) or moment is None:
            continue
        if (
            _is_dose_of(administration, request, file)
            and (until is None or moment <= until)
            and (best is None or moment >= best[0])
        ):
            best = (moment, administration)
    return best[1] if best else None


def _is_dose_of(administration: Json, request: Json | None, file: Sequence[Json]) -> bool:
    if request is None:
        return is_substitute(administration, file)
    return same_medicine(administration, request, file) is Same.YES


def doses_in_doubt(resources: Sequence[Json], as_of: str, request: Json | None = None) -> tuple[Json, ...]:
    """Give the administrations after the last dose given, and on its day, that may have been given in part: stopped, on hold, or of unknown status.

    Whoever reads only the last whole dose would give the rest of that day's a second time.
    """
    file = well_formed(resources)
    until = instant_of(as_of)
    last = last_administration(file, as_of, request)
    since = instant_of(given_at(last)) if last is not None else None
    day = days_of(given_at(last)) if last is not None else None
    found = []
    for administration in of_type(file, "MedicationAdministration"):
        moment = instant_of(given_at(administration))
        in_doubt = as_text(administration.get("status")) in _IN_DOUBT or _is_of_nothing(administration)
        if not in_doubt or moment is None:
            continue
        if (
            _is_dose_of(administration, request, file)
            and (until is None or moment <= until)
            and (since is None or moment >= since or days_of(given_at(administration)) == day)
        ):
            found.append((moment, administration))
    return tuple(administration for _, administration in sorted(found, key=lambda each: each[0]))


def doses_to_tell(resources: Sequence[Json], as_of: str, request: Json | None = None) -> tuple[Json, ...]:
    """Give what a reader has to know of doses: an injection that still acts, every dose of the day of the last one, and what is in doubt. Each once.

    The last comes first. INVARIANT: a dose in two parts, or one given again, is told whole: the last part alone is half the dose of the day.
    """
    file = well_formed(resources)
    last, until = last_administration(file, as_of, request), instant_of(as_of)
    day = days_of(given_at(last)) if last is not None else None
    of_the_day = [
        (moment, administration)
        for administration in of_type(file, "MedicationAdministration")
        if _was_given(administration)
        and (moment := instant_of(given_at(administration))) is not None
        and days_of(given_at(administration)) == day
        and _is_dose_of(administration, request, file)
        and (until is None or moment <= until)
    ]
    latest = [administration for _, administration in sorted(of_the_day, key=lambda each: each[0])][::-1]
    injected = last_depot_dose(file, as_of, request)
    every = (*((injected,) if injected is not None else ()), *latest, *doses_in_doubt(file, as_of, request))
    return tuple({name_of(each): each for each in every}.values())


def may_be_lost(administration: Json, resources: Sequence[Json]) -> bool:
    """Say whether the record of a dose has words that it was not kept down: in its dosage, its notes or its reasons, or in an Observation after it."""
    dosages = as_objects(administration.get("dosage"))
    said = [as_text(each.get("text")) for each in (*dosages, *as_objects(administration.get("note")))]
    said += [words_of(each) for each in as_objects(administration.get("statusReason"))]
    if as_text(administration.get("status")) == _NOT_GIVEN:
        return False
    return any(map(lost_in_words, said)) or bool(seen_lost(administration, resources))


def seen_lost(administration: Json, resources: Sequence[Json]) -> tuple[Json, ...]:
    """Give the Observations of vomiting on the day of a dose or in the hours after it, and not before it. An injection cannot be vomited.

    One without a time may be of this dose: whoever gives the next one asks.
    """
    file = well_formed(resources)
    moment, day = instant_of(given_at(administration)), days_of(given_at(administration))
    if as_text(administration.get("status")) == _NOT_GIVEN or moment is None or is_depot(administration, file):
        return ()

    def after(observation: Json) -> bool:
        text = _observed_at(observation)
        seen = instant_of(text)
        if seen is None:
            return True
        if len(text) <= len("2026-01-01"):
            return on_or_before(day, days_of(text)) is not False and on_or_before(days_of(text), day) is not False
        return moment <= seen and (days_of(text) == day or seen - moment <= _KEPT_AFTER)

    return tuple(each for each in of_type(file, "Observation") if _says_lost(each) and after(each))


def _observed_at(observation: Json) -> str:
    began = as_object(observation.get("effectivePeriod")).get("start")
    for value in (
        observation.get("effectiveDateTime"),
        observation.get("effectiveInstant"),
        began,
        observation.get("issued"),
    ):
        if as_text(value):
            return as_text(value)
    return ""


def _says_lost(observation: Json) -> bool:
    """Say whether an Observation says of the person that they vomited: in its value or notes, or as its name where the value does not deny it."""
    if in_error(observation) or as_text(observation.get("status")) == "cancelled":
        return False
    value = words_of(observation.get("valueCodeableConcept")) or as_text(observation.get("valueString"))
    notes = [as_text(each.get("text")) for each in as_objects(observation.get("note"))]
    name, figure = words_of(observation.get("code")), as_object(observation.get("valueQuantity")).get("value")
    denied = (
        value.casefold().rstrip(".") in _DENIALS
        or observation.get("valueBoolean") is False
        or bool(observation.get("dataAbsentReason"))
        or any(each is not None and each == 0 for each in (figure, observation.get("valueInteger")))
    )
    named = lost_in_words(f"{name} {value}") and not denied
    return named or any(map(lost_in_words, (value, *notes)))


def without_a_dose_for_days(resources: Sequence[Json], as_of: str, request: Json | None = None) -> bool:
    """Say whether the last dose on record was followed by three whole days without one, and no injection acts: tolerance may be lost.

    What is not recorded is not known to be missed; whoever gives the next dose has to ask.
    """
    file, today = well_formed(resources), days_of(as_of)
    last = last_administration(file, as_of, request)
    given = days_of(given_at(last)) if last is not None else None
    if given is None or last_depot_dose(file, as_of, request) is not None:
        return False
    return on_or_before(today, given.plus(RECENT_DOSE_DAYS)) is False


def doses_not_given(resources: Sequence[Json], as_of: str, days: int) -> tuple[Json, ...]:
    """Give the administrations of substitute medication after the last dose given, and in the last `days` days, that say that none was given.

    A dose that was refused or kept back is why the last one is as old as it is; a day without any record is another thing.
    """
    file = well_formed(resources)
    today, until = days_of(as_of), instant_of(as_of)
    earliest = today.plus(-days) if today is not None else None
    last = last_administration(file, as_of)
    since = instant_of(given_at(last)) if last is not None else None
    found = []
    for administration in of_type(file, "MedicationAdministration"):
        moment = instant_of(given_at(administration))
        if as_text(administration.get("status")) != _NOT_GIVEN or moment is None:
            continue
        lately = on_or_before(earliest, days_of(given_at(administration))) is not False
        after = (until is None or moment <= until) and (since is None or moment >= since)
        if lately and after and is_substitute(administration, file):
            found.append((moment, administration))
    return tuple(administration for _, administration in sorted(found, key=lambda each: each[0]))


def last_depot_dose(resources: Sequence[Json], as_of: str, request: Json | None = None) -> Json | None:
    """Give the last prolonged-release injection of substitute medication, or of what `request` prescribes, that may still act.

    The next is due by it, whatever was taken since.
    """
    file = well_formed(resources)
    until, today = instant_of(as_of), days_of(as_of)
    best: tuple[Any, Json] | None = None
    for administration in of_type(file, "MedicationAdministration"):
        moment, given = instant_of(given_at(administration)), days_of(given_at(administration))
        if not _was_given(administration) or moment is None or given is None:
            continue
        acts = on_or_before(today, given.plus(DEPOT_DAYS)) is not False and (until is None or moment <= until)
        if not acts or not is_depot(administration, file) or not _is_dose_of(administration, request, file):
            continue
        if best is None or moment >= best[0]:
            best = (moment, administration)
    return best[1] if best else None


def dose_of(administration: Json, resources: Sequence[Json]) -> LastDose:
    """Read one administration as a dose; nothing is computed from it."""
    dosage = as_object(administration.get("dosage"))
    dose = as_object(dosage.get("dose"))
    value = dose.get("value")
    amount = value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
    return LastDose(
        administration=name_of(administration),
        given=given_at(administration),
        medicine=next((words for words in map(words_of, medication_concepts(administration, resources)) if words), ""),
        amount=amount,
        unit=as_text(dose.get("unit")) or as_text(dose.get("code")),
        text=as_text(dosage.get("text")),
        supervised=supervised(administration),
    )


def last_dose(resources: Sequence[Json], as_of: str) -> LastDose | None:
    """Give the last dose of substitute medication that was given up to `as_of`, or None when the file has none."""
    file = well_formed(resources)
    administration = last_administration(file, as_of)
    return dose_of(administration, file) if administration is not None else None


def current(resource: Json, as_of: str) -> bool:
    """Say whether a prescription or statement stands at `as_of`: not stopped, not clearly over, not clearly in the future. Doubt counts as current."""
    days = days_of(as_of)
    if in_error(resource) or as_text(resource.get("status")) in _ENDED:
        return False
    return days is None or in_force(resource, days) is not False


def begins_later(resource: Json, as_of: str) -> bool:
    """Say whether a prescription or statement stands and clearly begins after `as_of`: what is to be taken from the day after a release."""
    days, span = days_of(as_of), span_of(resource)
    stands = not (in_error(resource) or span.never or span.status in _ENDED)
    return stands and days is not None and on_or_before(span.start, days) is False


def on_substitute_medication(resources: Sequence[Json], as_of: str) -> bool:
    """Say whether the person is on substitute medication at `as_of`, for safety: doubt counts as yes, because silence can kill.

    Yes when such a prescription stands, or ended no earlier than that day, or a dose was given in the three days before, or a
    prolonged-release injection that may still act.
    """
    file = well_formed(resources)
    day = days_of(as_of)
    for request in of_type(file, "MedicationRequest", "MedicationStatement"):
        covered = day is not None and in_force(request, day) is True
        if is_substitute(request, file) and (covered or current(request, as_of)):
            return True
    last = last_administration(file, as_of)
    given = days_of(given_at(last)) if last is not None else None
    until = given.plus(RECENT_DOSE_DAYS) if given is not None else None
    return bool(on_or_before(day, until)) or last_depot_dose(file, as_of) is not None


def prescription_for_supply(request: Json) -> bool:
    """Say whether a community pharmacy could ever supply it: an inpatient prescription is administered in custody and no copy goes out."""
    concepts = [as_text(c.get("code")) for c in every_coding(request.get("category"))]
    return _INPATIENT not in concepts


def _patient(resources: Sequence[Json]) -> Json:
    return next(iter(of_type(well_formed(resources), "Patient")), {})


def _organisation_code(reference: Any, resources: Sequence[Json]) -> str:
    """Give the ODS code that a Reference carries itself, or that the Organization it names has."""
    code = identifier_value(as_object(reference).get("identifier"), systems.ODS)
    organisation = find(resources, reference)
    return code or identifier_value(as_object(organisation).get("identifier"), systems.ODS)


def _only(values: Iterator[str]) -> str | None:
    """Give the one value there is; None when there is none, or when there are several that differ: never a nearest guess."""
    found = {value.upper() for value in values if value}
    return found.pop() if len(found) == 1 else None


def nominated_pharmacy(resources: Sequence[Json]) -> str | None:
    """Give the ODS code of the one nominated pharmacy of the Patient (UK Core extension NominatedPharmacy)."""
    extensions = as_objects(_patient(resources).get("extension"))
    nominated = (e for e in extensions if e.get("url") == systems.UK_CORE_NOMINATED_PHARMACY)
    return _only(_organisation_code(e.get("valueReference"), resources) for e in nominated)


def _practices(resources: Sequence[Json]) -> Iterator[str]:
    references = as_objects(_patient(resources).get("generalPractitioner"))
    return (_organisation_code(reference, resources) for reference in references)


def gp_practice(resources: Sequence[Json]) -> str | None:
    """Give the ODS code of the one general practice of the Patient (Patient.generalPractitioner)."""
    return _only(_practices(resources))


def names_a_practice(resources: Sequence[Json]) -> bool:
    """Say whether the Patient names any general practice by its ODS code, be it one or several."""
    return any(_practices(resources))


def was_in_treatment(resources: Sequence[Json]) -> bool:
    """Say whether a file shows treatment of substance misuse, now or before: substitute medication, or a plan of that kind."""
    file = well_formed(resources)
    medicines = of_type(file, *_MEDICATION_TYPES, "MedicationDispense")
    treated = any(not in_error(each) and is_substitute(each, file) for each in medicines)
    return treated or any(
        not in_error(plan) and is_substance_misuse_plan(plan, file) for plan in of_type(file, "CarePlan")
    )


def supplying_pharmacy(resources: Sequence[Json]) -> str | None:
    """Give the ODS code of the one pharmacy that prescriptions of substitute medication name for its supply; None for none or several.

    A nominated pharmacy alone is no sign that it ever supplied anything.
    """
    file = well_formed(resources)
    requests = (each for each in of_type(file, "MedicationRequest") if is_substitute(each, file) and not in_error(each))
    return _only(_organisation_code(as_object(each.get("dispenseRequest")).get("performer"), file) for each in requests)


def treatment_providers(resources: Sequence[Json]) -> frozenset[str]:
    """Give the ODS codes of those whom a standing care team names as the person's treatment provider outside."""
    file = well_formed(resources)
    teams = (team for team in of_type(file, "CareTeam") if as_text(team.get("status")) not in {"inactive", "proposed"})
    people = (each for team in teams if not in_error(team) for each in as_objects(team.get("participant")))
    named = (each for each in people if "treatment-provider" in record_items(as_objects(each.get("role"))))
    codes = (_organisation_code(each.get(member), file) for each in named for member in ("onBehalfOf", "member"))
    return frozenset(code.upper() for code in codes if code)


def _standing_addresses(patient: Json) -> tuple[Json, ...]:
    addresses = as_objects(patient.get("address"))
    return tuple(address for address in addresses if not as_text(as_object(address.get("period")).get("end")))


def release_addresses(patient: Json) -> tuple[Json, ...]:
    """Give the home addresses that have not ended: where the person goes on release."""
    return tuple(address for address in _standing_addresses(patient) if address.get("use") == "home")


def addresses_to_tell(patient: Json) -> tuple[Json, ...]:
    """Give the addresses that a letter may name: where the person goes on release, else the one that nobody says is another kind.

    A temporary address may be a refuge, and a former one is where somebody still looks for the person: neither is ever among them, nor
    is one of several of no stated kind, of which nobody knows which holds.
    """
    going = release_addresses(patient)
    unsaid = tuple(address for address in _standing_addresses(patient) if "use" not in address)
    return going or (unsaid if len(unsaid) == 1 else ())


def in_custody(resources: Sequence[Json], as_of: str | None = None) -> str | None:
    """Give the three-letter agency id of the establishment in which a stay goes on; None when there is none, or several that differ.

    A stay whose end can still be reversed at `as_of` (an instant; None: nothing can) goes on: a reversed release ends nobody's care.
    """
    return _only(map(place_of, stays_that_go_on(resources, as_of)))


def release_postcode(resources: Sequence[Json]) -> str | None:
    """Give the one postcode of the release address, capitals and single blanks, or None."""
    return _only(" ".join(as_text(a.get("postalCode")).split()) for a in release_addresses(_patient(resources)))
