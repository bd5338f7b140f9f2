"""The meaning of a FHIR message: one person, internal names, nothing dropped silently, nothing raised."""

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fhir_profiles.translate as translator
from fhir_profiles import systems
from fhir_profiles.facts import tests as facts_of_tests
from fhir_profiles.fhir_json import decode, encode
from fhir_profiles.mappings import MAPPINGS, fhir_message
from fhir_profiles.mappings.fhir_carry import KNOWN_EXTENSIONS, Carrier
from fhir_profiles.peek import peek
from fhir_profiles.shapes import Channel, Event, Fate, HoldCode, Severity, Translation
from fhir_profiles.translate import translate
from fhir_profiles.validate import invalid, validate
from tests.builders import METHADONE, PERSON, administration, adt_a01, care_plan, risk_flag, synthetic_person
from tests.builders import fhir_message as built
from tests.fhir_profiles.fhir_message.messages import (
    ABOUT,
    CHANNEL,
    SENDER,
    bundle,
    carried,
    consent,
    header,
    leaves,
    paths,
    patient,
    plan,
    read,
    request,
    result,
    without,
)
from tests.samples import fhir_examples

Json = dict[str, Any]
CANARY = "Wilberforce-Canary"
SECOND_NUMBER = synthetic_person(2).nhs_number
INTERNAL = re.compile(r"(?:Patient/patient|[A-Z][A-Za-z]+/[0-9a-f]{32})")
OTHER_PERSON = patient() | {"id": "p2", "identifier": [{"system": systems.NHS_NUMBER, "value": SECOND_NUMBER}]}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []


def sound(translation: Translation, message: Json) -> None:
    """What holds for every translation: valid R4 with internal names only, and every leaf accounted for exactly once."""
    assert not invalid(validate(translation.bundle))
    assert sorted(field.source for field in translation.fields) == sorted(leaves(message, message["resourceType"]))
    assert all(field.path or field.reason for field in translation.fields)
    names = [f"{r['resource']['resourceType']}/{r['resource']['id']}" for r in translation.bundle.get("entry", [])]
    assert len(names) == len(set(names))
    if translation.bundle.get("entry"):
        assert names.count("Patient/patient") == 1
    for entry in translation.bundle.get("entry", []):
        if entry["resource"]["resourceType"] != "Consent":
            assert all(INTERNAL.fullmatch(found) for found in references(entry["resource"]))


# --- the ordinary message


def test_a_message_becomes_labelled_resources_of_one_person() -> None:
    message = bundle(plan(), request(), consent())
    found = read(message)
    assert found.hold is None
    assert found.events == (Event.PRESCRIPTION, Event.CARE_PLAN, Event.CONSENT)
    assert found.establishment == "ZFG"
    assert found.occurred == "2026-01-15T12:00:00.100Z"
    assert [identifier.value for identifier in found.persons] == [PERSON.nhs_number, PERSON.prison_number]
    assert references(carried(found, "CarePlan")) == ["Patient/patient"]
    labels = [label["code"] for label in carried(found, "MedicationRequest")[0]["meta"]["security"]]
    assert labels == ["R", "SUD", "OPIOIDUD"]
    sound(found, message)


@pytest.mark.parametrize(
    ("resources", "events"),
    [
        ([], (Event.RECORD,)),
        ([consent()], (Event.CONSENT,)),
        ([result()], (Event.TEST_RESULT,)),
        ([result(code={"text": "Weight"})], (Event.RECORD,)),
        ([result(code={"text": "Weight"}, category=[{"coding": [{"code": "laboratory"}]}])], (Event.TEST_RESULT,)),
    ],
)
def test_the_event_is_read_from_the_content(resources: list[Json], events: tuple[Event, ...]) -> None:
    assert read(bundle(*resources)).events == events


def test_the_messages_of_the_demo_are_understood() -> None:
    resources = [
        care_plan(start="2026-01-01", description="stabilise"),
        risk_flag(resource_id="f", text="ACCT open", start="2026-01-01"),
        administration(METHADONE, resource_id="a", given="2026-01-14T08:00:00Z", text="40 mg", request="rx1"),
    ]
    found = translate(CHANNEL, built(resources=resources))
    assert found.hold is None
    assert found.events == (Event.ADMINISTRATION, Event.CARE_PLAN)
    sound(found, decode(built(resources=resources)))


