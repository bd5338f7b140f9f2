"""The allow-list, and that nobody else can make what the gate takes. Each guard is shown to fail."""

import copy
import dataclasses
import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.minimise import PSEUDONYM, PSEUDONYM_SYSTEM, WITHHELD_TEXT, NothingLeaves, Released, minimise, rebuilt_id
from consent.paths import PathError, compile_paths, permits, steps
from consent.sensitive import NOT_NAMED
from consent.shapes import Decision, Naming, Outcome, ResourceVote, Unplaced, Vote
from tests.consent.letters import LETTERS, bundle, letter, resources_of, send
from tests.consent.made import (
    LABELS,
    NAMING,
    NHS,
    PRISON_NUMBER,
    actor,
    agreement,
    ask,
    fhir_consent,
    label,
    patient,
    provision,
    resource,
)

Json = dict[str, Any]
TEXT = json.dumps


def decided(
    *resources: Json, permitted: tuple[str, ...], systems: tuple[str, ...] = (), marker: bool = False
) -> Decision:
    whole = ask(resources=(patient(), resource()))
    votes = tuple(
        ResourceVote(resource=f"{item['resourceType']}/{item['id']}", vote=Vote.PERMIT, rule="implied")
        for item in resources
    )
    return dataclasses.replace(
        whole, votes=votes, permitted=permitted, identifier_systems=systems, withheld_marker=marker
    )


def project(item: Json, *permitted: str, systems: tuple[str, ...] = ()) -> Json:
    made = minimise(bundle(item), decided(item, permitted=permitted, systems=systems), NAMING).bundle["entry"][0][
        "resource"
    ]
    return {key: value for key, value in made.items() if key not in ("resourceType", "id")}


# Who may make a Released


def test_only_minimise_makes_a_released() -> None:
    with pytest.raises(TypeError):
        Released(bundle={}, withheld=(), made_by=object())
    with pytest.raises(TypeError):
        Released(bundle={}, withheld=())  # type: ignore[call-arg] # sabotage: mypy refuses it too
    real = send(letter("correction"), "correction")
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(real, bundle={"resourceType": "Bundle"})  # type: ignore[call-arg] # sabotage: mypy refuses it too
    with pytest.raises(dataclasses.FrozenInstanceError):
        real.bundle = {}  # type: ignore[misc] # sabotage: it is frozen


@pytest.mark.parametrize("outcome", [Outcome.HOLD, Outcome.WITHHOLD, Outcome.COUNTED])
def test_what_is_not_released_cannot_be_minimised(outcome: Outcome) -> None:
    decision = dataclasses.replace(decided(resource(), permitted=("Observation.status",)), outcome=outcome)
    with pytest.raises(NothingLeaves):
        minimise(bundle(resource()), decision, NAMING)


def test_without_a_key_nothing_leaves() -> None:
    decision = decided(resource(status="final"), permitted=("Observation.status",))
    for key in (b"", b"short"):
        with pytest.raises(NothingLeaves):
            minimise(bundle(resource(status="final")), decision, Naming(id_key=key))


def test_a_key_of_the_least_length_is_a_key() -> None:
    one = resource(status="final")
    decision = decided(one, permitted=("Observation.status",))
    key = b"k" * 16
    assert minimise(bundle(one), decision, dataclasses.replace(NAMING, id_key=key)).bundle["entry"]
    with pytest.raises(NothingLeaves):
        minimise(bundle(one), decision, dataclasses.replace(NAMING, id_key=key[1:]))


def test_a_letter_stays_the_kind_of_bundle_that_it_was() -> None:
    one = resource(status="final")
    for kind in ("document", "message"):
        made = minimise({**bundle(one), "type": kind}, decided(one, permitted=("Observation.status",)), NAMING)
        assert made.bundle["type"] == kind


def test_a_pseudonym_without_its_key_or_its_recipient_is_an_error() -> None:
    person = patient(identifier=[{"system": NHS, "value": "9990000018"}])
    decision = decided(person, permitted=("Patient.identifier",), systems=(PSEUDONYM + NHS,))
    for naming in ({"recipient": "one"}, {"pseudonym_key": b"k" * 32}):
        with pytest.raises(NothingLeaves):
            minimise(bundle(person), decision, dataclasses.replace(NAMING, **naming))


