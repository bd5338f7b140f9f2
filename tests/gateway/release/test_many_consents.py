"""The Consents of one message are compared for no longer than one message may keep the line, however many there are; what they refuse counts."""

from consent.shapes import RegisteredConsent
from fhir_profiles.shapes import HoldCode
from gateway.consents.register import MOST_OF_MESSAGE, Sender, Standing, prepare
from tests.builders import consent

AT = "2026-01-15T12:00:00+00:00"
AUTHORITY = Sender(authority=True)
DIRECTORY = [{"resourceType": "Organization", "id": f"o{each}"} for each in range(5_000)]


def said(count: int, decision: str) -> list[dict[str, object]]:
    return [consent(resource_id=f"c{each}", at="2026-01-02T09:00:00+00:00", decision=decision) for each in range(count)]


def test_one_too_many_is_compared_with_nothing_and_widens_by_nobodys_word_but_a_persons() -> None:
    """Each costs the fifth of the directory: with 5,000 organisations 20 are compared, and the 21st is one too many."""
    fit = MOST_OF_MESSAGE // (len(DIRECTORY) // 5) - 1
    made = prepare(said(fit + 5, "permit"), AUTHORITY, Standing(consents=(), directory=DIRECTORY, at=AT))
    remarks = [each.remarks for each in made.taken]
    assert "too-wide" not in {rule for one in remarks[:fit] for rule in one}
    assert all("too-wide" in one for one in remarks[-4:])
    assert made.hold is HoldCode.CONSENT_UNCLEAR
    assert [each.registered.authority for each in made.taken[:fit]] == [True] * fit
    assert [each.registered.authority for each in made.taken[-4:]] == [False] * 4
    assert "consent-remarks" in {each.code for each in made.tasks}


def test_what_refuses_counts_at_once_and_waits_only_where_it_could_take_something_back() -> None:
    alone = prepare(said(40, "deny"), AUTHORITY, Standing(consents=(), directory=DIRECTORY, at=AT))
    assert (alone.hold, len(alone.consents)) == (None, 40)
    before = RegisteredConsent(consent=said(1, "deny")[0], authority=True, registered=AT)
    beside = prepare(said(40, "deny"), AUTHORITY, Standing(consents=(before,), directory=DIRECTORY, at=AT))
    assert (beside.hold, len(beside.consents)) == (HoldCode.CONSENT_UNCLEAR, 40)
