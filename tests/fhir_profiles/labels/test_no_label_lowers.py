"""What a sender says of how confidential a thing is never lets more of it leave than saying nothing: ORC-28 of an order, `meta.security` in FHIR."""

from dataclasses import replace
from itertools import product
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import labels
from consent.shapes import Agreement, Vote
from fhir_profiles import systems
from fhir_profiles.compose import compose
from fhir_profiles.label import keep_labels, label_resource
from fhir_profiles.shapes import Channel, Json
from fhir_profiles.translate import translate
from tests.consent import made
from tests.fhir_profiles.letters.files import AS_OF, CONTEXT, METHADONE, patient, prescription

CHANNEL: Final = Channel(name="confidential", format="hl7v2", client="any", establishment="ZFG")
RANK: Final = {Vote.DENY: 0, Vote.HOLD: 1, Vote.PERMIT: 2}
SAID: Final = ("", "R", "V", "U", "PSY", "HIV", "ETH", "^Restricted", "R^^^HIV", "unknown")
ABOUT: Final = {
    "nothing we know": ("LOC77^Panel 77^L", "LOC78^Item 78^L"),
    "a drug test": ("19295-5^Opiates^LN", "19295-5^Opiates^LN"),
    "HIV": ("56888-1^HIV 1+2^LN", "56888-1^HIV 1+2^LN"),
    "an ordinary test": ("26604007^FBC^SCT", "718-7^Hb^LN"),
}
UNDER: Final[tuple[str | Agreement, ...]] = ("handover", made.ASKS_FIRST)
CONSENTS: Final = (
    made.fhir_consent(made.provision("permit")),
    made.fhir_consent(made.provision("deny"), rule="OPTOUT"),
    *(
        made.fhir_consent(made.provision(outer, provision=[made.provision(inner, securityLabel=[made.label(code)])]))
        for (outer, inner), code in product(
            (("permit", "deny"), ("deny", "permit")), ("HIV", "SUD", "PSY", "R", "N", "V")
        )
    ),
    *(made.fhir_consent(made.provision("deny", securityLabel=[made.label(code)])) for code in ("HIV", "SUD", "R", "V")),
    *(made.fhir_consent(made.provision("permit", securityLabel=[made.label(code)])) for code in ("HIV", "R", "V")),
)


def ordered(about: str, code: str) -> list[Json]:
    """What is made of a confidential order with one result: without the Provenance, which says nothing of it."""
    panel, item = ABOUT[about]
    lines = (
        "MSH|^~\\&|LAB|ZFG|TG|HUB|20260401110000+0100||ORU^R01^ORU_R01|M1|P|2.5.1",
        "PID|1||9990000018^^^NHS^NH||Example^Sam||19850713|M",
        f"ORC|RE|O-1{'|' * 26}{code}",
        f"OBR|1|O-1||{panel}|||20260401103000",
        f"OBX|1|ST|{item}||Reactive||||||F",
    )
    made_of_it = translate(CHANNEL, ("\r".join(lines) + "\r").encode()).bundle["entry"]
    return [each["resource"] for each in made_of_it if each["resource"]["resourceType"] != "Provenance"]


def votes(resources: list[Json], consent: Json, under: str | Agreement) -> list[int]:
    """How far each may leave: 0 stays, 1 waits for a person, 2 leaves."""
    subject = next(f"Patient/{each['id']}" for each in resources if each["resourceType"] == "Patient")
    asked = made.ask({**consent, "patient": {"reference": subject}}, resources=resources, under=under)
    return [RANK[each.vote] for each in asked.votes]


def lowered(usual: list[Json], marked: list[Json]) -> list[tuple[str, str]]:
    """Where a mark lets more leave than none: the consent's place in the list, the agreement's default."""
    return [
        (str(place), under if isinstance(under, str) else under.name)
        for (place, consent), under in product(enumerate(CONSENTS), UNDER)
        if any(
            more > less for more, less in zip(votes(marked, consent, under), votes(usual, consent, under), strict=True)
        )
    ]


@pytest.mark.parametrize("about", ABOUT)
def test_an_order_that_is_confidential_never_leaves_further_than_one_of_which_nothing_is_said(about: str) -> None:
    usual = ordered(about, "")
    assert {code: found for code in SAID if (found := lowered(usual, ordered(about, code)))} == {}


def test_the_law_sees_a_mark_that_lowers() -> None:
    """Sabotage: the same order without the word that nobody knows what it is about."""
    marked = [
        {**each, "meta": {"security": [one for one in each["meta"]["security"] if one["system"] != systems.CONTENT]}}
        for each in ordered("nothing we know", "R")
    ]
    assert {under for _, under in lowered(ordered("nothing we know", ""), marked)} == {"handover", made.ASKS_FIRST.name}