def test_pseudonyms_are_scoped_and_hold_nothing_of_the_number() -> None:
    person = patient(identifier=[{"system": NHS, "value": "9990000018", "assigner": {"display": "x"}}])
    decision = decided(person, permitted=("Patient.identifier",), systems=(PSEUDONYM + NHS,))

    def pseudonym(
        under: Decision, *, key: bytes = b"k" * 32, recipient: str = "one", number: str = "9990000018"
    ) -> str:
        naming = dataclasses.replace(NAMING, pseudonym_key=key, recipient=recipient)
        about = {**person, "identifier": [{**person["identifier"][0], "value": number}]}
        found = minimise(bundle(about), under, naming).bundle["entry"][0]["resource"]["identifier"]
        assert [sorted(item) for item in found] == [["system", "value"]]
        assert found[0]["system"] == PSEUDONYM_SYSTEM
        return str(found[0]["value"])

    one = pseudonym(decision)
    assert one == pseudonym(decision)
    assert "9990000018" not in one
    others = (
        pseudonym(decision, key=b"j" * 32),
        pseudonym(decision, recipient="another"),
        pseudonym(decision, number="9990000026"),
        pseudonym(dataclasses.replace(decision, recipient_class="evaluator")),
        pseudonym(dataclasses.replace(decision, agreement="other")),
        pseudonym(dataclasses.replace(decision, as_of="2027-01-01T00:00:00Z")),
    )
    assert len({one, *others}) == 7


def test_nobody_can_link_the_pseudonyms_of_two_recipients() -> None:
    """A hundred people at two recipients of one class: no pseudonym, and no beginning of one, is at both."""
    decision = decided(
        patient(identifier=[{"system": NHS, "value": "x"}]),
        permitted=("Patient.identifier",),
        systems=(PSEUDONYM + NHS,),
    )
    held: dict[str, set[str]] = {"one": set(), "another": set()}
    for recipient, values in held.items():
        naming = dataclasses.replace(NAMING, pseudonym_key=b"k" * 32, recipient=recipient)
        for number in range(100):
            person = patient(identifier=[{"system": NHS, "value": f"{number:010d}"}])
            (entry,) = minimise(bundle(person), decision, naming).bundle["entry"]
            values.add(entry["resource"]["identifier"][0]["value"])
    assert all(len(values) == 100 for values in held.values())
    assert not {each[:16] for each in held["one"]} & {each[:16] for each in held["another"]}


# Names that leave


def test_ids_are_rebuilt_under_the_letters_own_key() -> None:
    decision = decided(resource(status="final"), permitted=("Observation.status",))
    entry = minimise(bundle(resource(status="final")), decision, NAMING).bundle["entry"][0]
    assert (
        entry["resource"]["id"]
        == rebuilt_id(NAMING.id_key, "Observation/one")
        == str(uuid.UUID(entry["resource"]["id"]))
    )
    assert entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}"
    other = minimise(
        bundle(resource(status="final")), decision, Naming(id_key=b"another naming key of 32 bytes..")
    ).bundle["entry"][0]
    assert other["resource"]["id"] != entry["resource"]["id"]


@pytest.mark.parametrize(
    ("reference", "survives"),
    [
        ("Patient/patient", True),
        ("Patient/patient/_history/7", True),
        ("urn:example:me", True),
        ("Patient/other", False),
        ("Patient?identifier=x|9990000018", False),
        ("https://hmp-example.invalid/fhir/Patient/patient", False),
        ("#contained", False),
        ("urn:uuid:3f2504e0-4f89-41d3-9a0c-0305e82c3301", False),
    ],
)
def test_references_are_rebuilt_or_left_out(reference: str, *, survives: bool) -> None:
    person, one = (
        patient(active=True),
        resource(status="final", subject={"reference": reference, "type": "Patient", "display": "Ivo"}),
    )
    whole = bundle(person, one)
    whole["entry"][0]["fullUrl"] = "urn:example:me"
    decision = decided(person, one, permitted=("Patient.active", "Observation.status", "Observation.subject"))
    released = minimise(whole, decision, NAMING)
    subject = resources_of(released, "Observation")[0].get("subject")
    expected = {"reference": f"urn:uuid:{rebuilt_id(NAMING.id_key, 'Patient/patient')}"}
    assert subject == (expected if survives else None)
    if not survives:
        assert ("Observation.subject", "not-in-letter") in {(item.path, item.rule) for item in released.withheld}


