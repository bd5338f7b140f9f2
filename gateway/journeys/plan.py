"""Which letters a message asks for and who should get them, by the person's own facts. Pure: the consent decision comes after.

Letters follow from the agreements: an agreement names the events that start its letter and the class of its recipient. Without an
agreement nothing is asked for. This module MUST NOT guess a recipient: none or several is `None`, and the letter is held.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from consent.extracts import LETTER as EXTRACT
from consent.shapes import Agreement
from fhir_profiles import facts, movements, systems
from fhir_profiles.content_events import events_of
from fhir_profiles.elements import kind, name_of
from fhir_profiles.letters import LETTERS, persons_handover, persons_transfer
from fhir_profiles.letters.write_back import CONTACTS
from fhir_profiles.referrals import asked_of, is_taken_back
from fhir_profiles.shapes import Event, Json, LetterContext, Task, Translation
from gateway.journeys.amended import Amended, Told, amended, last_told_of
from gateway.journeys.tasks import TASKS, task_of
from gateway.recipients import Recipient, choose

LEAVES_CUSTODY = frozenset({Event.RELEASE, Event.RELEASE_UNCLEAR})
LEAVES_PRISON = LEAVES_CUSTODY | {Event.TRANSFER}
"""The movements of which somebody takes over the care."""
NEVER_A_HANDOVER = frozenset({Event.DEATH, Event.ESCAPE})
NO_RELEASE = NEVER_A_HANDOVER | {Event.TRANSFER, Event.COURT, Event.TEMPORARY_ABSENCE, Event.MERGE}
"""What a movement out that was taken for a release can turn out to have been."""
OUTSIDE = frozenset({"community-provider", "gp", "pharmacy"})
"""The classes whose contacts with a person are written back to the prison's own record."""
_EVENTS = {event.value: event for event in Event}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One letter that an event asks for. `recipient` is None where the person's facts name none or several."""

    agreement: Agreement
    recipient: Recipient | None
    context: LetterContext
    corrects: str | None = None


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A handover that has or may have reached its recipient, seen from a release that is cancelled or told a second time."""

    delivery_id: str
    letter: str
    recipient: str
    recipient_class: str
    onward: bool


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """What planning knows of this installation."""

    recipients: Mapping[str, Recipient]
    agreements: Mapping[str, Agreement]
    establishments: Mapping[str, str]
    telephones: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a message meets beside the file. `as_of` is an instant; `source` is the recipient whose system sent it.

    `before` is the file without the message. `carried` are the earlier letters of which it may correct or take back something.
    `arrived` are the handovers of the very movement that it takes back or tells again, `told` that one was made of it, whatever became of it,
    `sure` that another word of it was certain; `waits_for_prison` that one on a transfer waits, as nobody knows to which prison.
    Of a reception: `known_to` are who was handed the person over before, `already_here` says that the file had the person in custody before.
    """

    as_of: str
    before: Sequence[Json] = ()
    not_contained: int = 0
    source: Recipient | None = None
    arrived: Sequence[Arrived] = ()
    told: bool = False
    waits_for_prison: bool = False
    sure: bool = False
    carried: Sequence[Told] = ()
    known_to: Collection[str | None] = ()
    already_here: bool = False


def plan(
    neighbourhood: Neighbourhood, translation: Translation, resources: Sequence[Json], met: Circumstances
) -> tuple[Wanted, ...]:
    """The letters of one message. `resources` is the person's file with the message in it."""
    events = set(translation.events) | _implied(translation, resources, met)
    if events & NEVER_A_HANDOVER:
        # INVARIANT: death and escape never make a handover, whatever else the message says.
        events -= LEAVES_CUSTODY
    wanted: list[Wanted] = []
    for agreement in sorted(neighbourhood.agreements.values(), key=_is_copy):
        if agreement.regime == "anonymous" or agreement.letter == EXTRACT:
            continue  # counted, never sent: gateway/steps/close.py; rows that two people ask for: gateway/extracts
        if LETTERS[agreement.letter].carries is not None:
            fresh = _carried(neighbourhood, agreement, events, translation, resources, met)
            wanted += _with_corrections(neighbourhood, agreement, fresh, resources, met)
            continue
        for event in sorted(events & _events(agreement)):
            context = _context(neighbourhood, translation, event, met.not_contained)
            if met.sure and event in LEAVES_PRISON:
                context = replace(context, provisional=False)
            if event is Event.RECEPTION and met.already_here:
                continue  # another word of the same reception, or a move between prisons: who was asked is not asked again
            if event is Event.RECEPTION:
                wanted += _asked(neighbourhood, agreement, context, resources, met.known_to)
            elif event is Event.TRANSFER:
                wanted += _moved(neighbourhood, agreement, context, translation.destination, met)
            elif event is Event.CONTACT:
                wanted += _written_back(neighbourhood, agreement, context, translation, resources, met)
            else:
                wanted += _letters(neighbourhood, agreement, event, context, translation, resources, met.arrived)
        if Event.RECEPTION in events and met.waits_for_prison and Event.TRANSFER in _events(agreement):
            wanted += _found(neighbourhood, agreement, translation, resources, met)
    return tuple(wanted)


