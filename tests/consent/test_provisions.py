"""One consent: dialects, the tree, and every element. Columns: what direct care gives (implied), and what a flow without a default gives."""

from typing import Any

import pytest

from consent.purposes import covers
from consent.shapes import Coding
from consent.ternary import Match
from tests.consent.made import (
    ASKS_FIRST,
    LABELS,
    REASON,
    SNOMED,
    THEM,
    TYPES,
    actor,
    ask,
    code,
    fhir_consent,
    label,
    organization,
    patient,
    provision,
    purpose,
    resource,
    rule,
    vote,
)

P, D, H = "permit", "deny", "hold"
permit, deny = "permit", "deny"


def both(consent: dict[str, Any], **more: Any) -> tuple[str, str]:
    return vote(ask(consent, **more)), vote(ask(consent, under=ASKS_FIRST, **more))


@pytest.mark.parametrize(
    ("consent", "implied", "nothing"),
    [
        # core R4: the policy rule is the base
        (fhir_consent(rule="OPTIN"), P, P),
        (fhir_consent(rule="OPTOUT"), D, D),
        (fhir_consent(rule="IMPLIED"), P, D),
        (fhir_consent(provision(), rule="OPTIN"), P, P),
        (fhir_consent(provision(actor=[actor(THEM)]), rule="OPTIN"), P, D),
        (fhir_consent(provision(actor=[actor(THEM)]), rule="OPTOUT"), P, D),
        # IHE PCF: the root has a type
        (fhir_consent(provision(permit)), P, P),
        (fhir_consent(provision(deny)), D, D),
        (fhir_consent(provision(permit, actor=[actor(THEM)])), P, D),
        (fhir_consent(provision(deny, actor=[actor(THEM)])), P, D),
        # both and the same; both and opposed; neither
        (fhir_consent(provision(permit), rule="OPTIN"), P, P),
        (fhir_consent(provision(permit), rule="OPTOUT"), H, D),
        (fhir_consent(provision(deny), rule="OPTIN"), H, D),
        (fhir_consent(provision(purpose=[purpose()])), H, D),
        (fhir_consent(provision(provision=[provision(permit)])), H, D),
        (fhir_consent(provision(provision=[provision(deny)])), D, D),
        (fhir_consent(rule="SOMETHING"), H, D),
        (fhir_consent(provision("perhaps")), H, D),
        (fhir_consent(provision=["not", "an", "object"]), H, D),
    ],
)
def test_dialects(consent: dict[str, Any], implied: str, nothing: str) -> None:
    assert both(consent) == (implied, nothing)


def nested(*children: dict[str, Any], root: str = permit) -> dict[str, Any]:
    return fhir_consent(provision(root, provision=list(children)))


@pytest.mark.parametrize(
    ("consent", "implied", "nothing"),
    [
        (nested(provision(deny, actor=[actor()])), D, D),
        (nested(provision(deny, actor=[actor(THEM)])), P, P),
        (nested(provision(permit, actor=[actor()]), root=deny), P, P),
        (nested(provision(permit, actor=[actor(THEM)]), root=deny), D, D),
        # siblings at one depth: deny wins, whatever the order
        (nested(provision(permit), provision(deny)), D, D),
        (nested(provision(deny), provision(permit)), D, D),
        # the stated type, never flipped
        (nested(provision(deny, provision=[provision(deny)]), root=deny), D, D),
        (nested(provision(permit, provision=[provision(permit)])), P, P),
        # deeper than one level, to any depth
        (nested(provision(deny, provision=[provision(permit, provision=[provision(deny, actor=[actor()])])])), D, D),
        (
            nested(provision(deny, provision=[provision(permit, provision=[provision(deny, actor=[actor(THEM)])])])),
            P,
            P,
        ),
        # a nested provision applies only where everything above it matches
        (nested(provision(deny, actor=[actor(THEM)], provision=[provision(deny, actor=[actor()])])), P, P),
        # a nested provision without a type may deny, cannot permit
        (nested(provision(actor=[actor()])), H, D),
        (nested(provision(actor=[actor()]), root=deny), D, D),
    ],
)
def test_the_tree(consent: dict[str, Any], implied: str, nothing: str) -> None:
    assert both(consent) == (implied, nothing)