def test_a_reference_that_holds_more_than_it_may_is_rebuilt_like_any_other() -> None:
    """An internal id leaves in none, whatever stands beside it."""
    person, one = patient(active=True), resource(status="final", subject={"reference": "Patient/patient", "other": 1})
    made = minimise(
        bundle(person, one), decided(person, one, permitted=("Patient.active", "Observation.subject")), NAMING
    )
    (observation,) = resources_of(made, "Observation")
    assert observation["subject"] == {"reference": f"urn:uuid:{rebuilt_id(NAMING.id_key, 'Patient/patient')}"}


def test_of_a_reference_leaves_what_is_permitted_of_it_and_the_rest_is_listed_by_its_path() -> None:
    code = {"system": "urn:example:code", "value": "ZZC01", "assigner": {"display": "An office"}}
    one = resource(performer=[{"identifier": code, "display": "Clinic"}])
    assert project(one, "Observation.performer.display") == {"performer": [{"display": "Clinic"}]}

    decision = decided(one, permitted=("Observation.performer.identifier.value",))
    made = minimise(bundle(one), decision, NAMING)
    assert resources_of(made, "Observation")[0]["performer"] == [{"identifier": {"value": "ZZC01"}}]
    assert {"Observation.performer.identifier.assigner", "Observation.performer.display"} <= {
        item.path for item in made.withheld
    }


def test_of_a_person_flagged_sensitive_every_name_of_a_reference_goes_and_is_listed() -> None:
    """That somebody is there leaves; the identifier and the name of who it is do not."""
    one = resource(performer=[{"identifier": {"system": "urn:example:code", "value": "ZZC01"}, "display": "Clinic"}])
    paths = ("Observation.performer.identifier", "Observation.performer.display")
    flagged = dataclasses.replace(decided(one, permitted=paths), unplaced=Unplaced(own=(), words=("Clinic",)))
    made = minimise(bundle(one), flagged, NAMING)
    assert resources_of(made, "Observation")[0]["performer"] == [{"display": NOT_NAMED}]
    assert {(path, "sensitive-place") for path in paths} <= {(item.path, item.rule) for item in made.withheld}


def test_of_a_person_flagged_sensitive_a_list_of_texts_names_no_place_either() -> None:
    """And a list of what is no text stays as it is."""
    one = resource("Communication", "one", description=["Seen at Fellgate", "Seen"], other=[True, 7])
    paths = ("Communication.description", "Communication.other")
    flagged = dataclasses.replace(decided(one, permitted=paths), unplaced=Unplaced(own=(), words=("Fellgate",)))
    made = minimise(bundle(one), flagged, NAMING)
    (said,) = resources_of(made, "Communication")
    assert said["description"][1] == "Seen"
    assert "Fellgate" not in TEXT(made.bundle)
    assert said["other"] == [True, 7]
    assert ("Communication.description", "sensitive-place") in {(item.path, item.rule) for item in made.withheld}


def test_of_a_person_flagged_sensitive_their_own_name_stays_where_something_is_about_them() -> None:
    one = resource(subject={"display": "Ivo"})
    flagged = dataclasses.replace(
        decided(one, permitted=("Observation.subject.display",)), unplaced=Unplaced(own=(), words=("Fellgate",))
    )
    (observation,) = resources_of(minimise(bundle(one), flagged, NAMING), "Observation")
    assert observation["subject"] == {"display": "Ivo"}


def test_an_author_of_whom_nothing_may_be_said_is_somebody_all_the_same() -> None:
    """R4 asks for one: without it the letter would be no document."""
    one = resource("Composition", "one", status="final", author=[{"display": "Dr Roe"}])
    made = project(one, "Composition.status", "Composition.author.identifier")
    assert made["author"] == [{"display": NOT_NAMED}]
    named = project(one, "Composition.status", "Composition.author.display")
    assert named["author"] == [{"display": "Dr Roe"}]


