"""What was issued last of a medicine, from every kind of dispense that a file can hold."""

from typing import Any

import pytest

from fhir_profiles import systems
from fhir_profiles.fhir_json import encode
from fhir_profiles.issued import is_issued_under, last_issued, may_be_issued
from fhir_profiles.shapes import Channel, Json
from fhir_profiles.translate import translate
from fhir_profiles.validate import invalid, validate
from tests.fhir_profiles.letters.files import AS_OF, METHADONE, issue, patient, prescription

NUMBER = {"system": "https://throughgate.example/id/placer-order", "value": "RX-1"}
AUTHORITY = NUMBER | {"system": f"{NUMBER['system']}/ehr"}
REQUEST = prescription(identifier=[AUTHORITY])


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
        ([issue(medicine="an unknown mixture", authorizingPrescription=[{"identifier": AUTHORITY}])], ["issue"]),
        ([issue(medicine="an unknown mixture", authorizingPrescription=[{"identifier": AUTHORITY | {"value": "RX-2"}}])], []),
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
    nothing = {"system": AUTHORITY["system"]}
    assert not is_issued_under(
        issue(authorizingPrescription=[{"identifier": nothing}]), REQUEST | {"identifier": [nothing]}
    )


@pytest.mark.parametrize(
    "number", [NUMBER, {"value": "RX-1"}, {"system": f"{systems.LOCAL_ID}prescription", "value": "RX-1"}]
)
def test_two_equal_numbers_without_an_authority_are_not_one_order_for_certain(number: Json) -> None:
    """Two senders count alike: what one issued under its number is not told as issued under the other's, and not denied either."""
    request = prescription(identifier=[number])
    dispense = issue(medicine="an unknown mixture", authorizingPrescription=[{"identifier": number}])
    assert not is_issued_under(dispense, request)
    assert names(dispense, request=request) == []
    assert may_be_issued(request, [request, dispense], AS_OF)
    told = dispense | {"authorizingPrescription": [{"reference": "MedicationRequest/methadone", "identifier": number}]}
    assert names(told, request=request) == ["issue"]


HEAD = "MSH|^~\\&|{app}|{place}|TG|GATE|2026011510000{at}+0000||{kind}|M-{at}|P|2.5.1\rPID|1||9990000026^^^NHS^NH||Example^Alex\r"
DRUG = "77^Zymaxol 5mg tablets^L"


def told(kind: str, lines: str, *, app: str = "EHR", place: str = "LEI", at: int = 1) -> list[Json]:
    body = (HEAD.format(app=app, place=place, at=at, kind=kind) + lines).encode()
    found = translate(Channel(name="orders", format="hl7v2"), body)
    assert found.bundle is not None
    assert not invalid(validate(found.bundle))
    return [each["resource"] for each in found.bundle["entry"]]


def ordered(number: str = "RX-1", *, amount: str = "30", **sender: Any) -> Json:
    lines = f"ORC|NW|{number}\rRXE||{DRUG}|{amount}||mg^mg\r"
    return next(
        each for each in told("RDE^O11^RDE_O11", lines, **sender) if each["resourceType"] == "MedicationRequest"
    )


def dispensed(number: str = "RX-1", **sender: Any) -> Json:
    lines = f"ORC|RE|{number}\rRXD|1|9^A mixture^L|20260114090000+0000|30|mg^mg\r"
    return next(
        each for each in told("RDS^O13^RDS_O13", lines, **sender) if each["resourceType"] == "MedicationDispense"
    )


@pytest.mark.parametrize("other", [{"app": "CLINIC"}, {"place": "MDI"}])
def test_an_order_number_without_an_authority_is_its_senders(other: dict[str, str]) -> None:
    """HL7 v2: a placer's number is unique within the placer, which the sending application and facility say where the number does not."""
    own, theirs = ordered(), ordered(**other)
    assert own["id"] != theirs["id"]
    assert is_issued_under(dispensed(), own)
    assert not is_issued_under(dispensed(), theirs)
    assert may_be_issued(theirs, [theirs, dispensed()], AS_OF)
    file = (own, theirs, dispensed(**other))
    assert [last_issued(each, file, AS_OF) for each in (own, theirs)] == [(), (file[2],)]


def test_a_later_version_of_an_order_of_the_same_sender_takes_its_place() -> None:
    first, later = ordered(), ordered(amount="40", at=2)
    assert (later["id"], later["dosageInstruction"] == first["dosageInstruction"]) == (first["id"], False)
    assert is_issued_under(dispensed(at=3), later)


def fhir_orders(number: Json, endpoint: str) -> list[Json]:
    """An order and a dispense of it, by a number alone, in one FHIR message."""
    head = {
        "resourceType": "MessageHeader",
        "id": "h",
        "eventCoding": {"system": "https://prison.example/events", "code": "record"},
        "source": {"endpoint": endpoint},
    }
    person = {"resourceType": "Patient", "id": "p", "identifier": patient()["identifier"]}
    about = {"reference": "Patient/p"}
    order = prescription("o", medicine=UNKNOWN, identifier=[number]) | {"subject": about}
    given = issue("d", medicine="A mixture", authorizingPrescription=[{"identifier": number}]) | {"subject": about}
    entries = [
        {"fullUrl": f"{endpoint}/{each['resourceType']}/{each['id']}", "resource": each}
        for each in (head, person, order, given)
    ]
    bundle = {"resourceType": "Bundle", "id": "b", "type": "message", "timestamp": AS_OF, "entry": entries}
    found = translate(Channel(name="orders", format="fhir"), encode(bundle))
    assert found.bundle is not None
    assert not invalid(validate(found.bundle))
    made = [each["resource"] for each in found.bundle["entry"]]
    return [each for each in made if each["resourceType"].startswith("Medication")]


@pytest.mark.parametrize(
    ("number", "certain"),
    [
        ({"value": "RX-1"}, False),
        ({"system": "https://prison.example/order", "value": "RX-1"}, True),
        ({"system": f"{systems.LOCAL_ID}prescription-serial", "value": "RX-1"}, True),
        ({"value": "RX-1", "assigner": {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}}}, True),
        ({"value": "RX-1", "assigner": {"display": "somebody"}}, None),
    ],
)  # fmt: skip
def test_a_number_without_a_system_is_its_senders_in_fhir_too(number: Json, certain: bool | None) -> None:
    (own, given), (theirs, _) = fhir_orders(number, "https://a.example"), fhir_orders(number, "https://b.example")
    assert is_issued_under(given, own) is (certain is not None)
    assert is_issued_under(given, theirs) is (certain is True)
    assert may_be_issued(theirs, [theirs, given], AS_OF)


def test_a_number_with_an_authority_is_the_same_whoever_says_it() -> None:
    assert is_issued_under(dispensed("RX-1^EHR", app="PHARM"), ordered("RX-1^EHR"))
    assert not is_issued_under(dispensed("RX-1^WARD"), ordered("RX-1^EHR"))