_FROM_OUTSIDE = frozenset({Event.ENGAGEMENT, Event.COMMUNITY_RECORD})


def _implied(translation: Translation, resources: Sequence[Json], met: Circumstances) -> set[Event]:
    """What the message means by what it brings, and by who sent it of whom."""
    found = set(events_of(_brought(translation)))
    if met.source is None or met.source.recipient_class not in OUTSIDE:
        return found
    # INVARIANT: a release that can still be reversed ends nothing: who is reported on meanwhile is in custody (DESIGN rule 9).
    if facts.in_custody(resources, met.as_of) is not None:
        return found | {Event.COMMUNITY_RECORD}
    provider = met.source.recipient_class == "community-provider"
    released = provider and Event.CONTACT in translation.events and movements.last_left(resources) is not None
    return found | {Event.ENGAGEMENT} if released else found


def _carried(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    events: Collection[Event],
    translation: Translation,
    resources: Sequence[Json],
    met: Circumstances,
) -> list[Wanted]:
    """What a message newly brought, for the one whom it concerns. One letter of a kind, however many events ask for it.

    INVARIANT: never an echo: who sent it is not sent it. What a provider outside says goes on as its own word and as nothing else.
    """
    outside = met.source is not None and met.source.recipient_class in OUTSIDE
    asked = [event for event in sorted(_events(agreement) & set(events)) if (event in _FROM_OUTSIDE) == outside]
    carries = LETTERS[agreement.letter].carries
    if not asked or carries is None:
        return []
    held = {name_of(each): each for each in met.before}
    now = {name_of(each): each for each in resources}
    fresh = [  # a consent is in its register, and never in the file
        each
        for each in _brought(translation)
        if kind(each) == "Consent" or now.get(name_of(each)) != held.get(name_of(each))
    ]
    context = _about(neighbourhood, translation, resources, asked[0], met)
    if asked[0] is Event.REFERRAL:
        return [
            letter
            for each in carries(fresh, met.before)
            for letter in _referred(neighbourhood, agreement, each, held.get(name_of(each)), context, resources, met)
        ]
    focus = tuple(map(name_of, carries(fresh, met.before)))
    recipient = _in_prison(neighbourhood, agreement, context.establishment or None)
    if not focus or (met.source is not None and recipient == met.source):
        return []
    return [Wanted(agreement=agreement, recipient=recipient, context=replace(context, focus=focus))]


def _about(
    neighbourhood: Neighbourhood, translation: Translation, resources: Sequence[Json], event: Event, met: Circumstances
) -> LetterContext:
    """The prison that it concerns: the one that a released person left, the one that has the person, else the one that the message names."""
    left = movements.last_left(resources) if event is Event.ENGAGEMENT else None
    place = left[0] if left is not None else facts.in_custody(resources, met.as_of) or translation.establishment
    context = _context(neighbourhood, replace(translation, establishment=place), event, met.not_contained)
    return (
        replace(context, recorded_by=met.source.name) if met.source is not None and event in _FROM_OUTSIDE else context
    )


def _referred(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    request: Json,
    earlier: Json | None,
    context: LetterContext,
    resources: Sequence[Json],
    met: Circumstances,
) -> list[Wanted]:
    """A referral, its update or its end. INVARIANT: only whom the earlier version asked is told of an update, and the end goes to them.

    Whoever was told of it and is not asked any more is told that too, and not whom it asks now.
    """
    asked = _referred_to(neighbourhood, agreement, request, context.establishment, resources)
    if earlier is not None:
        before = _referred_to(neighbourhood, agreement, earlier, context.establishment, met.before)
        asked = before if is_taken_back(request) else asked
        context = replace(context, told_before=asked == before)
    context = replace(context, focus=(name_of(request),))
    over, told = is_taken_back(request), last_told_of(met.carried, name_of(request))
    had = any(not each.unsent for each in told if asked is None or each.recipient == asked.id)
    letter = Wanted(
        agreement=agreement, recipient=asked, context=replace(context, taken_back=int(over), was_wrong=over and had)
    )
    if asked is None and not asked_of(request, resources):
        return [letter]  # nobody knows whom it asks: that it is not the one who was told is no more known
    others = (each for each in told if asked is None or each.recipient != asked.id)
    ends = (
        Wanted(
            agreement=agreement,
            recipient=taker,
            context=replace(context, told_before=True, taken_back=1, was_wrong=True),
        )
        for each in others
        if not each.unsent and (taker := _who_had(neighbourhood, agreement, each)) is not None
    )
    return [letter, *ends]