def test_what_is_shaped_like_a_reference_is_one() -> None:
    """And a reference that is no text names nothing."""
    said = {"display": "Clinic", "type": "Organization", "identifier": {"system": "urn:example:code", "value": "7"}}
    for whole in ({"reference": 7, "id": "x", "extension": [], **said}, {"reference": 7, "display": "Clinic"}):
        made = project(resource(performer=[whole]), "Observation.performer", "Observation.performer.display")
        assert made == {"performer": [{"display": "Clinic"}]}


def test_an_order_of_a_product_that_is_kept_back_is_listed_as_of_nothing() -> None:
    product = resource("Medication", "m", status="active")
    order = resource("MedicationRequest", "one", status="active", medicationReference={"reference": "Medication/m"})
    person = patient(active=True)
    paths = ("Patient.active", "MedicationRequest.status", "MedicationRequest.medication", "Medication.status")
    whole = decided(person, order, product, permitted=paths)
    kept = (*whole.votes[:2], dataclasses.replace(whole.votes[2], vote=Vote.DENY, rule="consent-deny"))
    made = minimise(bundle(person, order, product), dataclasses.replace(whole, votes=kept), NAMING)
    assert not resources_of(made, "MedicationRequest")
    assert {("MedicationRequest/one", "nothing-left"), ("Medication/m", "consent-deny")} <= {
        (item.path, item.rule) for item in made.withheld
    }


def test_a_persons_identifier_in_a_reference_is_listed_by_its_path() -> None:
    one = resource(status="final", subject={"identifier": {"system": "urn:example:other", "value": "7"}})
    made = minimise(
        bundle(one), decided(one, permitted=("Observation.status", "Observation.subject.identifier")), NAMING
    )
    assert ("Observation.subject.identifier", "identifier-system") in {(item.path, item.rule) for item in made.withheld}


def test_a_reference_to_what_was_denied_goes_too() -> None:
    denies = fhir_consent(
        provision(
            "permit",
            provision=[
                provision(
                    "deny",
                    securityLabel=[label("SUD")],
                    class_=[{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}],
                )
            ],
        )
    )
    released = send(letter("handover"), "handover", denies)
    assert not resources_of(released, "Observation")
    assert "result" not in resources_of(released, "DiagnosticReport")[0]
    (composition,) = resources_of(released, "Composition")
    assert [section["title"] for section in composition["section"]] == [
        "Risk",
        "Medication",
        "Diagnoses",
        "Missing",
        "Information not included",
    ]


# What a path permits


def test_a_path_permits_what_is_below_but_not_what_is_reserved() -> None:
    coded = {"coding": [{"system": "s", "code": "c", "display": "words", "userSelected": True}], "text": "words"}
    assert project(resource(code=coded), "Observation.code") == {"code": {"coding": [{"system": "s", "code": "c"}]}}
    assert project(resource(code=coded), "Observation.code.text") == {"code": {"text": "words"}}
    assert project(resource(code=coded), "Observation.code.coding.code") == {"code": {"coding": [{"code": "c"}]}}
    assert (
        project(resource(code=coded), "Observation.code", "Observation.code.coding.display", "Observation.code.text")[
            "code"
        ]["text"]
        == "words"
    )


@pytest.mark.parametrize("name", [True, 7, "Ivo", ["Ivo"], [True]])
def test_a_value_where_an_object_is_permitted_does_not_leave(name: object) -> None:
    """A family name may; what is no name at all is not let through in its place."""
    assert project(patient(active=True, name=name), "Patient.active", "Patient.name.family") == {"active": True}


def test_choices() -> None:
    assert project(resource(valueQuantity={"value": 3, "unit": "mg"}), "Observation.value[x]") == {
        "valueQuantity": {"value": 3, "unit": "mg"}
    }
    assert project(resource(valueString="Ivo did", status="final"), "Observation.value[x]", "Observation.status") == {
        "status": "final"
    }
    assert project(resource(valueString="Ivo did"), "Observation.valueString") == {"valueString": "Ivo did"}
    odd = resource(valueReference={"reference": "Patient/patient"}, valueAttachment={"data": "eA=="}, status="final")
    assert project(odd, "Observation.value[x]", "Observation.status") == {"status": "final"}


