"""What is looked at before a consent takes effect: what lint finds, and whether its own sender would have more by it."""

import time
from pathlib import Path
from typing import Any

from fhir_profiles.systems import SNOMED
from gateway import desk
from gateway.clients import add_client
from gateway.store.schema import consent as registered
from tests.builders import adt_a03, consent, fhir_message, synthetic_person
from tests.line import CLINICAL, STRANGER, Line, running
from tests.world import check_world

SECURITY = "security-desk"
ONE, TWO, THREE, FOUR, FIVE = (synthetic_person(number) for number in range(1, 6))
AT = "2026-01-02T09:00:00+00:00"
LATER = "2026-01-03T09:00:00+00:00"


def said(person: Any, number: int, resource: Any) -> bytes:
    return fhir_message(resources=[resource], message_id=f"FHIR-{number}", event="consent", person=person)


def root(kind: str, *nested: Any, **more: Any) -> Any:
    """One consent of the IHE PCF dialect."""
    made = consent(resource_id="w", at=more.pop("at", AT), decision="permit")
    del made["policyRule"]
    return {
        **made,
        "policy": [{"uri": "https://example.org/policy"}],
        "provision": {"type": kind, **more, **({"provision": list(nested)} if nested else {})},
    }


def to(ods: str) -> Any:
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
    identifier = {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": ods}
    return {"role": role, "reference": {"type": "Organization", "identifier": identifier}}


def last(line: Line) -> tuple[str, str | None]:
    row = line.messages()[-1]
    return row.state, row.reason


def kept(line: Line) -> list[tuple[bool, str]]:
    """(counts as a consent authority's word, what lint found), oldest first."""
    with line.gateway.store.read() as c:
        return [(row.authority, row.remarks) for row in c.execute(registered.select().order_by(registered.c.id))]


async def test_what_lint_finds_is_kept_and_told_and_widens_nothing(tmp_path: Path) -> None:
    nobody = {**to("ZZC01"), "reference": {"reference": "Organization/gone"}}
    async with running(tmp_path) as line:
        await line.play(said(ONE, 1, root("permit", period={"end": "2027-01-01"})), client=CLINICAL)
        assert (last(line), kept(line)) == (("released", None), [(True, "ends")])
        assert line.told_codes() == []

        await line.play(said(TWO, 2, root("deny", {"type": "deny", "actor": [nobody]})), client=CLINICAL)
        assert last(line) == ("released", None)
        assert kept(line)[-1] == (True, "dangling-actor same-type")
        assert line.told_codes() == ["consent-remarks"]
        await line.play(adt_a03(TWO))
        assert [row.state for row in line.deliveries()] == ["withheld"], "what it refuses counts at once"

        opposed = [{"type": kind, "actor": [to("ZZC01")]} for kind in ("permit", "deny")]
        odd = (
            ("contradiction", root("permit", *opposed)),
            ("dangling-actor", root("deny", {"type": "permit", "actor": [nobody]})),
            ("unsupported", root("permit", extension=[{"url": "https://example.org/x", "valueBoolean": True}])),
        )
        for number, (rule, resource) in enumerate(odd, 3):
            await line.play(said((THREE, FOUR, FIVE)[number - 3], number, resource), client=CLINICAL)
            assert last(line) == ("held", "consent-unclear"), rule
            weight, found = kept(line)[-1]
            assert (weight, rule in found.split()) == (False, True)
        assert line.told_codes().count("consent-unclear") == 3
        desk.release_held(line.gateway, line.messages()[-1].id, reason="asked the person", by="ig-2")
        assert (last(line), kept(line)[-1][0]) == (("released", None), True)
        check_world(line)


async def test_nobody_waits_for_a_wide_consent(tmp_path: Path) -> None:
    """60 kB from who may say nothing for anybody, and somebody else's handover behind it. What it refuses counts at once."""
    outer, inner = (
        [{"coding": [{"system": SNOMED, "code": f"{place}{each}"} for each in range(300)]}] for place in "19"
    )
    wide = root("deny", {"type": "permit", "code": inner}, code=outer)
    async with running(tmp_path) as line:
        begun = time.monotonic()
        await line.send(said(ONE, 1, wide), client=STRANGER)
        await line.send(adt_a03(TWO))
        await line.settle()
        took = time.monotonic() - begun
        assert [row.state for row in line.deliveries()] == ["delivered"]
        assert took < 5, "it would be half a minute"
        assert (last(line), kept(line)) == (("released", None), [(False, "too-wide")])


async def test_a_consent_that_would_let_its_sender_have_more_waits_for_a_person(tmp_path: Path) -> None:
    """Security has nothing about a person without a consent: that it says that it may is not the person's word."""
    async with running(tmp_path) as line:
        add_client(
            line.gateway,
            name=SECURITY,
            kinds=("fhir-message",),
            establishments=("ZFG",),
            consent_authority=True,
            recipient="security",
        )
        for number, resource in enumerate(
            (
                root("permit"),
                root("permit", actor=[to("ZZS01")]),
                root("deny", {"type": "permit", "actor": [to("ZZS01")]}),
            )
        ):
            await line.play(said((ONE, TWO, THREE)[number], number, resource), client=SECURITY)
            assert last(line) == ("held", "consent-benefits-its-sender")
            assert not kept(line)[-1][0]
        assert line.told_codes().count("consent-benefits-its-sender") == 3

        await line.play(said(FOUR, 4, root("permit", actor=[to("ZZC01")])), client=SECURITY)
        assert last(line) == ("released", None), "it is for somebody else"
        await line.play(said(FOUR, 5, root("deny", actor=[to("ZZS01")], at=LATER)), client=SECURITY)
        assert last(line) == ("released", None), "a refusal counts whoever sends it"
        await line.play(said(FOUR, 6, root("permit", actor=[to("ZZC01")], at="2026-01-04T09:00:00Z")), client=SECURITY)
        assert last(line) == ("held", "consent-benefits-its-sender"), "it takes the place of what refused its sender"

        await line.play(said(FIVE, 7, root("permit")), client=CLINICAL)
        assert last(line) == ("released", None), "the same from who has no good of it"
        desk.release_held(line.gateway, line.messages()[0].id, reason="seen the signed form", by="ig-2")
        assert line.messages()[0].state == "released"
        assert kept(line)[0][0]
        check_world(line)
