"""Laws of consent.md 3.6 over generated consents: taking consent away never releases more, an unknown never releases more than the known."""

import copy
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.decide import decide
from consent.labels import UNRECOGNISED
from consent.prohibitions import SYSTEM
from consent.shapes import Agreement, Decision, Facts, Outcome, Override, OverrideKind, RegisteredConsent, Vote
from tests.consent.made import (
    ASKS_FIRST,
    DIRECTORY,
    LABELS,
    NOTICED,
    THEM,
    TYPES,
    US,
    actor,
    agreement,
    fhir_consent,
    label,
    patient,
    provision,
    purpose,
    registered,
    request,
    resource,
)

Json = dict[str, Any]
laws = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

RESOURCES = (
    patient(),
    resource("Observation", "sud", ["R", "SUD"], effectiveDateTime="2025-05-05"),
    resource("Observation", "hiv", ["R", "HIV"], effectiveDateTime="2024-05-05"),
    resource("MedicationRequest", "script", ["R", "OPIOIDUD"], authoredOn="2025-12"),
    resource("Flag", "bare", None),
    resource("CarePlan", "plan", ["N"], period={"start": "2025-01-01"}),
)
NOBODY = {"reference": {"reference": "Organization/nobody-knows"}}
elements = st.fixed_dictionaries(
    {},
    optional={
        "actor": st.lists(st.sampled_from([actor(US), actor(THEM), NOBODY]), min_size=1, max_size=2),
        "purpose": st.lists(
            st.sampled_from([purpose("TREAT"), purpose("HRESCH"), purpose("ETREAT"), purpose("odd")]),
            min_size=1,
            max_size=2,
        ),
        "securityLabel": st.lists(
            st.sampled_from([label(code) for code in ("N", "R", "V", "SUD", "HIV", "XX")]), min_size=1, max_size=3
        ),
        "class": st.lists(
            st.sampled_from([{"system": TYPES, "code": kind} for kind in ("Observation", "Flag")]),
            min_size=1,
            max_size=2,
        ),
        "period": st.sampled_from([{"start": "2026"}, {"end": "2025"}, {"end": "2026-01-15"}, {"start": "odd"}]),
        "dataPeriod": st.sampled_from([{"start": "2025"}, {"end": "2024"}]),
    },
)
types = st.sampled_from(["permit", "deny"])


@st.composite
def trees(draw: st.DrawFn, depth: int = 2) -> Json:
    node = provision(draw(types), **draw(elements))
    if depth and draw(st.booleans()):
        node["provision"] = draw(st.lists(trees(depth - 1), min_size=1, max_size=2))
    return node


@st.composite
def consents(draw: st.DrawFn) -> RegisteredConsent:
    place = draw(st.integers(1, 4))
    root = draw(trees())
    rule = None
    if draw(st.booleans()):
        rule = draw(st.sampled_from(["OPTIN", "OPTOUT", "IMPLIED", "ODD"]))
        root.pop("type")
    made = fhir_consent(
        root,
        rule=rule,
        name=f"c{draw(st.integers(1, 9))}",
        version=str(draw(st.integers(1, 3))),
        lineage=draw(st.sampled_from(["A", "B", None])),
        issued=f"2026-01-{place:02}",
        status=draw(st.sampled_from(["active"] * 6 + ["rejected", "inactive", "entered-in-error", "proposed"])),
    )
    return registered(made, authority=draw(st.booleans()), withdrawn=draw(st.booleans()))[0]


several = st.lists(consents(), max_size=4)
agreements = st.sampled_from([agreement("handover"), ASKS_FIRST, replace(ASKS_FIRST, undecidable="hold")])
WIDTH = {Vote.DENY: 0, Vote.HOLD: 0, Vote.PERMIT: 1}