def test_extensions_leave_by_url() -> None:
    item = resource(extension=[{"url": "urn:a", "valueCode": "x"}, {"url": "urn:b", "valueCode": "y"}], status="final")
    assert project(item, "Observation.status", "Observation.extension(urn:a)") == {
        "status": "final",
        "extension": [{"url": "urn:a", "valueCode": "x"}],
    }


def test_a_persons_identifiers_leave_by_system() -> None:
    person = patient(
        identifier=[
            {"system": NHS, "value": "9990000018"},
            {"system": PRISON_NUMBER, "value": "A1234BC"},
            {"value": "no system"},
        ]
    )
    assert project(person, "Patient.identifier", systems=(NHS,)) == {
        "identifier": [{"system": NHS, "value": "9990000018"}]
    }
    one = resource(status="final", subject={"identifier": {"system": PRISON_NUMBER, "value": "A1234BC"}})
    assert project(
        one, "Observation.status", "Observation.subject", "Observation.subject.identifier", systems=(NHS,)
    ) == {"status": "final"}


@pytest.mark.parametrize(
    "path",
    [
        "Observation",
        "observation.status",
        "Observation.text",
        "Observation.text.div",
        "Observation.contained",
        "Observation.contained.name",
        "Observation.modifierExtension(urn:x)",
        "Observation.implicitRules",
        "Observation.id",
        "Observation.subject.reference",
        "Observation.extension",
        "Observation..status",
        "Observation.status.",
        "Observation.status; Patient.name",
        "Observation.value[y]",
        "Observation.extension(urn:a).Name",
    ],
)
def test_what_is_not_a_path_is_an_error(path: str) -> None:
    with pytest.raises(PathError):
        steps(path)


def test_permits_says_what_minimise_does() -> None:
    """The examples of agreements are judged by `permits`: it must agree with the projection, for every element of every letter."""
    checked = 0
    for name, resources in LETTERS.items():
        root = compile_paths(tuple(item.path for item in agreement(name).fields))
        released = send(letter(name), name)
        for item in resources:
            named = rebuilt_id(NAMING.id_key, f"{item['resourceType']}/{item['id']}")
            # a type that the agreement does not name leaves nothing of itself
            made = next((held for held in resources_of(released, item["resourceType"]) if held["id"] == named), {})
            for path in _leaves(item, item["resourceType"]):
                if (
                    ".reference" in path
                    or path.endswith((".id", ".resourceType"))
                    or ".extension" in path
                    or path.startswith("Patient.identifier")
                ):
                    continue
                left = _has(made, path.split(".")[1:])
                assert left == permits(root, path), path
                checked += 1
    assert checked > 300


def _leaves(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [leaf for key, held in value.items() for leaf in _leaves(held, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for held in value for leaf in _leaves(held, path)]
    return [path]


def _has(value: Any, rest: list[str]) -> bool:
    if isinstance(value, list):
        return any(_has(item, rest) for item in value)
    if not rest:
        return not isinstance(value, dict)
    return isinstance(value, dict) and rest[0] in value and _has(value[rest[0]], rest[1:])


# What is withheld, and the marker


def test_what_is_left_out_is_listed_with_its_rule() -> None:
    hiv = resource("Observation", "hiv", ["R", "HIV"], status="final")
    denies = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("HIV")])]))
    one = resource(status="final", bodySite={"text": "arm"})
    released = send(bundle(patient(active=True, photo=[{"url": "x"}]), one, hiv), "handover", denies, table=LABELS)
    listed = {(item.path, item.rule) for item in released.withheld}
    assert {
        ("Observation/hiv", "consent-deny"),
        ("Patient.photo", "not-in-agreement"),
        ("Observation.bodySite", "not-in-agreement"),
    } <= listed


