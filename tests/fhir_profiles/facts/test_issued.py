"""What was issued last of a medicine, from every kind of dispense that a file can hold."""

import pytest

from fhir_profiles.issued import is_issued_under, last_issued
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import AS_OF, issue, prescription

NUMBER = {"system": "https://throughgate.example/id/placer-order", "value": "RX-1"}
REQUEST = prescription(identifier=[NUMBER])


def names(*file: Json, request: Json = REQUEST) -> list[str]:
    return [each["id"] for each in last_issued(request, [request, *file], AS_OF)]


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ([], []),
        ([issue()], ["issue"]),
        ([issue("first", handed="2026-01-07T16:00:00+00:00"), issue()], ["issue"]),
        ([issue(), issue("first", handed="2026-01-07T16:00:00+00:00")], ["issue"]),
        ([issue("tomorrow", handed="2027-01-14T16:00:00+00:00"), issue()], ["issue"]),
        ([issue(medicine="Sertraline 50mg tablets", of="MedicationRequest/other")], []),
        ([issue(of="MedicationRequest/earlier")], ["issue"]),
        ([issue(authorizingPrescription=[])], ["issue"]),
        ([issue(medicine="an unknown mixture", authorizingPrescription=[{"identifier": NUMBER}])], ["issue"]),
        ([issue(medicine="an unknown mixture", authorizingPrescription=[{"identifier": NUMBER | {"value": "RX-2"}}])], []),
        ([issue(handed=None, whenPrepared="2026-01-14T09:00:00+00:00", status="in-progress")], ["issue"]),
        ([issue(), issue("undated", handed=None)], ["undated", "issue"]),
        ([issue(), issue("part", handed="2026-01-15T09:00:00+00:00", status="stopped")], ["issue", "part"]),
        ([issue("part", handed="2026-01-13T09:00:00+00:00", status="unknown"), issue()], ["issue"]),
        *(([issue(status=status)], []) for status in ("cancelled", "declined", "entered-in-error", "preparation", "")),
    ],
)  # fmt: skip
def test_the_last_issue_and_what_is_in_doubt_after_it(file: list[Json], found: list[str]) -> None:
    assert names(*file) == found


def test_a_number_without_a_value_names_nothing() -> None:
    nothing = {"system": NUMBER["system"]}
    assert not is_issued_under(
        issue(authorizingPrescription=[{"identifier": nothing}]), REQUEST | {"identifier": [nothing]}
    )