def decided(
    given_consents: list[RegisteredConsent], agreed: Agreement, resources: Any = RESOURCES, **more: Any
) -> Decision:
    table, opened = more.pop("table", LABELS), more.pop("opened", frozenset())
    said = (*given_consents, *NOTICED)
    facts = Facts(resources=tuple(resources), consents=said, directory=DIRECTORY, subsumes=table, by_agreement=opened)
    return decide(request(agreed, **more), facts, agreed)


def released(decision: Decision) -> set[str]:
    """What may leave by the votes, whatever becomes of the letter as a whole."""
    assert "error" not in {reason.rule for reason in decision.reasons}
    return {vote.resource for vote in decision.votes if WIDTH[vote.vote]}


def by_vote(decision: Decision) -> dict[str, Vote]:
    return {vote.resource: vote.vote for vote in decision.votes}


@laws
@given(several, agreements, st.randoms(use_true_random=False))
def test_order_never_matters(given_consents: list[RegisteredConsent], agreed: Agreement, chance: random.Random) -> None:
    shuffled = [
        replace(item, consent=dict(chance.sample(list(item.consent.items()), len(item.consent))))
        for item in given_consents
    ]
    chance.shuffle(shuffled)
    things = list(RESOURCES)
    chance.shuffle(things)
    one, other = decided(given_consents, agreed), decided(shuffled, agreed, things)
    assert by_vote(one) == by_vote(other)
    assert one.outcome is other.outcome
    assert {reason.rule for reason in one.reasons} == {reason.rule for reason in other.reasons}


@laws
@given(several, agreements)
def test_adding_a_denial_never_releases_more(given_consents: list[RegisteredConsent], agreed: Agreement) -> None:
    denial = registered(fhir_consent(provision("deny", actor=[actor()]), name="denial", issued="2025-01-01"))
    assert released(decided([*given_consents, *denial], agreed)) <= released(decided(given_consents, agreed))


@laws
@given(several, agreements, st.data())
def test_refusing_or_withdrawing_never_releases_more(
    given_consents: list[RegisteredConsent], agreed: Agreement, data: st.DataObject
) -> None:
    """The newest word of a lineage becomes a refusal: what was not released before is not released after."""
    active = [item for item in given_consents if item.consent["status"] == "active"]
    if not active:
        return
    chosen = data.draw(st.sampled_from(active))
    meta = {"versionId": "99"}
    after = {
        **chosen.consent,
        "status": data.draw(st.sampled_from(["rejected", "inactive"])),
        "dateTime": "2026-01-14",
        "meta": meta,
    }
    told = RegisteredConsent(
        consent=after, authority=chosen.authority, registered="2026-01-14T10:00:00Z", withdrawn_by_person=True
    )
    for agreed_consents in ([chosen], given_consents):
        before = decided(agreed_consents, agreed)
        now = decided([*agreed_consents, told], agreed)
        assert released(now) <= released(before)
    permitted = {vote.resource for vote in decided([chosen], agreed).votes if vote.rule == "consent-permit"}
    assert not permitted & released(decided([chosen, told], agreed))


@laws
@given(several, agreements)
def test_without_authority_nothing_widens(given_consents: list[RegisteredConsent], agreed: Agreement) -> None:
    with_authority = [item for item in given_consents if item.authority]
    every = released(decided(given_consents, agreed))
    assert every <= released(decided(with_authority, agreed))
    humbled = [replace(item, authority=False) for item in given_consents]
    assert released(decided(humbled, agreed)) <= released(decided([], agreed))


@laws
@given(several, agreements, st.data())
def test_an_unknown_never_releases_more_than_the_known(
    given_consents: list[RegisteredConsent], agreed: Agreement, data: st.DataObject
) -> None:
    """Whatever the terminology and the directory do not answer: each full answer releases at least as much."""
    pairs = sorted(LABELS)
    hidden = set(data.draw(st.lists(st.sampled_from(pairs), max_size=len(pairs), unique=True)))
    known = {pair: answer for pair, answer in LABELS.items() if pair not in hidden}
    assert released(decided(given_consents, agreed, table=known)) <= released(
        decided(given_consents, agreed, table=LABELS)
    )
    facts = Facts(resources=RESOURCES, consents=(*given_consents, *NOTICED), directory=(), subsumes=LABELS)
    assert released(decide(request(agreed), facts, agreed)) <= released(decided(given_consents, agreed))


