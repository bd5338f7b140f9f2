"""The Electronic Prescription Service's messages, read for their content: orders, cancellations, dispenses; signatures kept, never made again."""

import json

import pytest

from fhir_profiles.fhir_kinds import MESSAGE, kind_of
from fhir_profiles.ids import reference
from fhir_profiles.shapes import Event, HoldCode
from fhir_profiles.systems import NHS_NUMBER
from tests.fhir_profiles.fhir_message.eps_messages import (
    EXTENSION,
    ITEM_NUMBER,
    ITEMS,
    SIGNATURE,
    Json,
    cancellation,
    dispense,
    order,
)
from tests.fhir_profiles.fhir_message.messages import carried, leaves, read


def by_item(message: Json) -> dict[str, Json]:
    return {each["identifier"][0]["value"]: each for each in carried(read(message), "MedicationRequest")}


def test_an_order_is_two_prescriptions_with_their_prescriber() -> None:
    meaning = read(order())
    assert meaning.hold is None
    assert Event.PRESCRIPTION in meaning.events
    lines = carried(meaning, "MedicationRequest")
    assert [line["identifier"][0]["value"] for line in lines] == list(ITEMS)
    assert len({line["id"] for line in lines}) == 2
    (role,) = carried(meaning, "PractitionerRole")
    assert {line["requester"]["reference"] for line in lines} == {f"PractitionerRole/{role['id']}"}
    assert len(carried(meaning, "Organization")) == 1


def test_known_extensions_are_carried_and_an_unknown_one_is_counted() -> None:
    meaning = read(order())
    line = carried(meaning, "MedicationRequest")[0]
    urls = [each["url"] for each in line["extension"]]
    assert urls == [EXTENSION + "DM-PrescriptionType", EXTENSION + "DM-ControlledDrug"]
    assert line["extension"][1]["extension"][0]["valueString"] == "two hundred and eighty"
    assert line["groupIdentifier"]["extension"][0]["url"] == EXTENSION + "DM-PrescriptionId"
    assert [issue.code for issue in meaning.issues] == ["extension"]


def test_every_leaf_is_accounted_for() -> None:
    for message in (order(), cancellation(), dispense()):
        assert sorted(field.source for field in read(message).fields) == sorted(leaves(message, "Bundle"))


def test_the_signature_is_kept_as_a_record() -> None:
    kept = [each for each in carried(read(order()), "Provenance") if "signature" in each]
    assert [each["signature"][0]["data"] for each in kept] == [SIGNATURE]


@pytest.mark.parametrize("prescriber", ["ZZG01", "ZZG09"])
def test_a_cancellation_means_the_line_that_was_ordered_whoever_sends_it(prescriber: str) -> None:
    ordered, cancelled = by_item(order()), by_item(cancellation(prescriber))
    assert cancelled[ITEMS[0]]["id"] == ordered[ITEMS[0]]["id"]
    assert cancelled[ITEMS[0]]["status"] == "cancelled"


def test_what_is_no_item_number_names_nothing_of_anybody_elses() -> None:
    """Only a UUID is a number that everybody means the same by."""
    one, other = order(), cancellation()
    for message in (one, other):
        for entry in message["entry"]:
            for identifier in entry["resource"].get("identifier", []) if "status" in entry["resource"] else ():
                if identifier["system"] == ITEM_NUMBER:
                    identifier["value"] = identifier["value"][-1]
    assert by_item(one)["1"]["id"] != by_item(other)["1"]["id"]


def test_two_lines_with_one_number_stay_two() -> None:
    message = order()
    message["entry"][2]["resource"]["identifier"][0]["value"] = ITEMS[0]
    assert len({line["id"] for line in carried(read(message), "MedicationRequest")}) == 2


def test_a_dispense_is_kept_about_whom_it_names_and_means_the_line() -> None:
    assert kind_of(dispense()) == MESSAGE  # it answers a release request, and brings something
    meaning = read(dispense())
    assert meaning.hold is None
    assert [(each.system, each.valid) for each in meaning.persons] == [(NHS_NUMBER, True)]
    (given,) = carried(meaning, "MedicationDispense")
    assert given["subject"] == {"reference": "Patient/patient"}
    ordered = by_item(order())[ITEMS[1]]
    assert given["authorizingPrescription"] == [{"reference": reference("MedicationRequest", ordered["id"])}]
    (patient,) = carried(meaning, "Patient")
    assert patient["id"] == "patient"
    assert carried(meaning, "MedicationRequest") == []  # it only explains the dispense


def test_a_dispense_about_two_people_or_nobody_is_held() -> None:
    other = json.loads(json.dumps(dispense()))
    other["entry"][1]["resource"]["contained"][1]["subject"]["identifier"]["value"] = "9990000034"
    held = read(other).hold
    assert held is not None
    assert held.code is HoldCode.TWO_PEOPLE
    nobody = read(
        dispense(
            subject={"display": "somebody"}, contained=[], authorizingPrescription=[{"display": "x"}], performer=[]
        )
    )
    assert nobody.hold is not None