def test_the_marker_says_that_and_not_what() -> None:
    denies = fhir_consent(
        provision(
            "permit",
            actor=[actor()],
            provision=[provision("deny", class_=[{"system": "http://hl7.org/fhir/resource-types", "code": "Flag"}])],
        )
    )
    released = send(letter("handover"), "handover", denies)
    section = resources_of(released, "Composition")[0]["section"][-1]
    assert section["emptyReason"]["text"] == WITHHELD_TEXT
    assert "Flag" not in TEXT(released.bundle)
    assert "Risk" not in [item["title"] for item in resources_of(released, "Composition")[0]["section"]]
    assert WITHHELD_TEXT not in TEXT(send(letter("handover"), "handover").bundle)


def test_two_worlds_look_alike_to_the_recipient() -> None:
    """Whether one flag or one HIV result was kept back, the letter says the same."""
    flag = provision("deny", class_=[{"system": "http://hl7.org/fhir/resource-types", "code": "Flag"}])
    test = provision("deny", securityLabel=[label("HIV")])
    extra = resource("Observation", "hiv", ["R", "HIV"], status="final")
    without_flag = [item for item in LETTERS["handover"] if item["resourceType"] != "Flag"]
    one = send(letter("handover"), "handover", fhir_consent(provision("permit", provision=[flag])))
    other = send(
        bundle(*copy.deepcopy(without_flag), extra),
        "handover",
        fhir_consent(provision("permit", provision=[test])),
        table=LABELS,
    )
    assert one.bundle == other.bundle


def test_a_resource_without_a_vote_does_not_leave() -> None:
    """Sabotage: something slipped into the bundle after the decision."""
    composed = letter("correction")
    decision = ask(resources=[entry["resource"] for entry in composed["entry"]], under="correction")
    composed["entry"].append({"resource": {"resourceType": "Communication", "id": "slipped", "status": "completed"}})
    released = minimise(composed, decision, NAMING)
    assert len(resources_of(released, "Communication")) == 1
    assert ("Communication/slipped", "not-decided") in {(item.path, item.rule) for item in released.withheld}


def test_nothing_of_the_input_is_shared_or_changed() -> None:
    composed = letter("handover")
    before = copy.deepcopy(composed)
    released = send(composed, "handover")
    assert composed == before
    resources_of(released, "Patient")[0]["name"][0]["given"].append("changed")
    assert composed == before


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_redaction_is_idempotent(name: str) -> None:
    """What was minimised once loses nothing a second time but its names."""
    once = send(letter(name), name).bundle
    resources = [entry["resource"] for entry in once["entry"]]
    whole = ask(resources=[entry["resource"] for entry in letter(name)["entry"]], under=name)
    votes = tuple(
        ResourceVote(resource=f"{item['resourceType']}/{item['id']}", vote=Vote.PERMIT, rule="implied")
        for item in resources
    )
    twice = minimise(once, dataclasses.replace(whole, votes=votes), NAMING).bundle
    assert _unnamed(twice) == _unnamed(once)


def _unnamed(value: Any) -> str:
    names: dict[str, str] = {}
    return re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        lambda found: names.setdefault(found[0], f"name-{len(names)}"),
        TEXT(value),
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "reference",
                    "identifier",
                    "text",
                    "div",
                    "coding",
                    "extension",
                    "url",
                    "status",
                    "section",
                    "id",
                    "name",
                    "system",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(
            ["code", "subject", "status", "section", "identifier", "text", "extension", "note", "meta", "valueString"]
        ),
        anything,
        max_size=6,
    )
)
def test_any_shape_is_projected_and_is_a_subset(shape: Json) -> None:
    """Whatever stands there: no exception but NothingLeaves, and every word that leaves stood at a permitted place."""
    item = {**shape, "resourceType": "Composition", "id": "one"}
    paths = tuple(field.path for field in agreement("handover").fields)
    try:
        released = minimise(bundle(item), decided(item, permitted=paths), NAMING)
    except NothingLeaves:
        return
    root = compile_paths(paths)
    made = released.bundle["entry"][0]["resource"]
    for path in _leaves(
        {key: value for key, value in made.items() if key not in ("id", "resourceType")}, "Composition"
    ):
        assert path.endswith(".reference") or permits(root, path), path