ANYBODY = {"reference": "Organization/nobody-knows"}


@pytest.mark.parametrize(
    ("elements", "matches"),
    [
        # AND across elements, OR inside one
        ({"actor": [actor(THEM), actor()], "purpose": [purpose("HRESCH"), purpose("TREAT")]}, P),
        ({"actor": [actor()], "purpose": [purpose("HRESCH")]}, D),
        ({"actor": [actor(THEM)], "purpose": [purpose("TREAT")]}, D),
        # purpose
        ({"purpose": [purpose("TREAT")]}, P),
        ({"purpose": [purpose("PurposeOfUse")]}, P),
        ({"purpose": [purpose("ETREAT")]}, D),
        ({"purpose": [purpose("NOT-A-CODE")]}, H),
        ({"purpose": [{"code": "TREAT"}]}, H),
        ({"purpose": []}, H),
        ({"purpose": "TREAT"}, H),
        # action
        ({"action": [code("disclose", "http://terminology.hl7.org/CodeSystem/consentaction")]}, P),
        ({"action": [code("collect", "http://terminology.hl7.org/CodeSystem/consentaction")]}, D),
        ({"action": [code("whisper", "http://terminology.hl7.org/CodeSystem/consentaction")]}, H),
        # actor
        ({"actor": [{"reference": {"reference": "Organization/us"}}]}, P),
        ({"actor": [{"reference": {"reference": "Organization/them"}}]}, D),
        ({"actor": [{"reference": ANYBODY}]}, H),
        ({"actor": [{"reference": {"display": "the nice people"}}]}, H),
        ({"actor": [{"role": actor()["role"]}]}, H),
        ({"actor": [{"role": code("community-provider", "https://throughgate.example/code/recipient-class")}]}, P),
        ({"actor": [{"role": code("pharmacy", "https://throughgate.example/code/recipient-class")}]}, D),
        ({"actor": [actor(role="AUT")]}, H),
        # period, inclusive at written precision, days in London
        ({"period": {"start": "2026-01-15", "end": "2026-01-15"}}, P),
        ({"period": {"end": "2026-01-14"}}, D),
        ({"period": {"start": "2026-01-16"}}, D),
        ({"period": {"end": "2026-01-15T12:00:00Z"}}, P),
        ({"period": {"start": "2026-01-15T12:00:01Z"}}, D),
        ({"period": {"start": "2026"}}, P),
        ({"period": {"start": "soon"}}, H),
        ({"period": {"start": "2026-01-01", "end": "when it suits"}}, H),
        ({"period": "2026"}, H),
        # class
        ({"class": [{"system": TYPES, "code": "Observation"}]}, P),
        ({"class": [{"system": TYPES, "code": "CarePlan"}]}, D),
        ({"class": [{"system": "urn:ietf:rfc:3986", "code": "https://p.example/profile"}]}, H),
        ({"class": [{"system": "urn:example:own", "code": "x"}]}, D),
        # data
        ({"data": [{"meaning": "instance", "reference": {"reference": "Observation/one"}}]}, P),
        ({"data": [{"meaning": "instance", "reference": {"reference": "Observation/two"}}]}, D),
        ({"data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/who"}}]}, H),
        ({"data": [{"meaning": "mysterious", "reference": {"reference": "Observation/two"}}]}, H),
        ({"data": [{"meaning": "instance"}]}, H),
        # data period: this resource states no time
        ({"dataPeriod": {"start": "2025-01-01"}}, H),
        # security label: permit must cover every label, R and SUD
        ({"securityLabel": [label("R"), label("SUD")]}, P),
        ({"securityLabel": [label("V"), label("SUD")]}, P),
        ({"securityLabel": [label("N"), label("SUD")]}, D),
        ({"securityLabel": [label("R")]}, D),
        ({"securityLabel": [label("R"), label("HIV")]}, D),
        ({"securityLabel": [label("R"), {"system": "urn:example:own", "code": "x"}]}, H),
    ],
)
def test_what_a_core_permit_matches(elements: dict[str, Any], matches: str) -> None:
    """Core R4, opt-out with one nested permit: permit means it matched, deny that it did not, and an unknown never fires a permit."""
    consent = fhir_consent(provision(provision=[provision(permit, **elements)]), rule="OPTOUT")
    assert vote(ask(consent)) == (P if matches == P else D)
    assert vote(ask(consent, under=ASKS_FIRST)) == (P if matches == P else D)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"purpose": [purpose("TREAT")]}, D),
        ({"purpose": [purpose("HRESCH")]}, P),
        ({"purpose": [purpose("ETREAT")]}, P),
        ({"purpose": [purpose("NOT-A-CODE")]}, H),
        ({"actor": [{"reference": ANYBODY}]}, H),
        ({"actor": [{"reference": ANYBODY}, actor()]}, D),
        ({"actor": [{"reference": ANYBODY}], "purpose": [purpose("HRESCH")]}, P),
        ({"period": {"end": "2025"}}, P),
        ({"securityLabel": [label("N")]}, D),
        ({"securityLabel": [label("R")]}, D),
        ({"securityLabel": [label("V")]}, P),
        ({"securityLabel": [label("SUD")]}, D),
        ({"securityLabel": [label("HIV")]}, P),
        ({"securityLabel": [label("NOT-A-CODE")]}, H),
        ({"class": [{"system": TYPES, "code": "Observation"}]}, D),
        ({"code": [code("165816005")]}, H),
        ({"dataPeriod": {"end": "2025"}}, H),
    ],
)
def test_what_a_core_deny_matches(elements: dict[str, Any], expected: str) -> None:
    """Core R4, opt-in with one nested deny: a deny that fires only through an unknown is held."""
    consent = fhir_consent(provision(provision=[provision(deny, **elements)]), rule="OPTIN")
    assert vote(ask(consent)) == expected
    released = vote(ask(consent, released=True))
    assert released == (P if expected == H else expected)