KNOWN: Final = {"coding": [{"system": systems.LOINC, "code": "19295-5"}]}
LABELS: Final = st.sampled_from(
    [
        *({"system": systems.CONFIDENTIALITY, "code": code} for code in "ULMNRV"),
        *({"system": systems.ACT_CODE, "code": code} for code in ("HIV", "PSY", "SUD", "ETHUD", "AUDIT", "NORDSCLCD")),
        {"system": systems.PROTECTED_BY_LAW, "code": "any"},
        {"system": "urn:example", "code": "own"},
    ]
)


@given(
    st.sampled_from([KNOWN, {"text": "something"}, {"coding": [{"system": "urn:example", "code": "LOC1"}]}]),
    st.lists(LABELS, min_size=1, max_size=4),
    st.sampled_from(CONSENTS),
    st.sampled_from(UNDER),
)
def test_labels_of_a_sender_in_fhir_lower_nothing(
    about: Json, said: list[Json], consent: Json, under: str | Agreement
) -> None:
    def voted(more: Json) -> list[int]:
        return votes([made.patient(), label_resource(made.resource(labels=None, code=about, **more))], consent, under)

    assert all(more <= less for more, less in zip(voted({"meta": {"security": said}}), voted({}), strict=True)), (
        "a label of the sender lets more leave than none"
    )


def test_a_later_version_that_nobody_knows_is_not_known_by_its_earlier_labels() -> None:
    known = label_resource(made.resource(labels=None, code=KNOWN))
    unknown = label_resource(made.resource(labels=None, code={"text": "something"}))
    restricted = label_resource(made.resource(labels=("R",), code={"text": "something"}))
    assert labels.counts_as_every(labels.resource_labels(keep_labels(known, unknown)))
    assert labels.counts_as_every(labels.resource_labels(keep_labels(known, restricted)))
    assert keep_labels(restricted, keep_labels(known, restricted)) == keep_labels(known, restricted)
    assert not labels.counts_as_every(labels.resource_labels(keep_labels(restricted, known)))
    assert labels.UNRECOGNISED.system == systems.CONTENT


def condition(resource_id: str, code: Json) -> Json:
    return {
        "resourceType": "Condition",
        "id": resource_id,
        "code": code,
        "subject": {"reference": "Patient/patient"},
    }


FILED: Final = {
    "of a sender alone": [{"system": systems.CONFIDENTIALITY, "code": "N"}],
    "of a topic": [{"system": systems.ACT_CODE, "code": "PSY"}],
    "and marked": [
        {"system": systems.CONFIDENTIALITY, "code": "N"},
        {"system": systems.CONTENT, "code": "unrecognised"},
    ],
}


@pytest.mark.parametrize("said", FILED)
def test_what_was_filed_before_there_was_a_mark_counts_as_every_label_in_a_letter(said: str) -> None:
    """A file of an earlier version of the product: a sender's label of content that no row knows, and no mark beside it."""
    unknown = condition("unknown", {"text": "something"}) | {"meta": {"security": FILED[said]}}
    dependence = condition("known", {"text": "Opioid dependence"}) | {"meta": {"security": FILED[said][:1]}}
    bundle = compose("handover", [patient(), unknown, dependence], CONTEXT, AS_OF).bundle
    by_id = {entry["resource"]["id"]: entry["resource"] for entry in bundle["entry"]}
    assert labels.counts_as_every(labels.resource_labels(by_id["unknown"]))
    assert not labels.counts_as_every(labels.resource_labels(by_id["known"]))
    assert compose("handover", [patient(), unknown, dependence], CONTEXT, AS_OF).bundle == bundle


def test_what_a_letter_holds_less_of_is_looked_at_whole() -> None:
    """The reason by which a row knows a prescription stays out of a copy of it; the product that it names stands in the file."""
    said = {"security": [{"system": systems.CONFIDENTIALITY, "code": "R"}]}
    why: Json = {"reasonCode": [{"text": "Opioid dependence"}]}
    by_reason = prescription("methadone", medicine="Linctus 7", **why) | {"meta": said}
    names = prescription("other", medicine="x") | {"meta": said, "medicationReference": {"reference": "Medication/m"}}
    del names["medicationCodeableConcept"]
    product_ = {"resourceType": "Medication", "id": "m", "meta": said, "code": METHADONE}
    context = replace(CONTEXT, focus=("MedicationRequest/methadone", "MedicationRequest/other"))
    bundle = compose("prescription-copy", [patient(), by_reason, names, product_], context, AS_OF).bundle
    copies = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "MedicationRequest"]
    assert len(copies) == 2
    assert not any(labels.counts_as_every(labels.resource_labels(each)) for each in copies)
