"""Labels: every row fires, nothing is ever lowered, nothing unknown is labelled, and nothing but meta.security changes."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles import systems
from fhir_profiles.label import (
    CONFIDENTIALITY_ORDER,
    LabelTableError,
    label_bundle,
    label_resource,
    label_rules,
    read_rules,
)
from fhir_profiles.validate import resource_types

Json = dict[str, Any]


def codes(resource: Json) -> list[str]:
    return [label["code"] for label in resource.get("meta", {}).get("security", [])]


def about(kind: str, **members: Any) -> Json:
    return {"resourceType": kind, "id": "a", **members}


def text(words: str) -> Json:
    return {"text": words}


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


METHADONE = text("Methadone 1mg/ml oral solution")
CASES = [
    (about("Patient", name=[{"family": "Heroin", "text": "Hiv Heroin"}]), ["N"]),
    (about("Organization", name="Heroin House"), ["N"]),
    (about("Practitioner"), ["N"]),
    (about("Encounter"), ["N"]),
    (about("Encounter", reasonCode=[text("Overdose")]), ["R", "SUD"]),
    (about("Consent"), ["R"]),
    (about("Observation", code=coded(systems.LOINC, "19295-5")), ["R", "SUD"]),
    (about("Observation", code=text("x"), category=[coded(systems.TEST_PURPOSE, "mandatory")]), ["R", "SUD"]),
    (about("Observation", code=text("x"), component=[{"code": coded(systems.LOINC, "19295-5")}]), ["R", "SUD"]),
    (about("DiagnosticReport", code=text("Urine drug screen")), ["R", "SUD"]),
    (about("MedicationRequest", medicationCodeableConcept=METHADONE), ["R", "SUD", "OPIOIDUD"]),
    (about("MedicationAdministration", medicationCodeableConcept=METHADONE), ["R", "SUD", "OPIOIDUD"]),
    (about("MedicationStatement", medicationCodeableConcept=text("Acamprosate 333mg")), ["R", "SUD", "ETHUD"]),
    (
        about("MedicationRequest", medicationCodeableConcept=text("Lofexidine 200microgram tablets")),
        ["R", "SUD", "OPIOIDUD"],
    ),
    (about("Medication", code=METHADONE), ["R", "SUD", "OPIOIDUD"]),
    (about("Medication", ingredient=[{"itemCodeableConcept": METHADONE}]), ["R", "SUD", "OPIOIDUD"]),
    (about("CarePlan", title="Substance misuse care plan"), ["R", "SUD"]),
    (about("CarePlan", category=[coded(systems.SNOMED, "1365691000000109")]), ["R", "SUD"]),
    (about("Condition", code=coded(systems.SNOMED, "75544000")), ["R", "SUD", "OPIOIDUD"]),
    (about("Condition", code=coded(systems.SNOMED, "66590003")), ["R", "SUD", "ETHUD"]),
    (about("Condition", code=coded(systems.SNOMED, "86406008")), ["R", "HIV"]),
    (about("Condition", code=text("Schizophrenia")), ["R", "PSY"]),
    (about("Flag", code=text("ACCT open: risk of self-harm")), ["R", "PSY"]),
    (about("Flag", code=text("Domestic violence, perpetrator")), ["R", "SDV"]),
    (about("Condition", code=text("Hepatitis C")), ["R"]),
    (about("Condition", code=text("Syphilis")), ["R", "STD"]),
    # what no row recognises has no label
    (about("Observation", code=text("Blood pressure")), []),
    (about("Condition", code=text("Fracture of the wrist")), []),
    (about("MedicationRequest", medicationCodeableConcept=text("Amoxicillin 500mg capsules")), []),
    (about("CarePlan", title="Diabetes care plan"), []),
    (about("Flag", code=text("Archived aidsuit")), []),
    (about("Basic", code=text("something")), []),
    (about("Unheard"), []),
]


@pytest.mark.parametrize(("resource", "expected"), CASES)
def test_what_a_resource_is_about_decides_its_labels(resource: Json, expected: list[str]) -> None:
    before = copy.deepcopy(resource)
    labelled = label_resource(resource)
    assert codes(labelled) == expected
    assert resource == before
    assert label_resource(labelled) == labelled
    assert {key: value for key, value in labelled.items() if key != "meta"} == before


def test_every_row_of_the_table_fires_somewhere_and_says_why() -> None:
    fired = set()
    for rule in label_rules():
        assert rule.reason
        for resource, expected in CASES:
            if (
                expected
                and (not rule.types or resource["resourceType"] in rule.types)
                and set(rule.sensitivity) <= set(expected)
            ):
                fired.add(rule.name)
    assert fired == {rule.name for rule in label_rules()}
    assert len({rule.name for rule in label_rules()}) == len(label_rules())
    assert {kind for rule in label_rules() for kind in rule.types} <= resource_types()


SENSITIVE = about("Observation", code=coded(systems.LOINC, "19295-5"))


@pytest.mark.parametrize("level", CONFIDENTIALITY_ORDER)
def test_a_label_only_rises(level: str) -> None:
    resource = SENSITIVE | {
        "meta": {"versionId": "3", "security": [{"system": systems.CONFIDENTIALITY, "code": level}]}
    }
    labelled = label_resource(resource)
    highest = max(level, "R", key=CONFIDENTIALITY_ORDER.index)
    assert codes(labelled) == [highest, "SUD"]
    assert labelled["meta"]["versionId"] == "3"


def test_labels_that_are_there_stay() -> None:
    others = [{"system": systems.ACT_CODE, "code": "SDV"}, {"system": "urn:x", "code": "own"}]
    labelled = label_resource(SENSITIVE | {"meta": {"security": others}})
    assert codes(labelled) == ["R", "SDV", "own", "SUD"]
    unknown = label_resource(about("Basic", meta={"security": others}))
    assert codes(unknown) == ["SDV", "own", "unrecognised"]
    assert label_resource(unknown) is unknown
    silent = about("Basic")
    assert label_resource(silent) is silent


def test_a_bundle_follows_what_explains_a_resource() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": about("MedicationRequest", medicationReference={"reference": "Medication/m"})},
            {"resource": {"resourceType": "Medication", "id": "m", "code": METHADONE}},
            {"resource": about("CarePlan", addresses=[{"reference": "Condition/c"}])},
            {"resource": {"resourceType": "Condition", "id": "c", "code": coded(systems.SNOMED, "75544000")}},
            {"resource": about("CarePlan", addresses=[{"display": "Opioid dependence"}])},
            {"resource": about("MedicationRequest", medicationReference={"reference": "Medication/elsewhere"})},
        ],
    }
    labelled = [codes(entry["resource"]) for entry in label_bundle(bundle)["entry"]]
    opioid = ["R", "SUD", "OPIOIDUD"]
    assert labelled == [opioid, opioid, opioid, opioid, opioid, []]
    assert label_bundle(label_bundle(bundle)) == label_bundle(bundle)


def test_a_contained_medicine_labels_its_holder() -> None:
    medicine = {"resourceType": "Medication", "id": "m", "code": METHADONE}
    assert (
        codes(
            label_resource(about("MedicationRequest", medicationReference={"reference": "#m"}, contained=[medicine]))
        )[0]
        == "R"
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "code", "system", "text", "display", "reference", "resourceType", "security"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
MEMBERS = st.dictionaries(
    st.sampled_from(
        ["code", "category", "meta", "component", "medicationReference", "addresses", "contained", "title", "name"]
    ),
    ANYTHING,
)


@given(st.sampled_from([*sorted(resource_types()), "Other"]) | ANYTHING, MEMBERS)
def test_malformed_content_never_raises_and_labelling_is_idempotent(kind: Any, members: Json) -> None:
    resource = {"resourceType": kind, **members}
    labelled = label_resource(resource)
    assert label_resource(labelled) == labelled
    label_bundle({"resourceType": "Bundle", "entry": [{"resource": resource}, resource, kind]})


@pytest.mark.parametrize(
    "row",
    [
        'name = "x"\nwords = ["a"]\nconfidentiality = "R"\nsensitivity = []\nreason = " "',
        'name = "x"\nwords = ["a"]\nconfidentiality = "Q"\nsensitivity = []\nreason = "why"',
        'name = "x"\nquestion = "guess"\nconfidentiality = "R"\nsensitivity = []\nreason = "why"',
        'name = "x"\nwords = ["a"]\nconfidentiality = "R"\nsensitivity = []\nreason = "why"\nextra = 1',
        'name = "x"\nconfidentiality = "R"\nsensitivity = []\nreason = "why"',
        'name = "x"\nwords = ["a"]\nconfidentiality = "R"\nreason = "why"',
    ],
)
def test_a_row_that_does_not_say_everything_is_an_error(row: str) -> None:
    with pytest.raises(LabelTableError):
        read_rules(f"[[rule]]\n{row}\n")