def test_a_provenance_says_which_system_said_it_in_which_message() -> None:
    record = carried(read(bundle(plan())), "Provenance")[0]
    assert record["target"][0]["reference"] == "Patient/patient"
    assert record["recorded"] == "2026-01-15T12:00:00.100Z"
    assert record["agent"][0]["who"]["identifier"]["value"] == SENDER
    assert record["entity"][0]["what"]["identifier"]["value"] == "h1"
    assert record["activity"]["coding"] == [{"system": "https://prison.example/events", "code": "record"}]


def test_a_message_without_a_time_has_a_provenance_without_one() -> None:
    record = carried(read(without(bundle(plan()), "timestamp")), "Provenance")[0]
    assert "recorded" not in record
    assert record["_recorded"]["extension"][0]["valueCode"] == "unknown"


def test_decimals_keep_their_digits_all_the_way() -> None:
    quantity = b'{"value":7.500,"unit":"ml","system":"http://unitsofmeasure.org","code":"mL"}'
    dose = b'"doseAndRate":[{"doseQuantity":' + quantity + b"}]"
    body = json.dumps(bundle(request())).encode().replace(b'"text": "40 ml daily, supervised"', b'"text": "x",' + dose)
    for number in (b"7.500", b"0.0000001", b"1e2", b"123456789012345678901234567890.10"):
        found = translate(CHANNEL, body.replace(b"7.500", number))
        assert found.hold is None
        assert b'"value":' + number + b"," in encode(found.bundle)


# --- names


def test_the_same_thing_from_the_same_sender_has_the_same_id_and_from_another_a_different_one() -> None:
    first = carried(read(bundle(plan())), "CarePlan")[0]["id"]
    later = bundle(plan(status="completed"), head=header(id="h2"), id="b2")
    assert carried(read(later), "CarePlan")[0]["id"] == first
    elsewhere = bundle(plan(), head=header(source={"endpoint": "https://other.example"}))
    assert carried(read(elsewhere), "CarePlan")[0]["id"] != first
    assert PERSON.nhs_number not in first


def transient(*resources: Json, number: int = 1) -> Json:
    """Ids and fullUrls that are new with every message, as EPS and BaRS send them."""
    message = bundle(*resources)
    for position, entry in enumerate(message["entry"]):
        name = f"00000000-0000-4000-8000-{number:06}{position:06}"
        entry["fullUrl"], entry["resource"] = f"urn:uuid:{name}", entry["resource"] | {"id": name}
    person = message["entry"][1]["fullUrl"]
    return dict(json.loads(json.dumps(message).replace("Patient/p1", person)))


def test_a_business_identifier_names_what_has_a_new_id_every_time() -> None:
    identified = request(identifier=[{"system": "urn:x", "value": "line-1"}])
    ids = {carried(read(transient(identified, number=n)), "MedicationRequest")[0]["id"] for n in (1, 2)}
    assert len(ids) == 1


def test_two_resources_that_share_an_identifier_stay_two() -> None:
    shared = [{"system": "urn:x", "value": "report-1"}]
    message = transient(result(identifier=shared), result(identifier=shared, valueCodeableConcept={"text": "Negative"}))
    found = read(message)
    assert len({one["id"] for one in carried(found, "Observation")}) == 2
    sound(found, message)


@pytest.mark.parametrize(
    "reference",
    ["MedicationRequest/rx1", f"{SENDER}/MedicationRequest/rx1", "MedicationRequest/rx1/_history/4"],
)
def test_every_form_of_reference_becomes_the_internal_one(reference: str) -> None:
    dose = administration(METHADONE, resource_id="a", given="2026-01-14T08:00:00Z", text="x") | {
        "subject": {"reference": f"{SENDER}/Patient/p1"},
        "request": {"reference": reference},
    }
    message = bundle(request(), dose)
    found = read(message)
    wanted = f"MedicationRequest/{carried(found, 'MedicationRequest')[0]['id']}"
    assert carried(found, "MedicationAdministration")[0]["request"] == {"reference": wanted}
    sound(found, message)
    alone = read(bundle(dose))
    assert carried(alone, "MedicationAdministration")[0]["request"] == {"reference": wanted}