@laws
@given(several, agreements)
def test_labelling_higher_never_releases_more_to_a_flow_that_asks(
    given_consents: list[RegisteredConsent], agreed: Agreement
) -> None:
    raised = [
        {
            **item,
            "meta": {
                "security": [
                    label("V"),
                    *[held for held in item["meta"]["security"] if held["code"] not in "ULMNRV"],
                    label("HIV"),
                ]
            },
        }
        if "meta" in item and item["resourceType"] != "Patient"
        else item
        for item in RESOURCES
    ]
    assert released(decided(given_consents, agreed, raised)) <= released(decided(given_consents, agreed))


NAMES = st.sets(st.sampled_from([each["id"] for each in RESOURCES if each["resourceType"] != "Patient"]))


@laws
@given(several, agreements, NAMES)
def test_what_nobody_can_classify_is_never_more_than_before(
    given_consents: list[RegisteredConsent], agreed: Agreement, unread: set[str]
) -> None:
    """Whatever its sender said of it; and to a flow that asks it never goes (consent.md 3.4b 1, DESIGN section 2 rule 8)."""
    mark = {"system": UNRECOGNISED.system, "code": UNRECOGNISED.code}
    after = [
        {**item, "meta": {"security": [*item.get("meta", {}).get("security", []), mark]}}
        if item["id"] in unread
        else item
        for item in RESOURCES
    ]
    before, now = released(decided(given_consents, agreed)), released(decided(given_consents, agreed, after))
    assert now <= before
    marked = {name for name in before if name.split("/")[1] in unread}
    assert before - marked <= now, "nothing else is touched"
    assert agreed.without_consent == "implied" or not now & marked


@laws
@given(several, agreements, st.booleans())
def test_an_override_lets_go_what_consents_keep_and_nothing_else(
    given_consents: list[RegisteredConsent], agreed: Agreement, forbidden: bool
) -> None:
    """consent.md 3.6: never more than the agreement's paths, and nothing that another layer keeps."""
    kept_back = resource("MedicationRequest", "turned", status="active", intent="order", doNotPerform=forbidden)
    unread = resource("Observation", "odd", implicitRules="urn:x")
    resources = (*RESOURCES, kept_back, unread)
    kind = OverrideKind.VITAL_INTEREST if agreed.without_consent == "implied" else OverrideKind.HARM_TEST
    given_now = Override(kind=kind, until="9999-01-01T00:00:00Z")
    facts = Facts(resources=resources, consents=(*given_consents, *NOTICED), directory=DIRECTORY, subsumes=LABELS)
    before = decide(request(agreed), facts, agreed)
    after = decide(replace(request(agreed), override=given_now), facts, agreed)
    never = {"Observation/odd", *({"MedicationRequest/turned"} if forbidden else ())}
    never |= {"Flag/bare"} if agreed.without_consent != "implied" else set()
    assert released(before) <= released(after)
    assert released(after) == {f"{each['resourceType']}/{each['id']}" for each in resources} - never
    assert set(after.permitted) <= set(agreed.paths)
    assert {vote.rule for vote in after.votes if vote.resource in released(after) - released(before)} <= {
        f"override-{kind}"
    }