def _who_had(neighbourhood: Neighbourhood, agreement: Agreement, told: Told) -> Recipient | None:
    """The organisation that had an earlier letter, where it still takes such letters. INVARIANT: never another one that has its place now."""
    found = neighbourhood.recipients.get(told.recipient or "")
    fits = found is not None and found.recipient_class == agreement.recipient_class and found.ods == told.ods
    return found if fits and found is not None and agreement.letter in found.letters else None


def _with_corrections(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    fresh: Sequence[Wanted],
    resources: Sequence[Json],
    met: Circumstances,
) -> list[Wanted]:
    """The letters of one kind, with what their recipients must know of an earlier one: that this one takes its place, or that it does not stand.

    INVARIANT: who is not concerned any more hears only that what it was told was wrong, and learns of no progress since.
    """
    found = list(fresh)
    for each in amended(met.carried, met.before, resources):
        recipient = _who_had(neighbourhood, agreement, each.told)
        if each.told.agreement != agreement.name or (recipient is None and not each.told.unsent):
            continue
        own = next((one for one in found if one.recipient == recipient and one.context.replaces is None), None)
        if (own is None and not each.wrong) or (met.source is not None and recipient == met.source):
            continue
        letter = _correction(agreement, recipient, each, own, met)
        if own is not None:
            found.remove(own)
        found += [letter] if letter is not None else []
    return found


def _correction(
    agreement: Agreement, recipient: Recipient | None, of: Amended, own: Wanted | None, met: Circumstances
) -> Wanted | None:
    """The letter that takes the place of an earlier one, with what is told anew to the same recipient; None where there is nothing to say."""
    context = own.context if own is not None else replace(of.told.context, not_contained=met.not_contained)
    focus = tuple(dict.fromkeys((*of.standing, *(context.focus if own is not None else ()))))
    if of.replaces is None and not focus:
        return None
    had = of.replaces is not None
    told = replace(
        context,
        focus=focus,
        replaces=of.replaces,
        taken_back=of.taken_back if had else 0,
        was_wrong=had and of.was_wrong,
    )
    return Wanted(agreement=agreement, recipient=recipient, context=told)


def _referred_to(
    neighbourhood: Neighbourhood, agreement: Agreement, request: Json, establishment: str, resources: Sequence[Json]
) -> Recipient | None:
    """The provider that a referral names by its ODS code; where it names none, the one of the release address. Several are nobody."""
    codes = asked_of(request, resources)
    if not codes:
        return _choose(neighbourhood, agreement, establishment, resources, pharmacy=None)
    takers = [
        each
        for each in neighbourhood.recipients.values()
        if each.recipient_class == agreement.recipient_class
        and agreement.letter in each.letters
        and {each.ods} == codes
    ]
    return takers[0] if len(takers) == 1 else None


def overtaken(wanted: Iterable[Wanted], resources: Sequence[Json], met: Circumstances) -> tuple[str, ...]:
    """Carried letters that have not left and that are wrong now: taken back, for what stands of them is in another, or nothing does."""
    letters = [each for each in wanted if each.context.focus]
    made = {(each.agreement.name, each.recipient.id if each.recipient else None) for each in letters}
    wrong = [
        each.told
        for each in amended(met.carried, met.before, resources)
        if not each.standing or (each.told.agreement, each.told.recipient) in made
    ]
    elsewhere = [
        told
        for each in letters
        for request in each.context.focus
        for told in last_told_of(met.carried, request)
        if told.agreement == each.agreement.name and (told.agreement, told.recipient) not in made
    ]
    return tuple(dict.fromkeys(each.delivery_id for each in (*wrong, *elsewhere) if each.unsent))


def untold(neighbourhood: Neighbourhood, resources: Sequence[Json], met: Circumstances) -> tuple[str, ...]:
    """The letters that told something wrong to whom no letter can say so any more: their agreement is not in force, or they take none now."""
    found = []
    for each in amended(met.carried, met.before, resources):
        agreement = neighbourhood.agreements.get(each.told.agreement)
        told = agreement is not None and _who_had(neighbourhood, agreement, each.told) is not None
        if each.wrong and not each.told.unsent and not told:
            found.append(each.told.delivery_id)
    return tuple(found)