@pytest.mark.parametrize(
    ("held", "table", "stated", "expected"),
    [
        (code("1"), {}, code("1"), D),
        (code("1"), {(f"{SNOMED}|2", f"{SNOMED}|1"): True}, code("2"), D),
        (code("1"), {(f"{SNOMED}|2", f"{SNOMED}|1"): False}, code("2"), P),
        (code("1"), {}, code("2"), H),
        ({"text": "something"}, {}, code("2"), H),
        (None, {}, code("2"), H),
    ],
)
def test_a_code_goes_by_the_table(held: Any, table: dict[tuple[str, str], bool], stated: Any, expected: str) -> None:
    consent = fhir_consent(provision(permit, provision=[provision(deny, code=[stated])]))
    one = resource(**({"code": held} if held else {}))
    assert vote(ask(consent, resources=(patient(), one), table=table)) == expected


def test_a_denied_code_is_found_in_a_component_too() -> None:
    consent = fhir_consent(provision(permit, provision=[provision(deny, code=[code("5")])]))
    one = resource(code=code("1"), component=[{"code": code("5")}])
    table = {(f"{SNOMED}|5", f"{SNOMED}|1"): False}
    assert vote(ask(consent, resources=(patient(), one), table=table)) == D


@pytest.mark.parametrize(
    ("times", "permitted", "denied"),
    [
        ({"effectiveDateTime": "2025-06-01"}, P, D),
        ({"effectiveDateTime": "2024-06-01"}, D, P),
        ({"effectiveDateTime": "2025-06-01", "issued": "2026-01-02T10:00:00Z"}, D, D),
        ({"effectiveDateTime": "2025-06-01", "issued": "2025-06-02T10:00:00Z"}, P, D),
        ({"effectivePeriod": {"start": "2025-01-02", "end": "2025-02-01"}}, P, D),
        ({"effectivePeriod": {"start": "2024-12-01", "end": "2025-02-01"}}, D, D),
        ({"effectivePeriod": {"start": "2025-12-01"}}, D, D),
        ({"effectiveDateTime": "2025"}, P, D),
        ({"effectiveDateTime": "yesterday"}, D, H),
        ({"effectiveDateTime": "2025-06-01", "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}, D, D),
    ],
)
def test_data_period_is_held_against_every_clinical_time(times: dict[str, Any], permitted: str, denied: str) -> None:
    """A permit needs all times inside, a deny one (consent.md 3.4 d)."""
    within = {"start": "2025-01-01", "end": "2025-12-31"}
    things = (patient(), resource(**times))
    opted_out = fhir_consent(provision(provision=[provision(permit, dataPeriod=within)]), rule="OPTOUT")
    opted_in = fhir_consent(provision(provision=[provision(deny, dataPeriod=within)]), rule="OPTIN")
    assert vote(ask(opted_out, resources=things)) == permitted
    assert vote(ask(opted_in, resources=things)) == denied


def test_days_are_days_in_london() -> None:
    """On 2026-07-01 England is an hour ahead of UTC: 23:30Z on the last of June is already July there."""
    july = fhir_consent(provision(permit, period={"start": "2026-07-01", "end": "2026-07-01"}))
    assert vote(ask(july, under=ASKS_FIRST, as_of="2026-06-30T23:30:00Z")) == P
    assert vote(ask(july, under=ASKS_FIRST, as_of="2026-06-30T22:30:00Z")) == D
    assert vote(ask(july, under=ASKS_FIRST, as_of="2026-07-01T22:59:59Z")) == P
    assert vote(ask(july, under=ASKS_FIRST, as_of="2026-07-01T23:00:00Z")) == D


def test_pcf_root_limits_mean_nothing_but() -> None:
    """IHE PCF: what a root permit's data limits leave out is forbidden, and its nested provisions may go beyond them."""
    normal_only = fhir_consent(provision(permit, securityLabel=[label("N")]))
    assert both(normal_only) == (D, D)
    focused = fhir_consent(
        provision(
            permit,
            securityLabel=[label("N")],
            provision=[provision(permit, securityLabel=[label("R"), label("SUD")], actor=[actor()])],
        )
    )
    assert both(focused) == (P, P)
    denial = fhir_consent(provision(deny, securityLabel=[label("HIV")]))
    assert both(denial) == (P, D)


def test_related_follows_references_and_pcf_writes_it_for_an_encounter() -> None:
    encounter = resource("Encounter", "stay", diagnosis=[{"condition": {"reference": "Condition/known"}}])
    inside = resource("Observation", "one", encounter={"reference": "Encounter/stay"})
    named = resource("Condition", "known")
    other = resource("Observation", "other")
    things = (patient(), encounter, inside, named, other)
    data = [{"meaning": "related", "reference": {"reference": "Encounter/stay"}}]
    core = ask(fhir_consent(provision(provision=[provision(deny, data=data)]), rule="OPTIN"), resources=things)
    assert [
        vote(core, name) for name in ("Encounter/stay", "Condition/known", "Observation/one", "Observation/other")
    ] == [D, D, P, P]
    pcf = ask(fhir_consent(provision(permit, provision=[provision(deny, data=data)])), resources=things)
    assert [
        vote(pcf, name) for name in ("Encounter/stay", "Condition/known", "Observation/one", "Observation/other")
    ] == [D, D, D, P]
    dependents = [{"meaning": "dependents", "reference": {"reference": "Encounter/stay"}}]
    held = ask(fhir_consent(provision(permit, provision=[provision(deny, data=dependents)])), resources=things)
    assert [vote(held, name) for name in ("Encounter/stay", "Condition/known", "Observation/one")] == [D, P, D]


def test_authored_by() -> None:
    theirs = resource("Observation", "one", performer=[{"reference": "Organization/them"}])
    ours = resource("Observation", "two", performer=[{"reference": "Organization/us"}])
    data = [{"meaning": "authoredby", "reference": {"reference": "Organization/them"}}]
    decision = ask(
        fhir_consent(provision(permit, provision=[provision(deny, data=data)])), resources=(patient(), theirs, ours)
    )
    assert (vote(decision, "Observation/one"), vote(decision, "Observation/two")) == (D, P)


def test_an_unlabelled_resource_counts_as_carrying_every_label() -> None:
    bare = (patient(), resource(labels=None))
    assert vote(ask(resources=bare)) == P
    denies_hiv = fhir_consent(provision(permit, provision=[provision(deny, securityLabel=[label("HIV")])]))
    assert vote(ask(denies_hiv, resources=bare)) == D
    assert rule(ask(fhir_consent(provision(permit)), resources=bare, under=ASKS_FIRST)) == "unlabelled"


def test_claiming_an_emergency_reaches_no_further_than_treatment() -> None:
    def asked(stated: str, claimed: str) -> Match:
        return covers(Coding(system=REASON, code=stated), Coding(system=REASON, code=claimed))

    assert asked("TREAT", "ETREAT") is Match.YES
    assert asked("TREAT", "BTG") is Match.YES
    assert asked("ETREAT", "TREAT") is Match.NO
    assert asked("HRESCH", "BTG") is Match.NO


def test_what_is_not_understood_can_deny_and_not_permit() -> None:
    strange: dict[str, Any] = {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    assert both(fhir_consent(provision(permit), **strange)) == (P, D)
    assert both(fhir_consent(provision(deny), **strange)) == (D, D)
    assert both(fhir_consent(provision(permit, provision=[provision(permit, **strange)]))) == (P, D)
    assert both(fhir_consent(provision(permit), implicitRules="urn:x")) == (P, D)
    assert both(fhir_consent(provision(permit), verification=[{"verified": False}])) == (P, D)
    assert both(fhir_consent(provision(permit), verification=[{"verified": True}])) == (P, P)


def test_a_vote_names_its_provision() -> None:
    decision = ask(nested(provision(permit, actor=[actor(THEM)]), provision(deny, actor=[actor()])))
    told = next(item for item in decision.votes if item.resource == "Observation/one")
    assert (told.rule, told.consent, told.version, told.provision) == (
        "consent-deny",
        "c1",
        "1",
        "provision.provision[1]",
    )


def test_a_group_and_a_parent_organisation_cover_their_members() -> None:
    group = {"resourceType": "Group", "id": "g", "member": [{"entity": {"reference": "Organization/us"}}]}
    left = {
        "resourceType": "Group",
        "id": "l",
        "member": [{"entity": {"reference": "Organization/us"}, "inactive": True}],
    }
    child = organization("us", partOf={"reference": "Organization/trust"})
    trust = organization("trust", "RXT00")
    known = (child, trust, group, left)
    for name, expected in (("Group/g", D), ("Group/l", P), ("Organization/trust", D)):
        consent = fhir_consent(provision(deny, actor=[{"reference": {"reference": name}}]))
        assert vote(ask(consent, directory=known)) == expected, name


def test_the_labels_table_answers_unknown_where_it_is_silent() -> None:
    consent = fhir_consent(provision(permit, provision=[provision(deny, securityLabel=[label("HIV")])]))
    assert vote(ask(consent, table=LABELS)) == P
    assert vote(ask(consent, table={})) == H