@laws
@given(several, agreements, st.sets(st.sampled_from([each["id"] for each in RESOURCES])))
def test_what_a_law_protects_is_never_more_than_before(
    given_consents: list[RegisteredConsent], agreed: Agreement, protected: set[str]
) -> None:
    law = {"system": SYSTEM, "code": "gender-recognition"}
    after = [
        {**item, "meta": {"security": [*item.get("meta", {}).get("security", []), law]}}
        if item["id"] in protected
        else item
        for item in RESOURCES
    ]
    before, now = (
        decided(given_consents, agreed),
        decided(given_consents, agreed, after, opened=frozenset({law["code"]})),
    )
    assert released(now) <= released(before)
    # None of these consents names that law, so nothing that it protects leaves, and nothing else is touched.
    assert released(now) == {name for name in released(before) if name.split("/")[1] not in protected}


@laws
@given(several)
def test_no_consent_at_all_is_the_default_of_the_flow(given_consents: list[RegisteredConsent]) -> None:
    assert released(decided([], agreement("handover"))) == {
        f"{item['resourceType']}/{item['id']}" for item in RESOURCES
    }
    assert released(decided([], ASKS_FIRST)) == set()
    assert released(decided(given_consents, ASKS_FIRST)) <= released(decided(given_consents, agreement("handover")))


@laws
@given(several, agreements, st.integers(1, len(RESOURCES) - 1))
def test_splitting_a_letter_gives_the_same_votes(
    given_consents: list[RegisteredConsent], agreed: Agreement, cut: int
) -> None:
    whole = by_vote(decided(given_consents, agreed))
    parts = {
        **by_vote(decided(given_consents, agreed, RESOURCES[:cut])),
        **by_vote(decided(given_consents, agreed, RESOURCES[cut:])),
    }
    assert parts == whole


@laws
@given(several, agreements)
def test_a_person_releases_only_what_was_held(given_consents: list[RegisteredConsent], agreed: Agreement) -> None:
    holding = replace(agreed, undecidable="hold")
    before, after = by_vote(decided(given_consents, holding)), by_vote(decided(given_consents, holding, released=True))
    for name, vote in before.items():
        assert after[name] is (Vote.PERMIT if vote is Vote.HOLD else vote)


@laws
@given(several, agreements)
def test_only_release_and_reduce_carry_paths(given_consents: list[RegisteredConsent], agreed: Agreement) -> None:
    decision = decided(given_consents, agreed)
    assert bool(decision.permitted) == (decision.outcome in (Outcome.RELEASE, Outcome.REDUCE))
    assert set(decision.permitted) <= {item.path for item in agreed.fields}


@laws
@given(several, agreements)
def test_time_changes_a_decision_only_at_the_edges_of_periods(
    given_consents: list[RegisteredConsent], agreed: Agreement
) -> None:
    """No consent here has an edge between these two instants."""
    one = by_vote(decided(given_consents, agreed, as_of="2026-01-15T09:00:00Z"))
    assert one == by_vote(decided(given_consents, agreed, as_of="2026-01-15T21:00:00+00:00"))


def test_the_laws_can_fail() -> None:
    """Sabotage: a rule that lets the newest lineage win breaks the law of added denials, so the law is a test."""

    def newest_wins(items: list[RegisteredConsent]) -> set[str]:
        newest = max(items, key=lambda item: item.consent["dateTime"])
        return released(decided([newest], ASKS_FIRST))

    denial = registered(fhir_consent(provision("deny"), name="denial", issued="2026-01-01"))[0]
    permit = registered(fhir_consent(provision("permit"), name="permit", issued="2026-01-02"))[0]
    assert newest_wins([denial, permit])
    assert not released(decided([denial, permit], ASKS_FIRST))
    with pytest.raises(AssertionError):
        assert newest_wins([denial, permit]) <= released(decided([denial, permit], ASKS_FIRST))


NARROWER = st.one_of(
    st.tuples(st.just("actor"), st.sampled_from([[actor(US)], [actor(THEM)], [NOBODY]])),
    st.tuples(st.just("purpose"), st.sampled_from([[purpose("TREAT")], [purpose("HRESCH")], [purpose("odd")]])),
    st.tuples(st.just("period"), st.sampled_from([{"start": "2026-02"}, {"end": "2025"}, {"start": "odd"}])),
)