def test_a_reference_to_nothing_is_listed_and_what_it_leaves_says_unknown() -> None:
    message = bundle(plan(author={"reference": "urn:uuid:00000000-0000-4000-8000-000000000077"}))
    found = read(message)
    assert "reference" not in carried(found, "CarePlan")[0]["author"]
    assert [field.source for field in found.fields if field.fate is Fate.UNSUPPORTED] == [
        "Bundle.entry[2].resource.author.reference"
    ]
    sound(found, message)


def test_what_a_resource_contains_is_lifted_out() -> None:
    medicine = {"resourceType": "Medication", "id": "med", "code": {"text": "Methadone 1mg/ml oral solution"}}
    holder = request(medicationReference={"reference": "#med"}, contained=[medicine])
    message = bundle(without(holder, "medicationCodeableConcept"))
    found = read(message)
    lifted, holder = carried(found, "Medication")[0], carried(found, "MedicationRequest")[0]
    assert holder["medicationReference"] == {"reference": f"Medication/{lifted['id']}"}
    assert "contained" not in holder
    sound(found, message)


@pytest.mark.parametrize("inner", [request(id="in"), consent(id="in"), plan(id="in")])
def test_a_contained_prescription_plan_or_consent_is_not_made_one(inner: Json) -> None:
    holder = result(
        contained=[inner], note=[{"text": "x"}], derivedFrom=[{"reference": "#in"}], basedOn=[{"reference": "#in"}]
    )
    keep = "basedOn" if inner["resourceType"] != "Consent" else "derivedFrom"
    message = bundle(without(holder, *({"basedOn", "derivedFrom"} - {keep})))
    found = read(message)
    if found.hold is None:
        assert carried(found, inner["resourceType"]) == []
        assert found.events == (Event.TEST_RESULT,)
        sound(found, message)
    else:  # R4 does not allow the reference at all
        assert found.hold.code is HoldCode.UNREADABLE_CONTENT


# --- whose it is


@pytest.mark.parametrize(
    ("message", "code", "path"),
    [
        (bundle(person={}), HoldCode.NO_PERSON, "Bundle.entry"),
        (bundle(person=without(patient(), "identifier")), HoldCode.NO_PERSON, "Bundle.entry[1].resource.identifier"),
        (
            bundle(person=patient(identifier=[{"system": systems.NHS_NUMBER, "value": "9990000019"}])),
            HoldCode.NO_PERSON,
            "Bundle.entry[1].resource.identifier",
        ),
        (bundle(OTHER_PERSON), HoldCode.TWO_PEOPLE, "Bundle.entry[2].resource"),
        (bundle(patient() | {"id": "p3"}), HoldCode.TWO_PEOPLE, "Bundle.entry[2].resource"),
        (bundle(plan(subject={"reference": "Patient/p2"})), HoldCode.TWO_PEOPLE, "Bundle.entry[2].resource.subject"),
        (
            bundle(plan(subject={"reference": "https://elsewhere.example/Patient/77"})),
            HoldCode.TWO_PEOPLE,
            "Bundle.entry[2].resource.subject",
        ),
        (
            bundle(plan(subject={"identifier": {"system": systems.NHS_NUMBER, "value": SECOND_NUMBER}})),
            HoldCode.TWO_PEOPLE,
            "Bundle.entry[2].resource.subject",
        ),
        (
            bundle(plan(subject=ABOUT | {"identifier": {"system": systems.NHS_NUMBER, "value": SECOND_NUMBER}})),
            HoldCode.TWO_PEOPLE,
            "Bundle.entry[2].resource.subject.identifier",
        ),
        (bundle(plan(subject={"display": "somebody"})), HoldCode.NO_PERSON, "Bundle.entry[2].resource.subject"),
        (bundle(plan(subject={"reference": "Group/g"})), HoldCode.NO_PERSON, "Bundle.entry[2].resource.subject"),
        (bundle(plan(author={"reference": "Patient/p2"})), HoldCode.TWO_PEOPLE, "Bundle.entry[2].resource.author"),
        (
            bundle(person=patient(link=[{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}])),
            HoldCode.TWO_PEOPLE,
            "Bundle.entry[1].resource.link",
        ),
        (
            bundle(person=patient(link=[{"other": {"reference": "Patient/p2"}, "type": "seealso"}])),
            HoldCode.TWO_PEOPLE,
            "Bundle.entry[1].resource.link[0].other",
        ),
        (
            bundle(
                person=patient(
                    identifier=[
                        {"system": systems.NHS_NUMBER, "value": PERSON.nhs_number},
                        {"system": systems.NHS_NUMBER, "value": SECOND_NUMBER},
                    ]
                )
            ),
            HoldCode.TWO_PEOPLE,
            "Bundle.entry[1].resource.identifier[1]",
        ),
        (
            bundle(plan(contained=[OTHER_PERSON], contributor=[{"reference": "#p2"}])),
            HoldCode.TWO_PEOPLE,
            "Bundle.entry[2].resource.contained[0]",
        ),
    ],
)
def test_a_message_about_two_people_or_nobody_is_held(message: Json, code: HoldCode, path: str) -> None:
    found = read(message)
    assert found.hold is not None
    assert found.hold.code is code
    assert found.hold.path == path
    if code is HoldCode.TWO_PEOPLE:
        assert "entry" not in found.bundle
    sound(found, message)


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p1", "display": CANARY},
        {"reference": f"{SENDER}/Patient/p1", "type": "Patient"},
        {"identifier": {"system": systems.NHS_NUMBER, "value": PERSON.nhs_number}},
        {"reference": "Patient/p1", "identifier": {"system": systems.NHS_NUMBER, "value": PERSON.nhs_number}},
        {"reference": "#p2"},
    ],
)
def test_every_way_to_name_the_person_means_the_person(subject: Json) -> None:
    same = [OTHER_PERSON | {"identifier": patient()["identifier"]}] if subject == {"reference": "#p2"} else None
    message = bundle(plan(subject=subject, **({"contained": same} if same else {})))
    found = read(message)
    assert found.hold is None
    assert carried(found, "CarePlan")[0]["subject"] == {"reference": "Patient/patient"}
    sound(found, message)


