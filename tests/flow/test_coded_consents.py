"""A coded entry of consent, end to end: a refusal stops a letter of care, a yes from a stranger waits, NDTMS and care stay apart."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from gateway.store.schema import consent
from tests.builders import adt_a03, fhir_message
from tests.fhir_profiles.fhir_message.test_coded_consents import DECLINED, GIVEN, NDTMS, UNABLE, WITHDRAWN, entry
from tests.line import STRANGER, Line, running
from tests.world import check_world


def said(code: tuple[str, str], number: int, **changes: Any) -> bytes:
    about: dict[str, Any] = {"subject": {"reference": "Patient/patient"}, "id": f"said-{number}"}
    day: dict[str, Any] = {"effectiveDateTime": f"2026-01-{number:02d}T09:00:00Z"}
    return fhir_message(resources=[entry(code, **day, **about, **changes)], message_id=f"said-{number}")


def registered(line: Line) -> list[bool]:
    """Whether each registered Consent is a withdrawal by the person, in order."""
    with line.gateway.store.read() as c:
        return list(c.execute(select(consent.c.withdrawn_by_person).order_by(consent.c.version)).scalars())


def handover(line: Line) -> Any:
    (row,) = [row for row in line.deliveries() if row.letter == "handover"]
    return row


async def test_a_coded_refusal_stops_the_handover_and_the_clinician_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(said(DECLINED, 1), adt_a03())
        assert (handover(line).state, handover(line).reason) == ("withheld", "withheld-by-consent")
        assert "withheld-by-consent" in line.told_codes()
        check_world(line)


async def test_a_later_yes_from_the_same_source_ends_the_refusal(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(said(DECLINED, 1), said(GIVEN, 2), adt_a03())
        assert handover(line).state == "delivered"
        check_world(line)


async def test_a_coded_withdrawal_is_registered_as_the_persons_act(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(said(GIVEN, 1), said(WITHDRAWN, 2), adt_a03())
        assert registered(line) == [False, True]
        assert handover(line).state == "withheld"
        check_world(line)


async def test_a_refusal_of_notification_to_ndtms_is_no_dissent_to_care(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(said(NDTMS, 1), adt_a03())
        assert handover(line).state == "delivered"
        check_world(line)


async def test_unable_to_consent_permits_nothing_stops_nothing_and_is_told(tmp_path: Path) -> None:
    """No Consent is registered; direct care goes on, and a clinician is asked."""
    async with running(tmp_path) as line:
        await line.play(said(UNABLE, 1), adt_a03())
        assert registered(line) == []
        assert handover(line).state == "delivered"
        assert "unable-to-consent" in line.told_codes()
        check_world(line)


async def test_a_coded_yes_from_a_stranger_waits_and_its_no_counts(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(said(GIVEN, 1), client=STRANGER)
        assert (line.messages()[0].state, line.messages()[0].reason) == ("held", "consent-authority")
        await line.play(said(DECLINED, 2), client=STRANGER)
        await line.play(adt_a03())
        assert handover(line).state == "withheld"
        check_world(line)


async def test_it_is_about_care_and_not_about_research(tmp_path: Path) -> None:
    """A refusal of secondary use leaves the handover alone."""
    async with running(tmp_path) as line:
        await line.play(said(("http://read.info/ctv3", "XaZ89"), 1), adt_a03())
        assert handover(line).state == "delivered"
        check_world(line)
