"""A person's file as a letter sees it: nothing entered in error, nothing of a mandatory test, nothing that is not to be done, one version of everything.

It must never change a resource but a plan, by what is not to be done; a letter copies before it adds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeVar

from fhir_profiles.drug_tests import is_drug_test, is_mandatory, reports_by_observation
from fhir_profiles.elements import (
    File,
    as_object,
    as_objects,
    in_error,
    kind,
    name_of,
    of_type,
    referenced,
    well_formed,
)
from fhir_profiles.ids import PATIENT_ID
from fhir_profiles.label import is_sensitive
from fhir_profiles.shapes import Json, LetterContext

Answer = TypeVar("Answer")
_TAKEN_BACK: Final = ("ServiceRequest", "Appointment", "Encounter", "Communication")
_ORDERS: Final = frozenset({"MedicationRequest", "ServiceRequest"})


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a letter may look at. `file` has no mandatory test in it: such a result is the prison's and never leaves as a clinical one.

    `prison_tests` are the mandatory ones, for the referral that security makes of them and for no other letter. `sent_in_error` are the
    referrals and contacts that never should have been, for the letters that take one back and for no other. `not_to_be_done` names the prescriptions and plans
    that say that something is not to be given or done: what an agreement leaves of one would read as the order to do it.
    """

    file: File
    prison_tests: tuple[Json, ...]
    sent_in_error: tuple[Json, ...]
    not_to_be_done: frozenset[str]
    context: LetterContext
    as_of: str

    @cached_property
    def patient(self) -> Json:
        """The Patient, or one that says nothing when the file has none: a letter invents nobody."""
        empty: Json = {"resourceType": "Patient", "id": PATIENT_ID}
        return next(iter(of_type(self.file, "Patient")), empty)

    @cached_property
    def is_sensitive(self) -> bool:
        """Is the person's record flagged sensitive (confidentiality R or V on the Patient, as PDS says it)?"""
        return is_sensitive(self.patient)

    @cached_property
    def drug_tests(self) -> tuple[Json, ...]:
        """The Observations that are drug tests."""
        reports = reports_by_observation(self.file)
        return tuple(o for o in of_type(self.file, "Observation") if is_drug_test(o, reports.get(name_of(o), ())))

    @cached_property
    def _answers(self) -> dict[Callable[["Picture"], Any], Any]:
        return {}

    def once(self, question: Callable[["Picture"], Answer]) -> Answer:
        """The answer to a question about this picture, worked out once: what is required asks what the sections ask."""
        if question not in self._answers:
            self._answers[question] = question(self)
        answer: Answer = self._answers[question]
        return answer

    def of(self, *types: str, keep: Callable[[Json], bool] = bool) -> tuple[Json, ...]:
        """The resources of these types that `keep` accepts, in the order of the file."""
        return tuple(resource for resource in of_type(self.file, *types) if keep(resource))


def picture_of(resources: Sequence[Any], context: LetterContext, as_of: str) -> Picture:
    """Make the picture from the current file (resources with internal ids)."""
    everything = well_formed(resources)
    errors = tuple(each for each in of_type(everything, *_TAKEN_BACK) if in_error(each))
    file, forbidden = _what_is_not_to_be_done_apart(File(resource for resource in everything if not in_error(resource)))
    kept, prison_tests = _mandatory_tests_apart(file)
    return Picture(
        file=kept,
        prison_tests=prison_tests,
        sent_in_error=errors,
        not_to_be_done=forbidden,
        context=context,
        as_of=as_of,
    )


def _is_forbidden(held: Json) -> bool:
    return held.get("doNotPerform") not in (None, False)


def _what_is_not_to_be_done_apart(file: File) -> tuple[File, frozenset[str]]:
    """Part orders not to give or do something from the rest, and such activities from a plan.

    INVARIANT: no letter holds one: without `doNotPerform`, which a recipient need not get or read, it says the opposite. The notice names the gap.
    """
    kept: list[Json] = []
    names: set[str] = set()
    for each in file:
        activities = as_objects(each.get("activity")) if kind(each) == "CarePlan" else ()
        stand = [one for one in activities if not _is_forbidden(as_object(one.get("detail")))]
        if kind(each) in _ORDERS and _is_forbidden(each):
            names.add(name_of(each))
        elif len(stand) < len(activities):
            names.add(name_of(each))
            rest = {key: value for key, value in each.items() if key != "activity"}
            kept.append({**rest, "activity": stand} if stand else rest)
        else:
            kept.append(each)
    return (File(kept) if names else file), frozenset(names)


def unplaced(picture: Picture) -> Picture:
    """The picture for a person flagged sensitive: no letter has a word for the sending place, so none can say it; else the same picture.

    INVARIANT: what a letter says in its own words is written without the place; what stands in resources, `consent` takes out.
    """
    if not picture.is_sensitive:
        return picture
    nowhere = replace(
        picture.context, establishment="", establishment_name="", establishment_telephone="", recorded_by=""
    )
    return replace(picture, context=nowhere)


def _mandatory_tests_apart(file: File) -> tuple[File, tuple[Json, ...]]:
    """Part mandatory tests from the rest: the Observations, their members, and every report or specimen that is only about such tests."""
    reports = reports_by_observation(file)
    observations = of_type(file, "Observation")
    # INVARIANT: a prison-owned mandatory test never leaves as a clinical result (R002, R118): it is out before any letter is written.
    mandatory = tuple(o for o in observations if is_mandatory(o, reports.get(name_of(o), ())))
    out = {name_of(o) for o in mandatory}
    out |= {name_of(r) for r in of_type(file, "DiagnosticReport") if is_mandatory(r)}
    for observation in observations:
        if name_of(observation) in out:
            out |= {referenced(member) for member in as_objects(observation.get("hasMember"))}
    for report in of_type(file, "DiagnosticReport"):
        results = {referenced(result) for result in as_objects(report.get("result"))}
        if results & out:
            out.add(name_of(report))
    return (File(each for each in file if name_of(each) not in out) if out else file), mandatory
