"""No person's consents, and no letter, keep everybody else waiting: what is more than is compared waits for a person, and never leaks."""

from dataclasses import replace

from consent.decide import RULES, decide
from consent.extent import MOST_STEPS, OF_A_PERSON, is_too_much
from consent.shapes import Facts, Json, Outcome, Override, OverrideKind, Vote
from tests.consent.made import agreement, ask, code, fhir_consent, patient, provision, registered, request, resource


def wide(count: int, width: int) -> tuple[Json, ...]:
    """Consents that permit everything but what has one of many codes."""
    denied = provision("deny", code=[code(str(each)) for each in range(width)])
    return tuple(fhir_consent(provision("permit", provision=[denied]), name=str(each)) for each in range(count))


MANY = wide(20, 400)
LETTER = (patient(), *(resource(name=f"r{each}") for each in range(140)))
"""With these 20 Consents 2,397,000 steps: compared, it would take seconds each time."""


def test_more_than_is_compared_is_held_or_withheld_as_the_agreement_says_and_says_so() -> None:
    """INVARIANT: neither a permit nor a denial is read out of a part of it, and no letter of care is withheld without a word."""
    held = ask(*MANY, resources=LETTER)
    assert held.outcome is Outcome.HOLD
    assert {vote.vote for vote in held.votes} == {Vote.HOLD}
    assert [(each.rule, each.text) for each in held.reasons] == [("too-much-to-compare", RULES["too-much-to-compare"])]
    assert (held.permitted, held.conflicts) == ((), ())
    withholds = replace(agreement("handover"), undecidable="withhold")
    withheld = ask(*MANY, resources=LETTER, under=withholds)
    assert withheld.outcome is Outcome.WITHHOLD
    assert {vote.rule for vote in withheld.votes} == {"too-much-to-compare"}


def test_what_is_less_is_compared() -> None:
    decided = ask(*MANY[:2], resources=LETTER[:20])
    assert {vote.rule for vote in decided.votes}.isdisjoint({"too-much-to-compare"})


def test_the_bound_is_where_it_is_said() -> None:
    """10 a Consent, 20 a provision, 1 for each thing named, for every resource and every purpose."""
    one = registered(fhir_consent(provision("permit", id="x")))
    assert MOST_STEPS // (30 * 1_000) == 66
    assert not is_too_much(one * 66, 1_000, 1, by_person=False)
    assert is_too_much(one * 67, 1_000, 1, by_person=False)
    assert not is_too_much(one * 67, 1_000, 1, by_person=True), "who lets it go waits for it themselves"
    assert is_too_much(one * 67, 1_000, OF_A_PERSON, by_person=True)
    assert is_too_much(one * 33, 1_000, 2, by_person=False) == (MOST_STEPS < 30 * 1_000 * 2 * 33)


def test_an_emergency_asks_no_consent_and_waits_for_none() -> None:
    given = Override(kind=OverrideKind.VITAL_INTEREST, until="2026-01-16T00:00:00Z")
    handover = agreement("handover")
    facts = Facts(resources=LETTER, consents=registered(*MANY), directory=(), subsumes={})
    decided = decide(replace(request(handover), override=given), facts, handover)
    assert decided.outcome is Outcome.RELEASE
    assert {vote.rule for vote in decided.votes} == {"override-vital-interest"}


def test_consents_that_disagree_are_each_named_and_not_each_with_every_other() -> None:
    """The bound holds for what is told of a decision too: hundreds against hundreds, for each resource, were millions of conflicts under it."""
    permits, denies = (
        [fhir_consent(provision(kind), name=f"{kind}{n}") for n in range(12)] for kind in ("permit", "deny")
    )
    letter = (patient(), resource(name="one"), resource(name="two"))
    for yes, no in ((permits, denies), (permits[:1], denies), (permits, denies[:1])):
        found = ask(*yes, *no, resources=letter).conflicts
        assert len(found) == len(letter) * max(len(yes), len(no))
        assert {each.permits.consent for each in found} == {each["id"] for each in yes}
        assert {each.denies.consent for each in found} == {each["id"] for each in no}
    assert ask(*permits, resources=letter).conflicts == ()