def _is_copy(agreement: Agreement) -> bool:
    """Copies for the practice come after the letter to whoever has to act on it."""
    return agreement.recipient_class == "gp"


def event_tasks(events: Iterable[Event], agreements: Mapping[str, Agreement]) -> tuple[Task, ...]:
    """The work that an event makes by itself. A transfer makes it where no agreement starts a letter of one."""
    handed_over = any(Event.TRANSFER in _events(each) for each in agreements.values())
    mine = (event for event in events if not (event is Event.TRANSFER and handed_over))
    return tuple(task_of(event.value) for event in mine if event.value in TASKS)


def _events(agreement: Agreement) -> set[Event]:
    return {_EVENTS[name] for name in agreement.events if name in _EVENTS}


def _context(neighbourhood: Neighbourhood, translation: Translation, event: Event, not_contained: int) -> LetterContext:
    agency = translation.establishment or ""
    return LetterContext(
        establishment=agency,
        establishment_name=neighbourhood.establishments.get(agency, agency),
        establishment_telephone=neighbourhood.telephones.get(agency, ""),
        provisional=event is Event.RELEASE_UNCLEAR
        or (event is Event.TRANSFER and movements.can_be_reversed(_brought(translation))),
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
    if event is Event.RELEASE_CANCELLED:
        context = replace(context, in_custody=not (NO_RELEASE | LEAVES_CUSTODY) & set(translation.events))
        return [
            Wanted(
                agreement=agreement,
                recipient=neighbourhood.recipients.get(each.recipient),
                context=replace(context, corrects=each.delivery_id, moved=each.onward),
                corrects=each.delivery_id,
            )
            for each in arrived
            if each.recipient_class == agreement.recipient_class
        ]
    if agreement.recipient_class == "gp" and not facts.names_a_practice(resources):
        return []  # a copy for a practice that nobody has: the handover names it as missing
    if agreement.letter == persons_handover.LETTER.name and not _is_printed(
        neighbourhood, agreement, context.establishment
    ):
        return []  # a prison where nobody prints: another one's desk changes nothing there (decision 0034)
    if event is Event.PRESCRIPTION:
        supplies = _supplies(translation, resources)
        if agreement.recipient_class != "pharmacy" and supplies:  # who supplies nothing gets one copy of them all
            supplies = {None: tuple(name for focus in supplies.values() for name in focus)}
        return [
            Wanted(
                agreement=agreement,
                recipient=_choose(neighbourhood, agreement, context.establishment, resources, pharmacy=pharmacy),
                context=replace(context, focus=focus),
            )
            for pharmacy, focus in supplies.items()
        ]
    pharmacy = facts.nominated_pharmacy(resources)
    recipient = _choose(neighbourhood, agreement, context.establishment, resources, pharmacy=pharmacy)
    if event in LEAVES_CUSTODY:
        context = _told_again(agreement, recipient, context, arrived)
    return [Wanted(agreement=agreement, recipient=recipient, context=context)]


def _is_printed(neighbourhood: Neighbourhood, agreement: Agreement, prison: str) -> bool:
    """Is there a desk that prints for this prison, or, where no message says which prison, any? Several are for a person to choose from."""
    return any(
        each.recipient_class == agreement.recipient_class
        and agreement.letter in each.letters
        and (not prison or prison in (each.serves_establishments or (prison,)))
        for each in neighbourhood.recipients.values()
    )


def _told_again(
    agreement: Agreement, recipient: Recipient | None, context: LetterContext, arrived: Sequence[Arrived]
) -> LetterContext:
    """A release that was told before: the letter takes the place of the one that its recipient has."""
    earlier = [each for each in arrived if recipient is not None and each.recipient == recipient.id]
    of_this = [each.delivery_id for each in earlier if each.letter == agreement.letter]
    return replace(context, replaces=of_this[-1]) if of_this else context


def _moved(
    neighbourhood: Neighbourhood, agreement: Agreement, context: LetterContext, prison: str | None, met: Circumstances
) -> list[Wanted]:
    """The handover of a transfer, for the health care of the prison where the person goes; for nobody yet where no message says which."""
    if prison is None and met.told:
        return []  # another word that knows no more: the handover is with somebody, or a person knows that it waits
    if agreement.letter == persons_transfer.LETTER.name and not (
        prison and _is_printed(neighbourhood, agreement, prison)
    ):
        return []  # the person's own copy is given to them where they came to, by a desk of that prison, or not at all
    recipient = _in_prison(neighbourhood, agreement, prison)
    return [
        Wanted(
            agreement=agreement, recipient=recipient, context=_told_again(agreement, recipient, context, met.arrived)
        )
    ]


def _found(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    translation: Translation,
    resources: Sequence[Json],
    met: Circumstances,
) -> list[Wanted]:
    """A handover waits for the prison of a transfer, and the person was received in one: it is for that one, from the one that was left."""
    recipient = _in_prison(neighbourhood, agreement, translation.establishment)
    left = movements.last_left(resources)
    if recipient is None or left is None or left[0] == translation.establishment:
        return []
    context = _context(
        neighbourhood, replace(translation, establishment=left[0], occurred=left[1]), Event.TRANSFER, met.not_contained
    )
    return [Wanted(agreement=agreement, recipient=recipient, context=replace(context, provisional=False))]


def _in_prison(neighbourhood: Neighbourhood, agreement: Agreement, prison: str | None) -> Recipient | None:
    return choose(
        neighbourhood.recipients,
        agreement.letter,
        agreement.recipient_class,
        establishment=prison,
        postcode=None,
        gp_ods=None,
        pharmacy_ods=None,
    )


def _brought(translation: Translation) -> tuple[Json, ...]:
    return tuple(entry["resource"] for entry in translation.bundle.get("entry", []))


def _asked(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    context: LetterContext,
    resources: Sequence[Json],
    known_to: Collection[str | None],
) -> list[Wanted]:
    """Who is told of a reception and asked for the record: only whoever is known to have the person in care.

    INVARIANT: nobody is told of custody by a guess. Of somebody whom the file does not show in treatment nobody is told at all; a provider
    is one whom the file names or who had a handover, never the one that an address would suggest.
    """
    if not known_to and not facts.was_in_treatment(resources):
        return []
    named = {"gp": facts.gp_practice(resources), "pharmacy": facts.supplying_pharmacy(resources)}
    if agreement.recipient_class in named:
        if named[agreement.recipient_class] is None:
            return []
        pharmacy = named["pharmacy"]
        recipient = _choose(neighbourhood, agreement, context.establishment, resources, pharmacy=pharmacy)
        return [Wanted(agreement=agreement, recipient=recipient, context=context)]
    codes = facts.treatment_providers(resources)
    takers = (each for each in neighbourhood.recipients.values() if agreement.letter in each.letters)
    return [
        Wanted(agreement=agreement, recipient=each, context=context)
        for each in takers
        if each.recipient_class == agreement.recipient_class and (each.id in known_to or each.ods in codes)
    ]


def _written_back(
    neighbourhood: Neighbourhood,
    agreement: Agreement,
    context: LetterContext,
    translation: Translation,
    resources: Sequence[Json],
    met: Circumstances,
) -> list[Wanted]:
    """What somebody outside recorded about a person in custody, for the record of the establishment that has them.

    INVARIANT: never an echo. Only the system of a provider outside is written back, known by the recipient that it is registered for; what
    the prison's own systems said, and what comes from a system of nobody's, is not.
    """
    # INVARIANT: a release that can still be reversed ends nothing: what is recorded meanwhile is written back (DESIGN rule 9).
    place = facts.in_custody(resources, met.as_of)
    source = met.source
    brought = _brought(translation)
    focus = tuple(f"{each['resourceType']}/{each['id']}" for each in brought if each["resourceType"] in CONTACTS)
    if source is None or source.recipient_class not in OUTSIDE or place is None or not focus:
        return []
    context = replace(
        context,
        establishment=place,
        establishment_name=neighbourhood.establishments.get(place, place),
        establishment_telephone=neighbourhood.telephones.get(place, ""),
        recorded_by=source.name,
        focus=focus,
    )
    recipient = _choose(neighbourhood, agreement, place, resources, pharmacy=None)
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
    for request in _brought(translation):
        if request["resourceType"] != "MedicationRequest" or not facts.prescription_for_supply(request):
            continue
        pharmacy = _performer(request) or nominated
        groups[pharmacy] = (*groups.get(pharmacy, ()), f"MedicationRequest/{request['id']}")
    return groups


def _performer(request: Json) -> str | None:
    identifier = request.get("dispenseRequest", {}).get("performer", {}).get("identifier", {})
    value = identifier.get("value") if identifier.get("system") == systems.ODS else None
    return value if isinstance(value, str) else None