def plain_permits(node: Json, rule: str) -> list[Json]:
    """The provisions of a tree that permit and hold nothing else: what is nested in one could be a denial that goes with it."""
    nested = node.get("provision", [])
    permits = node.get("type", "permit" if rule == "OPTIN" else "") == "permit"
    inner = [found for item in nested for found in plain_permits(item, "")]
    return [*([node] if permits and not nested else []), *inner]


def narrowed(item: RegisteredConsent, place: int, element: str, value: Any) -> RegisteredConsent:
    """One plain permit narrowed in one element: a list to a part of it, what is absent to something."""
    changed = copy.deepcopy(item.consent)
    chosen = permits_of(changed)[place]
    held = chosen.get(element)
    if held is None:
        chosen[element] = value
    elif isinstance(held, list):
        chosen[element] = held[:1]
    return replace(item, consent=changed)


def permits_of(consent: Json) -> list[Json]:
    rule = next((each["code"] for each in consent.get("policyRule", {}).get("coding", [])), "")
    return plain_permits(consent["provision"], rule)


@laws
@given(several, agreements, NARROWER, st.data())
def test_narrowing_whom_what_for_or_when_never_adds(
    given_consents: list[RegisteredConsent], agreed: Agreement, narrower: tuple[str, Any], data: st.DataObject
) -> None:
    """A permit for fewer recipients, purposes or days, in consents that stand: a refusal of a narrower thing refuses less, and is no permit."""
    standing = [replace(item, consent={**item.consent, "status": "active"}) for item in given_consents]
    places = [(at, place) for at, item in enumerate(standing) for place in range(len(permits_of(item.consent)))]
    if not places:
        return
    at, place = data.draw(st.sampled_from(places))
    after = [narrowed(item, place, *narrower) if index == at else item for index, item in enumerate(standing)]
    assert released(decided(after, agreed)) <= released(decided(standing, agreed))


@laws
@given(several, agreements, st.sampled_from(["HRESCH", "ETREAT", "odd"]))
def test_a_request_for_more_purposes_never_adds(
    given_consents: list[RegisteredConsent], agreed: Agreement, other: str
) -> None:
    """What is asked for two purposes has to be permitted for both."""
    wide = replace(agreed, purpose=(*agreed.purpose, replace(agreed.purpose[0], code=other)))
    assert released(decided(given_consents, wide)) <= released(decided(given_consents, agreed))


@laws
@given(several, agreements, st.data())
def test_a_narrower_agreement_never_adds(
    given_consents: list[RegisteredConsent], agreed: Agreement, data: st.DataObject
) -> None:
    fields = tuple(data.draw(st.lists(st.sampled_from(agreed.fields), unique_by=lambda item: item.path)))
    before = decided(given_consents, agreed)
    for after in (
        replace(agreed, fields=fields),
        replace(agreed, purpose=()),
        replace(agreed, text={**agreed.text, "ends": "2026-01-14"}),
    ):
        now = decided(given_consents, after)
        assert set(now.permitted) <= set(before.permitted)
        assert released(now) <= released(before)


def test_narrowing_is_felt() -> None:
    """Sabotage: a permit that is narrowed away from us takes all with it; a denial that is narrowed gives back: the law is about permits."""
    permit = registered(fhir_consent(provision("permit")))[0]
    every = released(decided([permit], ASKS_FIRST))
    for element, value in (("actor", [actor(THEM)]), ("purpose", [purpose("HRESCH")]), ("period", {"end": "2025"})):
        assert released(decided([narrowed(permit, 0, element, value)], ASKS_FIRST)) < every, element
    ours, theirs = (registered(fhir_consent(provision("deny", actor=[actor(whom)]))) for whom in (US, THEM))
    care = agreement("handover")
    assert released(decided([*ours], care)) < released(decided([*theirs], care))
