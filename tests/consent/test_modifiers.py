"""What turns round what a resource says leaves with it, or the resource stays: in every shipped agreement, and whatever one leaves out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from consent import modifiers
from consent.agreement_file import read_agreement
from consent.modifiers import INSIDE, MODIFIERS, left_out, unlisted
from consent.paths import compile_paths, permits
from consent.shapes import Agreement, Outcome
from tests.consent.made import AGREEMENTS, ASKS_FIRST, agreement, ask, label, patient, resource, rule, vote
from tests.consent.test_minimise import project
from tests.samples import samples_folder

Json = dict[str, Any]
FILES = sorted((*AGREEMENTS.glob("*.toml"), *AGREEMENTS.glob("drafts/*.toml")))
SHIPPED = {file.stem: read_agreement(file.read_text("utf-8"), file.stem) for file in FILES}
CARE = frozenset({"care-team", "community-provider", "gp", "pharmacy", "receiving-prison"})
TURNED: dict[str, Json] = {
    "MedicationRequest": {"status": "active", "intent": "order", "doNotPerform": True},
    "ServiceRequest": {"status": "active", "intent": "order", "doNotPerform": True},
}


def without(agreed: Agreement, *paths: str) -> Agreement:
    return replace(agreed, fields=tuple(each for each in agreed.fields if not each.path.startswith(paths)))


# The list


def test_the_list_is_what_the_definitions_say() -> None:
    """Of every type here that the shared definitions have, each modifier is listed, and nothing else is."""
    stated: dict[str, set[str]] = {}
    for file in sorted((samples_folder() / "uk-core" / "snapshots").glob("*.json")):
        held = json.loads(file.read_text("utf-8"))
        if held.get("resourceType") != "StructureDefinition" or held.get("kind") != "resource":
            continue
        stated.setdefault(held["type"], set())
        for element in held["snapshot"]["element"]:
            name = element["path"].rpartition(".")[2]
            if (
                element.get("isModifier")
                and ":" not in element["id"]
                and name not in ("modifierExtension", "implicitRules")
            ):
                stated[held["type"]].add(element["path"])
    own = {
        path.replace("deceasedBoolean", "deceased[x]").replace("deceasedDateTime", "deceased[x]")
        for path in (*(f"{kind}.{name}" for kind, held in MODIFIERS.items() for name in held), *_inside())
    }
    everywhere = (".use", ".comparator")
    for kind in stated.keys() & MODIFIERS.keys():
        said = {path for path in stated[kind] if not path.endswith(everywhere)}
        assert {path for path in own if path.startswith(f"{kind}.")} == said, kind
    assert len(stated.keys() & MODIFIERS.keys()) > 25
    assert not {kind for kind in stated.keys() - MODIFIERS.keys() if stated[kind]} - NOT_LETTERS


NOT_LETTERS = frozenset({"Questionnaire"})
"""Types with modifiers that are about nobody and in no letter."""


def _inside() -> Iterator[str]:
    return (f"{path}.{name}" for path, held in INSIDE.items() for name in held)


# What is shipped


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_agreement_leaves_out_what_its_resources_cannot_do_without(name: str) -> None:
    assert unlisted(SHIPPED[name].tree) == ()


def test_what_shipped_agreements_leave_out_is_decided() -> None:
    """docs/decisions/0059: these alone keep a resource back where they say something, and each for the reason that stands there."""
    left = {
        (name, f"{kind}.{one}")
        for name, agreed in SHIPPED.items()
        for kind in {path.partition(".")[0] for path in agreed.paths} & MODIFIERS.keys()
        for one in MODIFIERS[kind]
        if not permits(compile_paths(agreed.paths), f"{kind}.{one}")
    }
    assert {path for _, path in left} == {
        "MedicationRequest.doNotPerform",
        "ServiceRequest.doNotPerform",
        "Organization.active",
        "Patient.active",
        "Patient.deceasedBoolean",
        "Patient.deceasedDateTime",
        "Patient.link",
    }
    about_nobody = {name for name, one in SHIPPED.items() if one.regime == "anonymous"}
    assert {name for name, path in left if path == "Organization.active"} == about_nobody - {"drug-harm-report"}
    assert {name for name, path in left if path == "Patient.active"} == {"evaluation-extract", "ndtms"}
    treated = {
        name for name, one in SHIPPED.items() if one.recipient_class in CARE and one.without_consent == "implied"
    }
    assert {name for name, path in left if path == "Patient.deceasedBoolean"} & treated == {
        "persons-correction",
        "persons-handover",
        "persons-transfer",
    }


# What becomes of it


@pytest.mark.parametrize("kind", TURNED)
def test_a_resource_whose_modifier_may_not_leave_stays_back(kind: str) -> None:
    """The order not to give a medicine read as the order to give it."""
    agreed = without(agreement("referral"), "MedicationRequest.doNotPerform", "ServiceRequest.doNotPerform")
    turned = resource(kind, "turned", **TURNED[kind])
    harmless = resource(kind, "plain", **{**TURNED[kind], "doNotPerform": False})
    decision = ask(resources=(patient(), turned, harmless, resource("Flag", "risk", status="active")), under=agreed)

    assert (vote(decision, f"{kind}/turned"), rule(decision, f"{kind}/turned")) == ("deny", "modifier-left-out")
    assert vote(decision, f"{kind}/plain") == "permit"
    assert (decision.outcome, decision.withheld_marker) == (Outcome.REDUCE, agreed.withheld_marker)


def test_where_it_may_leave_the_resource_leaves() -> None:
    turned = resource("MedicationRequest", "turned", **TURNED["MedicationRequest"])
    decision = ask(resources=(patient(), turned), under="persons-handover")
    assert vote(decision, "MedicationRequest/turned") == "permit"


@pytest.mark.parametrize(
    "says",
    [
        {"deceasedBoolean": True},
        {"deceasedDateTime": "2026-01-03"},
        {"link": [{"type": "replaced-by"}]},
        {"active": False},
    ],
)
def test_a_person_whose_record_says_so_is_looked_at_in_care_and_told_to_nobody_else(says: Json) -> None:
    """Without its Patient there is no letter: of care a person looks, of nothing else does it leave."""
    bare = ("Patient.deceased", "Patient.active")
    person = patient(**says)
    held = ask(resources=(person, resource()), under=without(agreement("handover"), *bare))
    assert (held.outcome, rule(held, "Patient/patient")) == (Outcome.HOLD, "modifier-left-out")
    assert ask(resources=(person, resource()), under=without(agreement("handover"), *bare), released=True).outcome is (
        Outcome.RELEASE
    )
    assert ask(resources=(person, resource()), under=without(ASKS_FIRST, *bare)).outcome is Outcome.WITHHOLD


@pytest.mark.parametrize(
    "says", [{"deceasedBoolean": False}, {"link": [{"type": "seealso"}]}, {"active": True}, {"link": []}]
)
def test_what_says_what_also_holds_without_it_keeps_nothing_back(says: Json) -> None:
    agreed = without(agreement("handover"), "Patient.deceased", "Patient.active")
    assert ask(resources=(patient(**says), resource()), under=agreed).outcome is Outcome.RELEASE


def test_a_letter_of_which_only_that_is_left_is_looked_at() -> None:
    turned = resource("MedicationRequest", "turned", **TURNED["MedicationRequest"])
    assert ask(resources=(patient(), turned)).outcome is Outcome.HOLD


def test_a_type_of_which_nothing_leaves_is_not_asked() -> None:
    """It stays back anyway, by another rule, and holds nothing up."""
    decision = ask(resources=(patient(), resource("Procedure", "other", status="not-done"), resource()))
    assert (vote(decision, "Procedure/other"), decision.outcome) == ("permit", Outcome.RELEASE)


def test_a_report_about_nobody_says_what_turns_it() -> None:
    made = {"resourceType": "MeasureReport", "id": "report", "meta": {"security": [label("N")]}, "status": "pending"}
    bare = replace(
        agreement("report"), fields=tuple(each for each in agreement("report").fields if "status" not in each.path)
    )
    assert ask(resources=(made,), under="report").outcome is Outcome.RELEASE
    assert ask(resources=(made,), under=bare).outcome is Outcome.COUNTED


@pytest.mark.parametrize(
    ("element", "value", "paths", "left"),
    [
        (
            "identifier",
            [{"use": "old", "system": "urn:s", "value": "1"}],
            ("identifier.system", "identifier.value"),
            None,
        ),
        ("identifier", [{"use": "usual", "system": "urn:s", "value": "1"}], ("identifier.value",), [{"value": "1"}]),
        (
            "identifier",
            [{"use": "temp", "value": "1"}],
            ("identifier.use", "identifier.value"),
            [{"use": "temp", "value": "1"}],
        ),
        ("name", [{"use": "old", "family": "Was"}, {"family": "Is"}], ("name.family",), [{"family": "Is"}]),
        (
            "address",
            [{"use": "temp", "city": "There"}, {"use": "home", "city": "Here"}],
            ("address.city",),
            [{"city": "Here"}],
        ),
    ],
)
def test_an_old_or_temporary_name_address_or_number_goes_as_such_or_not_at_all(
    element: str, value: Json, paths: tuple[str, ...], left: Json | None
) -> None:
    kind = "Organization" if element != "name" else "Patient"
    item = {"resourceType": kind, "id": "one", "active": True, element: value}
    made = project(item, f"{kind}.active", *(f"{kind}.{path}" for path in paths))
    assert made.get(element) == left


def test_a_persons_own_number_is_read_so_too() -> None:
    numbers = [{"use": "old", "system": "urn:s", "value": "1"}, {"use": "official", "system": "urn:s", "value": "2"}]
    person = {"resourceType": "Patient", "id": "one", "identifier": numbers}
    made = project(person, "Patient.identifier.system", "Patient.identifier.value", systems=("urn:s",))
    assert made["identifier"] == [{"system": "urn:s", "value": "2"}]


def test_less_than_a_value_is_not_that_value() -> None:
    result = {"resourceType": "Observation", "id": "one", "status": "final"}
    below = result | {"valueQuantity": {"comparator": "<", "value": 5, "unit": "ng/ml"}}
    assert project(below, "Observation.status", "Observation.valueQuantity.value") == {"status": "final"}
    exact = result | {"valueQuantity": {"value": 5, "unit": "ng/ml"}}
    assert project(exact, "Observation.status", "Observation.valueQuantity.value")["valueQuantity"] == {"value": 5}


def test_an_activity_that_is_not_to_be_done_goes_as_such_or_not_at_all() -> None:
    planned = [{"detail": {"status": "scheduled", "doNotPerform": value, "kind": "Task"}} for value in (True, False)]
    plan = {"resourceType": "CarePlan", "id": "one", "status": "active", "activity": planned}
    made = project(plan, "CarePlan.status", "CarePlan.activity.detail.status", "CarePlan.activity.detail.kind")
    assert made["activity"] == [{"detail": {"status": "scheduled", "kind": "Task"}}]


# What is asked of who signs


def test_an_agreement_that_leaves_out_what_nothing_can_do_without_is_named() -> None:
    bare = without(agreement("handover"), "Condition.clinicalStatus", "AllergyIntolerance.verificationStatus")
    assert unlisted(bare.tree) == ("AllergyIntolerance.verificationStatus", "Condition.clinicalStatus")
    assert unlisted(compile_paths(("CarePlan.status", "CarePlan.intent", "CarePlan.activity.detail.kind"))) == (
        "CarePlan.activity.detail.status",
    )
    assert unlisted(compile_paths(("CarePlan.status", "CarePlan.intent", "CarePlan.activity.detail"))) == ()
    assert unlisted(compile_paths(("CarePlan.status", "CarePlan.intent", "CarePlan.activity"))) == ()


def test_the_guard_is_what_keeps_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: without it the order leaves, turned round."""
    turned = resource("MedicationRequest", "turned", **TURNED["MedicationRequest"])
    assert left_out(turned, agreement("handover").tree) == "MedicationRequest.doNotPerform"
    monkeypatch.setattr(modifiers, "left_out", lambda *_: "")
    assert vote(ask(resources=(patient(), turned)), "MedicationRequest/turned") == "permit"
