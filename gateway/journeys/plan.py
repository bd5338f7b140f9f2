"""Which letters a message asks for and who should get them, by the person's own facts. Pure: the consent decision comes after.

Letters follow from the agreements: an agreement names the events that start its letter and the class of its recipient. Without an
agreement nothing is asked for. This module MUST NOT guess a recipient: none or several is `None`, and the letter is held.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from consent.shapes import Agreement
from fhir_profiles import facts, systems
from fhir_profiles.shapes import Event, Json, LetterContext, Task, Translation
from gateway.journeys.tasks import TASKS, task_of
from gateway.recipients import Recipient, choose

LEAVES_CUSTODY = frozenset({Event.RELEASE, Event.RELEASE_UNCLEAR})
NEVER_A_HANDOVER = frozenset({Event.DEATH, Event.ESCAPE})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One letter that an event asks for. `recipient` is None where the person's facts name none or several."""

    agreement: Agreement
    recipient: Recipient | None
    context: LetterContext
    corrects: str | None = None


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A handover that has or may have reached its recipient, seen from a cancelled release."""

    delivery_id: str
    recipient: str


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """What planning knows of this installation."""

    recipients: Mapping[str, Recipient]
    agreements: Mapping[str, Agreement]
    establishments: Mapping[str, str]
    telephones: Mapping[str, str]


def plan(
    neighbourhood: Neighbourhood,
    translation: Translation,
    resources: Sequence[Json],
    *,
    arrived: Sequence[Arrived] = (),
    not_contained: int = 0,
) -> tuple[Wanted, ...]:
    """The letters of one message. `resources` is the person's file with the message in it."""
    events = set(translation.events)
    if events & NEVER_A_HANDOVER:
        # INVARIANT: death and escape never make a handover, whatever else the message says.
        events -= LEAVES_CUSTODY
    wanted: list[Wanted] = []
    for agreement in neighbourhood.agreements.values():
        if agreement.regime == "anonymous":
            continue  # counted, never sent: gateway/steps/close.py
        for event in sorted(events & _events(agreement)):
            context = _context(neighbourhood, translation, event, not_contained)
            wanted += _letters(neighbourhood, agreement, event, context, translation, resources, arrived)
    return tuple(wanted)


def event_tasks(events: Iterable[Event]) -> tuple[Task, ...]:
    """The work that an event makes by itself."""
    return tuple(task_of(event.value) for event in events if event.value in TASKS)


def _events(agreement: Agreement) -> set[Event]:
    known = {event.value for event in Event}
    return {Event(name) for name in agreement.events if name in known}


def _context(neighbourhood: Neighbourhood, translation: Translation, event: Event, not_contained: int) -> LetterContext:
    agency = translation.establishment or ""
    return LetterContext(
        establishment=agency,
        establishment_name=neighbourhood.establishments.get(agency, agency),
        establishment_telephone=neighbourhood.telephones.get(agency, ""),
        provisional=event is Event.RELEASE_UNCLEAR,
        not_contained=not_contained,
        event=event.value,
        occurred=translation.occurred,
    )


def _letters(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    event: Event,
    context: LetterContext,
    translation: Translation,
    resources: Sequence[Json],
    arrived: Sequence[Arrived],
) -> list[Wanted]:
    if event is Event.PRESCRIPTION:
        return [
            Wanted(
                agreement=agreement,
                recipient=_choose(neighbourhood, agreement, context.establishment, resources, pharmacy=pharmacy),
                context=replace(context, focus=focus),
            )
            for pharmacy, focus in _supplies(translation, resources).items()
        ]
    if event is Event.RELEASE_CANCELLED:
        return [
            Wanted(
                agreement=agreement,
                recipient=neighbourhood.recipients.get(each.recipient),
                context=replace(context, corrects=each.delivery_id),
                corrects=each.delivery_id,
            )
            for each in arrived
        ]
    pharmacy = facts.nominated_pharmacy(resources)
    recipient = _choose(neighbourhood, agreement, context.establishment, resources, pharmacy=pharmacy)
    return [Wanted(agreement=agreement, recipient=recipient, context=context)]


def _choose(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    establishment: str,
    resources: Sequence[Json],
    *,
    pharmacy: str | None,
) -> Recipient | None:
    return choose(
        neighbourhood.recipients,
        agreement.letter,
        agreement.recipient_class,
        establishment=establishment or None,
        postcode=facts.release_postcode(resources),
        gp_ods=facts.gp_practice(resources),
        pharmacy_ods=pharmacy,
    )


def _supplies(translation: Translation, resources: Sequence[Json]) -> dict[str | None, tuple[str, ...]]:
    """The message's prescriptions for supply by the pharmacy each names, or else the person's nominated one."""
    nominated = facts.nominated_pharmacy(resources)
    groups: dict[str | None, tuple[str, ...]] = {}
    for entry in translation.bundle.get("entry", []):
        request = entry["resource"]
        if request["resourceType"] != "MedicationRequest" or not facts.prescription_for_supply(request):
            continue
        pharmacy = _performer(request) or nominated
        groups[pharmacy] = (*groups.get(pharmacy, ()), f"MedicationRequest/{request['id']}")
    return groups


def _performer(request: Json) -> str | None:
    identifier = request.get("dispenseRequest", {}).get("performer", {}).get("identifier", {})
    value = identifier.get("value") if identifier.get("system") == systems.ODS else None
    return value if isinstance(value, str) else None