def test_what_does_not_say_whom_it_is_about_is_kept_back() -> None:
    message = bundle(plan(), without(result(), "subject"))
    found = read(message)
    assert found.hold is None
    assert carried(found, "Observation") == []
    assert [task.code for task in found.tasks] == ["kept-back"]
    sound(found, message)


# --- what is not known


MODIFIER = {"url": "urn:not-known", "valueBoolean": True}


@pytest.mark.parametrize(
    "kept_back",
    [
        plan(modifierExtension=[MODIFIER]),
        plan(implicitRules="urn:rules"),
        plan(activity=[{"detail": {"status": "completed"}, "modifierExtension": [MODIFIER]}]),
        request(dosageInstruction=[{"text": "x", "modifierExtension": [MODIFIER]}]),
    ],
)
def test_an_unknown_modifier_or_rule_keeps_that_resource_back(kept_back: Json) -> None:
    message = bundle(kept_back, result())
    found = read(message)
    assert found.hold is None
    assert carried(found, kept_back["resourceType"]) == []
    assert len(carried(found, "Observation")) == 1
    assert "kept-back" in [task.code for task in found.tasks]
    assert "Bundle.entry[2].resource" in paths(found.issues)
    lost = [field for field in found.fields if field.source.startswith("Bundle.entry[2].resource.")]
    assert lost
    assert all(field.fate is Fate.UNSUPPORTED for field in lost)
    sound(found, message)


def test_a_modifier_hidden_by_an_escape_is_still_seen() -> None:
    body = json.dumps(bundle(plan(modifierExtension=[MODIFIER]))).replace(
        "modifierExtension", "modifierE\\u0078tension"
    )
    assert carried(translate(CHANNEL, body.encode()), "CarePlan") == []


@pytest.mark.parametrize("change", [{"modifierExtension": [MODIFIER]}, {"implicitRules": "urn:rules"}])
def test_a_consent_is_carried_whole_because_it_may_still_deny(change: Json) -> None:
    message = bundle(consent(**change))
    found = read(message)
    assert found.events == (Event.CONSENT,)
    assert change.items() <= carried(found, "Consent")[0].items()
    sound(found, message)


