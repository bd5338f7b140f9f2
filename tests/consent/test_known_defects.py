"""The defects that were found in other engines by reading them (consent.md 1.3), each as a test that they would fail. Numbers are theirs."""

import copy
import json
import random
import re
from dataclasses import replace
from typing import Any

import pytest

from consent.decide import decide
from consent.minimise import NothingLeaves
from consent.shapes import Facts, Outcome
from tests.consent.letters import ABOUT_NOBODY, LETTERS, TEST, bundle, letter, resources_of, send
from tests.consent.made import (
    ASKS_FIRST,
    LABELS,
    NHS,
    SNOMED,
    TYPES,
    actor,
    agreement,
    ask,
    code,
    fhir_consent,
    label,
    patient,
    provision,
    registered,
    request,
    resource,
    vote,
)

Json = dict[str, Any]


class _Breaks(dict[tuple[str, str], bool]):
    """A terminology that fails when it is asked."""

    def get(self, *_: Any) -> Any:
        raise RuntimeError("9990000018 is not for an error message")


def test_1_an_error_never_releases_the_original() -> None:
    denies = fhir_consent(provision("permit", provision=[provision("deny", code=[code("1")])]))
    for under, outcome in (("handover", Outcome.HOLD), (ASKS_FIRST, Outcome.WITHHOLD)):
        decision = ask(denies, resources=(patient(), resource(code=code("2"))), table=_Breaks(), under=under)
        assert decision.outcome is outcome
        assert [reason.rule for reason in decision.reasons] == ["error"]
        assert "9990000018" not in repr(decision)


def test_1_every_label_is_read_and_a_code_is_no_substring() -> None:
    """Not only the first label; and a denied code "42" is no reason to lose what merely contains it."""
    denies = fhir_consent(
        provision("permit", provision=[provision("deny", securityLabel=[label("PSY"), label("HIV")])])
    )
    assert vote(ask(denies, resources=(patient(), resource(labels=["R", "SUD", "HIV"])))) == "deny"
    by_code = fhir_consent(provision("permit", provision=[provision("deny", code=[code("42")])]))
    table = {(f"{SNOMED}|42", f"{SNOMED}|1428"): False}
    assert vote(ask(by_code, resources=(patient(), resource(code=code("1428"))), table=table)) == "permit"


def test_2_one_persons_consent_is_never_applied_to_another() -> None:
    other = resource("Observation", "other", subject={"reference": "Patient/other"})
    decision = ask(fhir_consent(provision("permit")), resources=(patient(), other), under=ASKS_FIRST)
    assert decision.outcome is Outcome.WITHHOLD
    assert not decision.permitted


def test_2_a_resource_is_not_matched_by_its_place_in_a_list() -> None:
    """Removing or repeating entries changes nobody else's vote."""
    denies = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("HIV")])]))
    things = [
        patient(),
        resource("Observation", "a"),
        resource("Observation", "b", ["R", "HIV"]),
        resource("Observation", "c"),
    ]
    whole = {item.resource: item.vote for item in ask(denies, resources=things).votes}
    for gone in range(1, 4):
        rest = [item for place, item in enumerate(things) if place != gone]
        assert all(whole[item.resource] is item.vote for item in ask(denies, resources=rest).votes)
    assert whole == {item.resource: item.vote for item in ask(denies, resources=[*things, things[2]]).votes}


def test_3_the_stated_type_of_a_nested_provision_counts() -> None:
    same = fhir_consent(provision("deny", provision=[provision("deny", actor=[actor()])]))
    assert vote(ask(same)) == "deny"


@pytest.mark.parametrize(
    "element",
    [
        {"action": [code("collect", "http://terminology.hl7.org/CodeSystem/consentaction")]},
        {"period": {"end": "2025"}},
        {"dataPeriod": {"end": "2020"}},
    ],
)
def test_3_no_element_is_ignored(element: Json) -> None:
    """A permit limited by any of these is not a permit without the limit."""
    limited = fhir_consent(provision(provision=[provision("permit", **element)]), rule="OPTOUT")
    things = (patient(), resource(effectiveDateTime="2025-06-01"))
    assert vote(ask(limited, resources=things, under=ASKS_FIRST)) == "deny"


def test_3_depth_does_not_end_at_one() -> None:
    deep = provision("deny", actor=[actor()])
    for kind in ("permit", "deny", "permit"):
        deep = provision(kind, provision=[deep])
    assert vote(ask(fhir_consent(deep))) == "deny"


def test_3_an_unlabelled_resource_does_not_slip_past_a_denial_by_label() -> None:
    denies = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("SUD")])]))
    assert vote(ask(denies, resources=(patient(), resource(labels=None)))) == "deny"


def test_4_the_time_of_a_question_is_an_argument() -> None:
    """The published expectation of a fixture that ended in June 2025 can still be had, for ever."""
    until_june = fhir_consent(
        provision("permit", period={"start": "2024-01-01", "end": "2025-06-01"}), issued="2024-01-01"
    )
    assert vote(ask(until_june, under=ASKS_FIRST, as_of="2025-06-01T12:00:00Z")) == "permit"
    assert vote(ask(until_june, under=ASKS_FIRST, as_of="2025-06-02T12:00:00Z")) == "deny"


