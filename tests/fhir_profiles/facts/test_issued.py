"""What was issued last of a medicine, from every kind of dispense that a file can hold."""

import pytest

from fhir_profiles.issued import is_issued_under, last_issued, may_be_issued
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import AS_OF, METHADONE, issue, prescription

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


UNKNOWN = "Zymaxol 5mg tablets"
LOCAL = {"coding": [{"system": "https://throughgate.example/code/l", "code": "LOC1"}]}
SNOMED = {"coding": [{"system": "http://snomed.info/sct", "code": "999000001"}], "text": "Zym 5"}
OTHER = prescription("other", medicine="Sertraline 50mg tablets", identifier=[NUMBER | {"value": "RX-9"}])
AUTHORITY = NUMBER | {"system": f"{NUMBER['system']}/ehr"}


def test_a_medicine_that_is_not_known_is_the_same_by_code_and_by_words_and_else_may_be() -> None:
    """Nothing that may be of it is told as nothing issued; what is of another medicine for certain is."""
    bare = issue(medicine="a mixture", authorizingPrescription=[{"identifier": NUMBER}])
    elsewhere = AUTHORITY | {"system": f"{NUMBER['system']}/ph"}
    sertraline = issue(medicine="Sertraline 50mg tablets", authorizingPrescription=[])
    for asked, made, found, may in (
        (UNKNOWN, issue(medicine=UNKNOWN.upper(), authorizingPrescription=[]), ["issue"], True),
        (SNOMED, issue(medicine={**SNOMED, "text": "Z"}, authorizingPrescription=[]), ["issue"], True),
        (LOCAL, issue(medicine=LOCAL, authorizingPrescription=[]), [], True),
        (UNKNOWN, issue(medicine="another word", authorizingPrescription=[]), [], True),
        (UNKNOWN, sertraline, [], True),
        (METHADONE, sertraline, [], False),
        (METHADONE, issue(medicine=UNKNOWN, authorizingPrescription=[]), [], True),
        (METHADONE, issue(medicine=UNKNOWN, of="MedicationRequest/other"), [], False),
        (METHADONE, sertraline | {"authorizingPrescription": bare["authorizingPrescription"]}, [], True),
        (METHADONE, sertraline | {"authorizingPrescription": [{"identifier": elsewhere}]}, [], False),
        (UNKNOWN, issue(medicine=UNKNOWN, authorizingPrescription=[], status="declined"), [], False),
        (UNKNOWN, issue(medicine=UNKNOWN, authorizingPrescription=[], handed="2027-01-14T16:00:00+00:00"), [], False),
    ):
        request = prescription(medicine=asked, identifier=[AUTHORITY])
        assert names(made, OTHER, request=request) == found, (asked, made)
        assert may_be_issued(request, [request, made, OTHER], AS_OF) is may, (asked, made)


def test_a_number_without_a_value_names_nothing() -> None:
    nothing = {"system": NUMBER["system"]}
    assert not is_issued_under(
        issue(authorizingPrescription=[{"identifier": nothing}]), REQUEST | {"identifier": [nothing]}
    )