def test_a_consent_keeps_a_reference_that_leads_nowhere() -> None:
    """Who is meant is then unknown, and unknown can deny; dropped, it would read as everybody or nobody."""
    actor = {"role": {"text": "x"}, "reference": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000077"}}
    found = read(bundle(consent(provision={"actor": [actor]})))
    assert carried(found, "Consent")[0]["provision"]["actor"][0]["reference"] == actor["reference"]


@pytest.mark.parametrize(
    "message",
    [
        bundle(plan(), implicitRules="urn:rules"),
        bundle(plan(), head=header(modifierExtension=[MODIFIER])),
        bundle(plan(), person=patient(modifierExtension=[MODIFIER])),
        bundle(plan(), person=patient(implicitRules="urn:rules")),
    ],
)
def test_an_unknown_rule_of_the_message_or_the_person_holds_it(message: Json) -> None:
    found = read(message)
    assert found.hold is not None
    assert found.hold.code is HoldCode.UNREADABLE_CONTENT
    sound(found, message)


UNKNOWN = {"url": "urn:not-known", "valueString": CANARY}
PHARMACY = {
    "url": systems.UK_CORE_NOMINATED_PHARMACY,
    "valueReference": {"identifier": {"system": systems.ODS, "value": "FZZ99"}},
}


def test_an_unknown_extension_is_left_out_listed_and_counted() -> None:
    name = {"family": PERSON.family, "given": [PERSON.given, None], "_given": [None, {"extension": [UNKNOWN]}]}
    person = patient(extension=[PHARMACY, UNKNOWN], name=[name], _birthDate={"extension": [UNKNOWN]})
    message = bundle(plan(extension=[UNKNOWN]), person=person)
    found = read(message)
    assert found.hold is None
    assert CANARY not in encode(found.bundle).decode()
    kept = carried(found, "Patient")[0]
    assert kept["extension"] == [PHARMACY]
    assert kept["name"] == [{"family": PERSON.family, "given": [PERSON.given]}]
    assert "_birthDate" not in kept
    assert "extension" not in carried(found, "CarePlan")[0]
    assert [issue.text[:13] for issue in found.issues if issue.code == "extension"] == ["4 extensions "]
    assert len([field for field in found.fields if field.fate is Fate.UNSUPPORTED]) == 8
    sound(found, message)


def test_a_known_extension_is_carried_with_all_that_it_nests() -> None:
    death = {
        "url": systems.UK_CORE + "Extension-UKCore-DeathNotificationStatus",
        "extension": [{"url": "systemEffectiveDate", "valueDateTime": "2026-01-01"}],
    }
    assert death["url"] in KNOWN_EXTENSIONS
    found = read(bundle(person=patient(extension=[death])))
    assert carried(found, "Patient")[0]["extension"] == [death]


def test_a_type_that_does_not_join_a_file_is_listed() -> None:
    relative = {"resourceType": "RelatedPerson", "id": "r", "patient": ABOUT, "name": [{"family": CANARY}]}
    message = bundle(plan(), relative, {"resourceType": "ImagingStudy", "id": "i", "status": "available"})
    found = read(message)
    assert found.hold is None
    assert CANARY not in encode(found.bundle).decode()
    texts = [issue.path for issue in found.issues if issue.code == "not-supported"]
    assert {"Bundle.entry[3].resource", "Bundle.entry[4].resource"} <= set(texts)
    sound(found, message)


def test_labels_of_the_sender_raise_and_never_lower() -> None:
    low = [{"system": systems.CONFIDENTIALITY, "code": "U"}, {"system": systems.ACT_CODE, "code": "SDV"}]
    unknown = result(
        code={"text": "Weight"}, meta={"security": low, "tag": [{"code": "x"}], "profile": ["urn:x"], "versionId": "7"}
    )
    found = read(bundle(unknown))
    nobody_knows = {"system": systems.CONTENT, "code": "unrecognised"}
    assert carried(found, "Observation")[0]["meta"] == {"versionId": "7", "security": [low[1], nobody_knows]}
    high = [{"system": systems.CONFIDENTIALITY, "code": "V"}]
    labels = carried(read(bundle(plan(meta={"security": high}))), "CarePlan")[0]["meta"]["security"]
    assert [label["code"] for label in labels] == ["V", "SUD"]


def test_invalid_r4_is_held_with_its_places_and_without_its_content() -> None:
    message = bundle(plan(status=CANARY, title=""))
    found = read(message)
    assert found.hold is not None
    assert found.hold.code is HoldCode.UNREADABLE_CONTENT
    assert {"Bundle.entry[2].resource.status", "Bundle.entry[2].resource.title"} <= set(paths(found.issues))
    assert CANARY not in str((found.issues, found.hold, found.fields))
    sound(found, message)


# --- drug tests and medicines


def purposes(resource: Json) -> list[str]:
    return [
        coding["code"]
        for category in resource.get("category", [])
        for coding in category.get("coding", [])
        if coding.get("system") == systems.TEST_PURPOSE
    ]


ORDER = {"resourceType": "ServiceRequest", "id": "sr1", "status": "active", "intent": "order", "subject": ABOUT}
REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "dr1",
    "status": "final",
    "code": {"text": "Urine drug screen"},
    "subject": ABOUT,
    "result": [{"reference": "Observation/obs1"}],
}
BASED = {"basedOn": [{"reference": "ServiceRequest/sr1"}]}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([result(category=[{"text": "Therapeutic"}])], ["therapeutic"]),
        ([result(category=[{"coding": [{"system": systems.TEST_PURPOSE, "code": "compact"}]}])], ["compact"]),
        ([ORDER | {"reasonCode": [{"text": "Mandatory"}]}, result(**BASED)], ["mandatory"]),
        ([ORDER | {"category": [{"text": "compact"}]}, result(**BASED)], ["compact"]),
        ([ORDER | {"reasonCode": [{"text": "mandatory"}]}, result(**BASED, category=[{"text": "therapeutic"}])], ["therapeutic", "mandatory"]),
        ([ORDER | {"reasonCode": [{"text": "mandatory"}]}, result()], []),
        ([ORDER | {"reasonCode": [{"text": "because he asked"}]}, result(**BASED)], []),
        ([result()], []),
    ],
)  # fmt: skip
def test_the_purpose_of_a_drug_test_is_written_where_it_is_said(resources: list[Json], expected: list[str]) -> None:
    message = bundle(*resources)
    found = read(message)
    assert found.hold is None
    assert purposes(carried(found, "Observation")[0]) == expected
    assert ("purpose-unknown" in [task.code for task in found.tasks]) is (not expected)
    sound(found, message)