def test_5_polarity() -> None:
    """What carries the denied label goes, what does not stays; and a denial carries no content."""
    denies = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("HIV")])]))
    hiv = resource("Observation", "hiv", ["R", "HIV"], status="final")
    released = send(bundle(patient(active=True), resource(status="preliminary"), hiv), "handover", denies, table=LABELS)
    assert [item["status"] for item in resources_of(released, "Observation")] == ["preliminary"]
    refused = ask(fhir_consent(status="rejected"), resources=(patient(name=[{"family": "Gatewood"}]), resource()))
    assert "Gatewood" not in repr(refused)


def test_6_and_9_nothing_of_a_letter_is_in_what_is_recorded_of_it() -> None:
    """Decisions, votes and the list of what was withheld name types, ids and rules; no name, number or text."""
    composed = letter("handover")
    decision = ask(resources=[entry["resource"] for entry in composed["entry"]])
    kept = repr(decision) + repr(send(composed, "handover").withheld)
    for word in ("Gatewood", "9990000018", "A1234BC", "60 mg", "1988-02-29", "LS99"):
        assert word not in kept


def test_7_nothing_passes_beside_the_decision() -> None:
    """No type or element is exempt: without a permit nothing leaves, not even what frames a letter."""
    for name, resources in LETTERS.items():
        # a report asks no consent of its people; a duty to tell, and two people's harm test, ask none either
        if name in ABOUT_NOBODY or agreement(name).without_consent in ("duty", "harm-test"):
            continue
        with pytest.raises(NothingLeaves):
            send(bundle(*copy.deepcopy(resources)), name, fhir_consent(status="rejected"))


def test_8_paths_apply_to_every_resource_of_a_type_alike() -> None:
    many = [{**copy.deepcopy(TEST), "id": f"test-{place}", "bodySite": {"text": "hidden"}} for place in range(4)]
    released = send(bundle(patient(active=True), *many), "handover")
    shapes = {tuple(sorted(item)) for item in resources_of(released, "Observation")}
    assert len(shapes) == 1
    assert "bodySite" not in next(iter(shapes))


def test_10_references_keep_no_base_and_no_version_and_identifiers_no_remnant() -> None:
    person = patient(
        identifier=[
            {"system": NHS, "value": "9990000018"},
            {"system": "https://hmp-example.invalid/last4", "value": "0018", "type": {"text": "last four"}},
        ]
    )
    elsewhere = "https://hmp-example.invalid/fhir/Practitioner/p/_history/3"
    plan = resource("CarePlan", "plan", status="active", author={"reference": elsewhere})
    text = json.dumps(send(bundle(person, plan), "handover").bundle)
    assert "hmp-example" not in text
    assert "_history" not in text
    assert "last four" not in text
    unclear = resource(subject={"reference": "https://hmp-example.invalid/fhir/Patient/patient/_history/3"})
    assert ask(resources=(person, unclear)).outcome is Outcome.HOLD, "whose is it?"


def test_11_contained_resources_and_displays_do_not_survive() -> None:
    one = resource(
        status="final",
        contained=[patient(name=[{"family": "Gatewood"}])],
        subject={"reference": "Patient/patient", "display": "Ivo Gatewood"},
    )
    assert "Gatewood" not in json.dumps(send(bundle(patient(active=True), one), "handover").bundle)


def test_12_a_resource_without_a_date_is_not_thereby_consented() -> None:
    within = fhir_consent(provision(provision=[provision("permit", dataPeriod={"start": "2020"})]), rule="OPTOUT")
    assert vote(ask(within, resources=(patient(), resource()), under=ASKS_FIRST)) == "deny"


def test_12_no_consent_at_all_is_not_a_consent() -> None:
    assert ask(under=ASKS_FIRST).outcome is Outcome.WITHHOLD
    assert ask(fhir_consent(), under=ASKS_FIRST).outcome is Outcome.WITHHOLD


def test_12_what_is_not_about_the_person_is_filtered_too() -> None:
    """Organisations and practitioners have no subject: they need a vote like everything else."""
    by_type = [{"system": TYPES, "code": "Organization"}]
    denies = fhir_consent(provision("permit", provision=[provision("deny", class_=by_type)]))
    released = send(letter("correction"), "correction", denies)
    assert not resources_of(released, "Organization")


def test_13_nothing_counts_what_was_removed() -> None:
    denies = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("HIV")])]))
    hiv = [resource("Observation", f"hiv{place}", ["R", "HIV"], status="final") for place in range(3)]
    composed = {**bundle(patient(active=True), resource(status="final"), *hiv), "total": 5}
    released = send(composed, "handover", denies, table=LABELS).bundle
    assert set(released) == {"resourceType", "type", "entry", "meta"}
    assert "hiv" not in json.dumps(released)


def test_each_of_the_thirteen_groups_has_its_test() -> None:
    found = {
        int(number) for name in globals() for number in re.findall(r"(?<=_)\d+(?=_)", name) if name.startswith("test_")
    }
    assert found == set(range(1, 14))


def test_answers_do_not_depend_on_the_hash_seed_or_on_order() -> None:
    """Same inputs, same decision, byte for byte."""
    chance = random.Random(7)
    consents = [fhir_consent(provision("permit"), name=f"c{place}", lineage=str(place % 2)) for place in range(6)]
    agreed = agreement("handover")
    asked = request(agreed)
    results = set()
    for _ in range(5):
        chance.shuffle(consents)
        facts = Facts(resources=(patient(), resource()), consents=registered(*consents), subsumes=LABELS)
        results.add(repr(decide(asked, facts, agreed)))
    assert len(results) == 1
    assert decide(replace(asked), Facts(resources=(), consents=()), agreed).outcome is Outcome.WITHHOLD