def test_a_report_says_the_purpose_for_its_results() -> None:
    found = read(bundle(REPORT | {"category": [{"text": "therapeutic"}]}, result()))
    assert purposes(carried(found, "DiagnosticReport")[0]) == ["therapeutic"]
    assert found.tasks == ()


def test_a_drug_test_carries_group_method_and_establishment() -> None:
    found = carried(read(bundle(result())), "Observation")[0]
    assert {"system": systems.SUBSTANCE_GROUP, "code": "opiates"} in found["code"]["coding"]
    assert {"system": systems.TEST_METHOD, "code": "screening"} in found["method"]["coding"]
    place = {"system": systems.AGENCY, "value": "ZFG"}
    assert found["extension"] == [{"url": systems.ESTABLISHMENT_EXTENSION, "valueIdentifier": place}]


def test_what_is_no_drug_test_gets_none_of_it() -> None:
    said = result(category=[{"coding": [{"code": "social-history"}]}])
    for resource in (result(code={"text": "Weight"}), said):
        found = carried(read(bundle(resource)), "Observation")[0]
        assert systems.SUBSTANCE_GROUP not in json.dumps(found)
        assert "method" not in found


def test_an_earlier_code_of_a_medicine_gets_the_current_one_beside_it() -> None:
    earlier = {"system": systems.DMD, "code": "322591003", "display": "Methadone 5mg tablets"}
    found = carried(read(bundle(request(medicationCodeableConcept={"coding": [earlier]}))), "MedicationRequest")[0]
    codings = found["medicationCodeableConcept"]["coding"]
    assert codings[0] == earlier
    assert codings[1]["code"] == "42385311000001106"
    wrong = {"system": systems.DMD, "code": "999", "display": "Methadone 5mg tablets"}
    kept = carried(read(bundle(request(medicationCodeableConcept={"coding": [wrong]}))), "MedicationRequest")[0]
    assert kept["medicationCodeableConcept"]["coding"] == [wrong]


# --- total


def mutate(value: Any, data: st.DataObject) -> Any:
    """Walk to a random place and replace, remove or repeat what is there."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        changed = dict(value)
        changed[key] = mutate(value[key], data)
        return changed
    if isinstance(value, list) and value and data.draw(st.integers(0, 5)):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutate(value[at], data), *value[at + 1 :]]
    return data.draw(
        st.sampled_from(
            [None, True, 0, -1, 1.5, "", "x", "#x", "Patient/p2", "urn:uuid:0", [], [None], {}, {"reference": "#"},
             {"extension": [UNKNOWN]}, [{"url": "urn:x"}], "2026-02-30", [value], [value, value], {"x": value}, "Bundle", "Patient"]
        )
    )  # fmt: skip


FULL = bundle(
    plan(contained=[{"resourceType": "Practitioner", "id": "d"}], author={"reference": "#d"}),
    request(),
    consent(provision={"actor": [{"role": {"text": "x"}, "reference": {"display": "x"}}]}),
    ORDER | {"reasonCode": [{"text": "therapeutic"}]},
    REPORT,
    result(**BASED, component=[{"code": {"text": "x"}, "valueString": "y"}]),
    {"resourceType": "Organization", "id": "org", "identifier": [{"system": systems.ODS, "value": "FZZ99"}]},
)


@given(st.data())
def test_whatever_a_message_says_is_translated_or_held_and_fully_accounted_for(data: st.DataObject) -> None:
    message = copy.deepcopy(FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        message = mutate(message, data)
    found = read(message) if isinstance(message, dict) else translate(CHANNEL, json.dumps(message).encode())
    assert isinstance(found, Translation)
    assert not [issue for issue in found.issues if issue.code == "exception"]
    if found.fields:
        sound(found, message)
    else:
        assert found.hold is not None


@given(st.permutations(range(1, 9)))
def test_the_order_of_entries_does_not_matter(order: list[int]) -> None:
    shuffled = FULL | {"entry": [FULL["entry"][0], *(FULL["entry"][position] for position in order)]}
    one, other = read(FULL), read(shuffled)
    for kind in ("CarePlan", "Observation", "Practitioner", "Consent"):
        assert carried(one, kind) == carried(other, kind)
    assert one.events == other.events


@given(st.binary(max_size=60), st.sampled_from(["fhir", "hl7v2"]))
def test_any_bytes_are_held_and_never_raise(body: bytes, form: Any) -> None:
    found = translate(Channel(name="x", format=form), body)
    assert found.hold is not None
    assert found.hold.code is HoldCode.UNREADABLE_CONTENT


def test_the_full_message_is_not_held() -> None:
    """Without this the properties above could hold of nothing."""
    found = read(FULL)
    assert found.hold is None
    assert len(found.bundle["entry"]) == 10
    sound(found, FULL)


# --- sabotage


def test_a_mapping_that_breaks_holds_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(channel: Channel, body: bytes) -> Translation:
        raise KeyError(CANARY)

    monkeypatch.setattr(translator, "MAPPINGS", {**MAPPINGS, "fhir-message": broken})
    found = read(bundle(plan()))
    assert found.hold is not None
    assert [issue.code for issue in found.issues] == ["exception"]
    assert CANARY not in str(found)


def test_a_mapping_whose_result_is_not_valid_holds_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(channel: Channel, body: bytes) -> Translation:
        made = fhir_message.translate(channel, body)
        made.bundle["entry"][1]["resource"]["status"] = "wrong"
        return made

    monkeypatch.setattr(translator, "MAPPINGS", {**MAPPINGS, "fhir-message": wrong})
    found = read(bundle(plan()))
    assert found.hold is not None
    assert found.hold.code is HoldCode.UNREADABLE_CONTENT
    assert "Bundle.entry[1].resource.status" in paths(found.issues)


def test_a_kind_without_a_mapping_holds_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translator, "MAPPINGS", {})
    assert read(bundle(plan())).hold is not None


def test_a_leaf_that_a_mapping_forgets_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Carrier.leave
    monkeypatch.setattr(Carrier, "leave", lambda self, value, *rest: original(self, {}, *rest))
    message = bundle(plan(text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}))
    with pytest.raises(AssertionError):
        sound(read(message), message)


# --- HL7 v2 through the same door


def test_an_hl7_v2_message_is_finished_the_same_way() -> None:
    found = translate(Channel(name="v2", format="hl7v2"), adt_a01())
    assert found.hold is None
    assert carried(found, "Provenance")[0]["activity"]["coding"][0]["code"] == "A01"
    assert all("security" in entry["resource"].get("meta", {}) for entry in found.bundle["entry"])
    assert not invalid(validate(found.bundle))


@pytest.mark.samples
def test_official_messages_are_understood_or_held_for_a_reason() -> None:
    """EPS, BaRS, PDS and UK Core: 118 understood, 95 name nobody who can be found, 5 are not valid R4."""
    outcomes: dict[str, int] = {}
    for file in fhir_examples():
        body = file.read_bytes()
        if peek(CHANNEL, body).__class__.__name__ == "Refusal":
            continue
        found = translate(CHANNEL, body)
        sound(found, decode(body))
        assert not [issue for issue in found.issues if issue.severity is Severity.FATAL]
        outcome = found.hold.code.value if found.hold else "understood"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes == {"understood": 118, "no-person": 95, "unreadable-content": 5}


@pytest.mark.parametrize(
    ("status", "said"),
    [("unsatisfactory", ["specimen unsatisfactory"]), ("unavailable", ["specimen unavailable"]), ("available", [])],
)
def test_a_result_of_a_specimen_of_no_use_is_no_negative(status: str, said: list[str]) -> None:
    """No letter and no count holds the Specimen: its result says it."""
    taken = {"resourceType": "Specimen", "id": "s1", "status": status, "subject": result()["subject"]}
    clear = result(specimen={"reference": "Specimen/s1"}, valueCodeableConcept={"text": "Negative"})
    read_back = read(bundle(taken, clear))
    (found,) = carried(read_back, "Observation")
    assert [each["text"] for each in found.get("interpretation", ()) if "text" in each] == said
    (test,) = facts_of_tests([entry["resource"] for entry in (read_back.bundle or {})["entry"]])
    assert test.result == ("unknown" if said else "negative")


def test_a_risk_that_no_letter_can_hold_is_seen_by_a_person() -> None:
    """R075: risk is never left out in silence."""
    risk = {"resourceType": "RiskAssessment", "id": "ra", "status": "final", "subject": ABOUT}
    found = read(bundle(risk))
    (issue,) = [
        each for each in found.issues if each.path.endswith("entry[2].resource") and each.code == "not-supported"
    ]
    assert issue.severity is Severity.WARNING
    assert [task.code for task in found.tasks] == ["kept-back"]
    other = read(bundle({"resourceType": "Immunization", "id": "i", "status": "completed", "patient": ABOUT}))
    assert other.tasks == ()


def test_a_code_and_words_of_two_strengths_are_a_warning() -> None:
    coded = {
        "coding": [{"system": systems.SNOMED, "code": "36120711000001104"}],
        "text": "Methadone 10mg/ml oral solution",
    }
    found = read(bundle(request(medicationCodeableConcept=coded)))
    assert [each.path for each in found.issues if "another strength" in each.text] == ["Bundle.entry[2].resource"]
    same = read(bundle(request(medicationCodeableConcept=coded | {"text": "Methadone 1mg/ml"})))
    assert not [each for each in same.issues if "another strength" in each.text]


def test_the_ledger_calls_of_the_header_only_what_is_carried_mapped() -> None:
    """Names, versions and telephone numbers of the sending program were said to be in the Provenance, and any sender to be the establishment."""
    source = {"endpoint": SENDER, "name": "Patient Manager", "software": "PM", "version": "1.7"}
    ods = {"identifier": {"system": systems.ODS, "value": "X2601"}, "display": "Somebody"}
    prison = {"identifier": {"system": systems.AGENCY, "value": "LEI"}, "display": "HMP Leeds"}
    for sender, fate in ((ods, "minimised"), (prison, "mapped")):
        translation = read(bundle(plan(), head=header(source=source, sender=sender)))
        fates = {
            each.source.partition("resource.")[2]: each.fate.value
            for each in translation.fields
            if "[0]" in each.source
        }
        assert fates["source.endpoint"] == "mapped"
        assert fates["sender.identifier.value"] == fate
        for place in ("source.name", "source.software", "source.version", "sender.display"):
            assert fates[place] == "minimised", place
