"""The gate: one letter composed, decided, minimised, rendered and sealed; and its row written. Every letter that leaves was made here.

`seal` is the only writer of an outbox letter; this is the only importer of `consent.minimise` and `fhir_profiles.render`. Which letters a
message asks for is `letters.py`'s; this module MUST NOT let bytes out that were not decided.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from consent.codes import pairs_asked
from consent.decide import NO_NOTICE, NOT_WRITTEN, OBLIGATION, RULES, decide, is_content
from consent.fhir_consent import permitting
from consent.minimise import NothingLeaves, Released, minimise, without
from consent.outcomes import path_outcomes
from consent.prohibitions import FORBIDDEN
from consent.shapes import (
    Agreement,
    Decision,
    Facts,
    Naming,
    Outcome,
    Override,
    Party,
    Reason,
    RegisteredConsent,
    Request,
    Vote,
    Withheld,
)
from fhir_profiles import systems
from fhir_profiles.compose import LETTERS, NOTICE, compose, with_caveats, with_caveats_apart, with_consents
from fhir_profiles.leak_scan import Leak, Unsaid, leak_in, unsaid, words_in
from fhir_profiles.letters import HANDING_OVER
from fhir_profiles.render import render
from fhir_profiles.shapes import Composed, Heading, Json, LetterContext, Rendered, Task
from fhir_profiles.subsumption import subsumes
from fhir_profiles.terminology import laws_opened_by_agreement
from gateway.engine import MadeBy, made_by
from gateway.journeys.tasks import CORRECT_BY_HAND, PRIVACY_NOTICE, WORDS_LEFT_OUT, TasksOf, add_all_tasks, task_of
from gateway.journeys.unnoticed import not_told_yet
from gateway.keys import Keys, Thing
from gateway.log import Code, log
from gateway.moves import LedgerFacts, Start, move_delivery, note_delivery, note_messages, start_deliveries
from gateway.opaque import is_opaque
from gateway.parts import Parts
from gateway.recipients import Recipient
from gateway.states import DeliveryState
from gateway.steps.fields import Fields, fields_of
from gateway.steps.kept import Asked, Counted, write_kept
from gateway.store.schema import decision as decision_table
from gateway.store.schema import delivery
from gateway.store.statement import Statement

LEAVES = frozenset({Outcome.RELEASE, Outcome.REDUCE})
LEAKS: Final[Mapping[Leak, str]] = {
    Leak.IDENTIFIER: "an identifier of the person that this recipient may not have",
    Leak.SYSTEM: "a system of identifiers that the agreement does not name",
    Leak.ANOTHER_PERSON: "another person's NHS number",
    Leak.PLACE: "where in the establishment the person lives",
}
_HELD_FOR: Final = ("agreement-ended", "sensitive-person", OBLIGATION)
"""Rules that have a task of their own where a letter waits for a person because of them."""
SAID_BY_THE_PERSON = frozenset({"dissent", "consent-deny"})
DIRECTORY = frozenset({"Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "Group", "CareTeam"})
PLACES = DIRECTORY | {"Patient", "Location", "HealthcareService", "Encounter"}
"""Kinds of resource whose words for places no letter about a person flagged sensitive holds."""
UNNAMED_SENDER: Final = "A prison health service in England"
"""Who sends where the person's record is flagged sensitive: the heading of a letter names no place either."""

_INSERT_DECISION: Final = Statement.insert(decision_table)
_DECIDED_AGAIN: Final = Statement(
    update(decision_table)
    .where(decision_table.c.id == bindparam("decision_id"))
    .values(decided_at=bindparam("decided_at"))
)
_RESTAMP: Final = Statement(
    update(delivery)
    .where(delivery.c.id == bindparam("delivery_id"))
    .values(
        consent_version=bindparam("consent_version"),
        link_version=bindparam("link_version"),
        recipient_version=bindparam("recipient_version"),
        agreement_digest=bindparam("agreement_digest"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What a seal binds a letter to."""

    delivery_id: str
    recipient: str
    decision_id: str
    wire: str


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A letter that may be queued: its bytes, their SHA-256, and the MAC that binds them to delivery, recipient and decision."""

    stamp: Stamp
    content_type: str
    body: bytes
    digest: str
    mac: bytes


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One letter decided, not yet written: `sealed` only where the decision lets it leave. `kept` is sealed with the decision."""

    delivery_id: str
    decision_id: str
    agreement: Agreement
    recipient: Recipient | None
    context: LetterContext
    corrects: str | None
    decision: Decision
    state: DeliveryState
    reason: str | None
    sealed: Sealed | None
    kept: bytes
    fields: Fields
    leaves_by: str | None
    """The instant at which its override ends; None where nobody had to override anything."""
    tasks: tuple[Task, ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One letter to decide. `consents` are all that are registered for the person; `resources` is the person's file, `file` its marks."""

    agreement: Agreement
    recipient: Recipient | None
    context: LetterContext
    resources: Sequence[Json]
    consents: Sequence[RegisteredConsent]
    at: str
    file: tuple[str, ...] = ()
    corrects: str | None = None
    person_released: bool = False
    recipient_named: bool = False
    """True where whoever released it named this recipient."""
    leak_read: bool = False
    """True where a person has read this very letter with what the last look found in it, and let it go."""
    override: Override | None = None
    delivery_id: str | None = None


class LeakFound(Exception):
    """The finished bytes of a letter name what was not let go. It says of which kind, and never what."""

    def __init__(self, leak: Leak) -> None:
        self.leak = leak
        super().__init__(leak.value)


class NotWritten(Exception):
    """A letter that no bytes could be made of. It says nothing of what the letter holds."""


def seal(keys: Keys, released: Released, heading: Heading, stamp: Stamp, held: Unsaid | None) -> Sealed:
    """Render what was released, look at its bytes, and seal it. TypeError for anything that `minimise` did not make, NotWritten where
    its wire cannot carry it, LeakFound for what names anything of `held`; None where a person has read it with that and let it go.
    """
    # INVARIANT: only what went through minimise can be sealed, and only what is sealed can be queued.
    if type(released) is not Released:
        raise TypeError("only what consent.minimise released can be sealed")
    rendered = _rendered(released, stamp.wire, heading)
    # INVARIANT: the last look is at the bytes that leave, not at what they were made from (consent.md section 3.3).
    if held is not None and (leak := leak_in(rendered, held)) is not None:
        raise LeakFound(leak)
    digest = hashlib.sha256(rendered.body).hexdigest()
    return Sealed(
        stamp=stamp,
        content_type=rendered.content_type,
        body=rendered.body,
        digest=digest,
        mac=seal_mac(keys, stamp.delivery_id, stamp.recipient, stamp.decision_id, digest),
    )


def _rendered(released: Released, wire: str, heading: Heading) -> Rendered:
    # INVARIANT: a letter that cannot be written is that letter's matter alone: the others of its message leave, and people hear of it.
    try:
        return render(released.bundle, wire, heading)
    except Exception as error:
        log(Code.LETTER_NOT_WRITTEN, delivery=heading.delivery_id, error=type(error).__name__)
        raise NotWritten(wire) from error


def seal_mac(keys: Keys, delivery_id: str, recipient: str, decision_id: str, digest: str) -> bytes:
    """The MAC of a letter in the outbox."""
    return keys.seal_mac("letter", delivery_id, recipient, decision_id, digest)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What is drawn for one letter and for no other, and by which program. With the same of these the same question has the same bytes."""

    delivery_id: str
    decision_id: str
    id_key: bytes
    heading: Heading
    made_by: MadeBy | None


def draft(parts: Parts, question: Question) -> Draft:
    """Compose, decide, and where it may leave minimise, render and seal. No transaction, nothing written."""
    return draft_composed(parts, question, compose_letter(question))


def compose_letter(question: Question) -> Composed:
    """The letter before anybody has decided who may know."""
    return under_agreement(question, compose_for_all(question))


def compose_for_all(question: Question) -> Composed:
    """The letter as it is for everybody who gets it, under whichever agreement."""
    return compose(question.agreement.letter, question.resources, question.context, question.at)


def under_agreement(question: Question, composed: Composed) -> Composed:
    """The letter with what its recipient must know, in the words that two people signed."""
    return with_caveats(composed, question.agreement.text.get("caveats", ""))


def draft_composed(parts: Parts, question: Question, composed: Composed, drawn: Drawn | None = None) -> Draft:
    """The letter that was composed. `drawn` only to make one again that was made before; else it is drawn here."""
    agreement, recipient = question.agreement, question.recipient
    composed, decision = _with_its_terms(question, composed)
    drawn = drawn or _draw(parts, question, named=decision.unplaced is None)
    told = _saying_its_consent(question, composed, decision).bundle
    decision, sealed, withheld, left = _finished(parts, question, told, decision, drawn)
    decision, state, reason, tasks = _fate(decision, agreement, recipient)
    if any(each.rule == "leak-scan" for each in withheld):
        tasks = (*tasks, task_of(WORDS_LEFT_OUT))
    if any(each.rule == NO_NOTICE for each in decision.reasons):
        tasks = (*tasks, task_of(PRIVACY_NOTICE))
    if agreement.without_consent == "implied" and any(each.rule == FORBIDDEN for each in decision.reasons):
        tasks = (*tasks, task_of(FORBIDDEN))
    if state is DeliveryState.WITHHELD and question.context.was_wrong:
        tasks = (*tasks, task_of(CORRECT_BY_HAND))
    kept = write_kept(
        decision=decision,
        asked=asked_of(recipient, agreement.letter),
        context=question.context,
        corrects=question.corrects,
        person_released=question.person_released,
        recipient_named=question.recipient_named,
        leak_read=question.leak_read,
        override=question.override,
        composed=composed.bundle,
        missing=composed.missing,
        id_key=drawn.id_key,
        heading=drawn.heading,
        paths=path_outcomes(composed.bundle, decision, withheld),
        consents=question.consents,
        file=question.file,
        made_by=drawn.made_by,
    )
    return Draft(
        delivery_id=drawn.delivery_id,
        decision_id=drawn.decision_id,
        agreement=agreement,
        recipient=recipient,
        context=question.context,
        corrects=question.corrects,
        decision=decision,
        state=state,
        reason=reason,
        sealed=sealed,
        kept=kept,
        fields=fields_of(told, left),
        leaves_by=question.override.until if question.override is not None else None,
        tasks=tasks,
    )


def says_its_consent(letter: str, decision: Decision) -> bool:
    """Does this letter have a sentence about consent: a handover that consent or care let go, and nothing else?"""
    let_go = {each.rule for each in decision.votes if each.vote is Vote.PERMIT}
    return letter in HANDING_OVER and let_go <= {"consent-permit", "implied"}


def _with_its_terms(question: Question, composed: Composed) -> tuple[Composed, Decision]:
    """The letter, and what is decided of it.

    INVARIANT: no letter leaves without what its recipient must know. Where the notice that says so is kept back (a consent may cover it and not the
    rest), it is said beside it.
    """
    decision = decide_letter(question, composed.bundle)
    caveats = question.agreement.text.get("caveats", "")
    kept_back = any(each.resource == NOTICE and each.vote is not Vote.PERMIT for each in decision.votes)
    if not caveats or not kept_back or decision.outcome not in LEAVES:
        return composed, decision
    apart = with_caveats_apart(composed, caveats)
    return apart, decide_letter(question, apart.bundle)


def _saying_its_consent(question: Question, composed: Composed, decision: Decision) -> Composed:
    """A handover with the consents that let it go, as they are recorded; the letter as it is where something else than consent or care did.

    INVARIANT: no other consent is told of, nor an earlier version of one: what the person said of others is not its recipient's to know, and of
    a letter that is reduced nothing is said of consent at all, where saying it could be a lie or tell of a refusal (decision 0040).
    """
    if not says_its_consent(question.agreement.letter, decision):
        return composed
    if decision.outcome is Outcome.REDUCE:
        return with_consents(composed, None)
    facts = facts_of(question, composed.bundle)
    return with_consents(composed, permitting(request_of(question), facts, decision))


def _finished(
    parts: Parts, question: Question, composed: Json, decision: Decision, drawn: Drawn
) -> tuple[Decision, Sealed | None, tuple[Withheld, ...], Json | None]:
    """Minimise and seal what may leave; the decision as it is then, what was withheld, and what leaves. Nothing is sealed where nothing may."""
    agreement, recipient = question.agreement, question.recipient
    if decision.outcome not in LEAVES or recipient is None:
        return decision, None, (), None
    try:
        released = _minimised(composed, decision, Naming(id_key=drawn.id_key))
    except NothingLeaves:
        return _nothing_leaves(decision, agreement), None, (), None
    stamp = Stamp(
        delivery_id=drawn.delivery_id,
        recipient=recipient.id,
        decision_id=drawn.decision_id,
        wire=recipient.letters[agreement.letter],
    )
    held = None if _was_read(question) else _unsaid(question, composed, decision, released)
    try:
        return decision, *_sealed(parts, question, released, drawn.heading, stamp, held), released.bundle
    except LeakFound as found:
        return _leaks(decision, found.leak), None, (), None
    except NotWritten:
        return _held_for(decision, NOT_WRITTEN, RULES[NOT_WRITTEN]), None, (), None


def _minimised(composed: Json, decision: Decision, naming: Naming) -> Released:
    """INVARIANT: a frame that minimisation has emptied is no letter: it would be delivered as if it said something, and nobody would hear of it."""
    released = minimise(composed, decision, naming)
    written, left = ([entry["resource"] for entry in each.get("entry", ())] for each in (composed, released.bundle))
    if any(is_content(each, written) for each in written) and not any(is_content(each, written) for each in left):
        raise NothingLeaves("nothing but the frame of the letter is left")
    return released


def what_would_leave(composed: Json, decision: Decision, id_key: bytes) -> Json | None:
    """What a decision lets leave of a letter, under these names: to compare two of them. It is never rendered, sealed or sent."""
    return _left(composed, decision, Naming(id_key=id_key))


def pseudonymised(parts: Parts, composed: Json, decision: Decision, whom: str) -> Json | None:
    """What a decision lets leave of one person's row in an extract (gateway/extracts/), under a pseudonym that only `whom` is ever given."""
    naming = Naming(id_key=parts.ids.key(), pseudonym_key=parts.keys.pseudonym_key(), recipient=whom)
    return _left(composed, decision, naming)


def _left(composed: Json, decision: Decision, naming: Naming) -> Json | None:
    if decision.outcome not in LEAVES:
        return None
    try:
        return _minimised(composed, decision, naming).bundle
    except NothingLeaves:
        return None


def _draw(parts: Parts, question: Question, *, named: bool) -> Drawn:
    delivery_id = question.delivery_id or parts.ids.delivery()
    return Drawn(
        delivery_id=delivery_id,
        decision_id=parts.ids.entry(),
        id_key=parts.ids.key(),
        heading=_heading(parts, question.recipient, delivery_id, question.at, named=named),
        made_by=made_by(),
    )


def asked_of(recipient: Recipient | None, letter: str) -> Asked | None:
    """What of a recipient's file its decision rests on."""
    if recipient is None:
        return None
    return Asked(
        recipient=recipient.id,
        recipient_class=recipient.recipient_class,
        ods=recipient.ods,
        roles=recipient.roles,
        wire=recipient.letters.get(letter, ""),
    )


def _nothing_leaves(decision: Decision, agreement: Agreement) -> Decision:
    """Minimising left nothing that may leave, whatever was decided: a person looks where silence can kill."""
    outcome = Outcome.HOLD if agreement.undecidable == "hold" else Outcome.WITHHOLD
    reason = Reason(rule="nothing-left", text="nothing of the letter may leave")
    return replace(decision, outcome=outcome, permitted=(), reasons=(*decision.reasons, reason))


def _unsaid(question: Question, composed: Json, decision: Decision, released: Released) -> Unsaid:
    """What the person's file and the letter hold and this decision does not let this recipient have."""
    of_letter = (entry["resource"] for entry in composed.get("entry", []))
    places = any(path.startswith(("Encounter.location", "Location")) for path in decision.permitted)
    return unsaid(
        (*question.resources, *of_letter),
        said_systems=decision.identifier_systems,
        said_places=places,
        letter=(entry["resource"] for entry in released.bundle["entry"]),
    )


def _was_read(question: Question) -> bool:
    """A letter of care, or one that has to be told, leaves as it is at the word of a person who was told what was found: a note can name somebody.

    INVARIANT: who lets a letter go for another reason has not heard of a leak, so the last look is at that letter too.
    """
    return question.leak_read and question.agreement.without_consent in ("implied", "duty")


def _sealed(
    parts: Parts, question: Question, released: Released, heading: Heading, stamp: Stamp, held: Unsaid | None
) -> tuple[Sealed, tuple[Withheld, ...]]:
    """The letter sealed, and what was withheld. LeakFound for a letter that names anything of `held`.

    A letter of care does not wait because somebody wrote a number into a note: it leaves without the number. What that does not mend (an
    identifier where identifiers stand, a fault of ours) is found again, and held.
    """
    try:
        return seal(parts.keys, released, heading, stamp, held), released.withheld
    except LeakFound:
        if held is None or question.agreement.without_consent != "implied":
            raise
    left = without(released, words_in(_rendered(released, stamp.wire, heading), held))
    return seal(parts.keys, left, heading, stamp, held), left.withheld


def _leaks(decision: Decision, leak: Leak) -> Decision:
    """INVARIANT: what would tell more than was decided leaves to nobody, and never vanishes: it is held, whatever the flow."""
    return _held_for(decision, "leak-scan", f"{RULES['leak-scan']}: {LEAKS[leak]}")


def _held_for(decision: Decision, rule: str, text: str) -> Decision:
    reason = Reason(rule=rule, text=text)
    return replace(decision, outcome=Outcome.HOLD, permitted=(), reasons=(*decision.reasons, reason))


def decide_letter(question: Question, bundle: Json) -> Decision:
    """Ask `consent` about one composed letter."""
    return decide(request_of(question), facts_of(question, bundle), question.agreement)


def facts_of(question: Question, bundle: Json) -> Facts:
    """What `consent` may look at for one composed letter."""
    resources = tuple(entry["resource"] for entry in bundle.get("entry", []))
    return Facts(
        resources=resources,
        consents=tuple(question.consents),
        directory=tuple(each for each in question.resources if each["resourceType"] in DIRECTORY),
        places=places_of(question.resources, question.context),
        subsumes=subsumes(pairs_asked(question.consents, resources)),
        by_agreement=laws_opened_by_agreement(),
    )


def request_of(question: Question) -> Request:
    """What is asked of `consent`, but for the facts."""
    return Request(
        recipient=party_of(question.agreement, question.recipient),
        purpose=question.agreement.purpose,
        action=question.agreement.action,
        letter=question.agreement.letter,
        as_of=question.at,
        person_released=question.person_released,
        recipient_named=question.recipient_named,
        override=question.override,
    )


def places_of(resources: Sequence[Json], context: LetterContext) -> tuple[Json, ...]:
    """What the file knows of places, and what the sending establishment, and who recorded what is told, are called."""
    names = (context.establishment_name, context.establishment, context.recorded_by)
    sender = {
        "resourceType": "Organization",
        "alias": list(names),
        "telecom": [{"value": context.establishment_telephone}],
    }
    return (*(each for each in resources if each["resourceType"] in PLACES), sender)


def party_of(agreement: Agreement, recipient: Recipient | None) -> Party:
    """Who would receive, as `consent` knows them."""
    if recipient is None:
        return Party(identifiers=(), recipient_class=agreement.recipient_class)
    identifiers = ((systems.ODS, recipient.ods),) if recipient.ods else ()
    return Party(identifiers=identifiers, recipient_class=recipient.recipient_class, roles=tuple(recipient.roles))


def _fate(
    decision: Decision, agreement: Agreement, recipient: Recipient | None
) -> tuple[Decision, DeliveryState, str | None, tuple[Task, ...]]:
    """What becomes of a decided letter, and who has to know."""
    care, duty = agreement.without_consent == "implied", agreement.without_consent == "duty"
    if decision.outcome in (Outcome.WITHHOLD, Outcome.COUNTED):
        said = any(reason.rule in SAID_BY_THE_PERSON for reason in decision.reasons)
        code = "withheld-by-consent" if said else "withheld-by-rule"
        untold = (task_of(code),) if care else (task_of(agreement.letter),) if duty else ()
        return decision, DeliveryState.WITHHELD, code, untold
    if recipient is None:
        # INVARIANT: none or several recipients is nobody; the letter waits for a person, it never goes to a nearest guess.
        reasons = (
            Reason(rule="no-recipient", text="none, or several, of the recipients serve this person"),
            *decision.reasons,
        )
        held = replace(decision, outcome=Outcome.HOLD, permitted=(), reasons=reasons)
        return held, DeliveryState.HELD, "no-recipient", (task_of("no-recipient"),)
    if decision.outcome is Outcome.HOLD:
        rules = {reason.rule for reason in decision.reasons}
        if "leak-scan" in rules:
            told = (task_of("leak-scan"), *([task_of("letter-leaks")] if care else []))
            return decision, DeliveryState.HELD, "leak-scan", told
        if NOT_WRITTEN in rules:
            told = (task_of(NOT_WRITTEN), *([task_of("letter-not-written")] if care else []))
            return decision, DeliveryState.HELD, NOT_WRITTEN, told
        code = "notice-held" if duty else next((each for each in _HELD_FOR if each in rules), "undecidable")
        return decision, DeliveryState.HELD, code, (task_of(code),)
    state = DeliveryState.WAITING if recipient.adapter == "mailbox" else DeliveryState.QUEUED
    return decision, state, None, ()


def _heading(parts: Parts, recipient: Recipient | None, delivery_id: str, at: str, *, named: bool) -> Heading:
    """`named`: may the letter say who sends it?"""
    sender = parts.settings.sender
    return Heading(
        delivery_id=delivery_id,
        sender_ods=sender.ods if named else "",
        sender_name=sender.name if named else UNNAMED_SENDER,
        sender_endpoint=sender.endpoint if named else "",
        destination_name=recipient.name if recipient else "",
        destination_ods=(recipient.ods or "") if recipient else "",
        destination_endpoint=str(recipient.adapter_settings.get("url", "")) if recipient else "",
        time=at,
    )


def write_draft(c: Connection, parts: Parts, made: Draft, owner: "Owner", *, supersedes: str | None = None) -> None:
    """Write one draft, see `write_drafts`. `supersedes` names the delivery that it stands for."""
    write_drafts(c, parts, ((made, owner),), supersedes=supersedes)


def write_drafts(
    c: Connection, parts: Parts, drafts: Sequence[tuple[Draft, "Owner"]], *, supersedes: str | None = None
) -> None:
    """Write the decisions and deliveries of drafts, each with whose it is, their entries and tasks. The only insertion of a delivery (DESIGN rule 2)."""
    if not drafts:
        return
    written = _seal_drafts(c, parts, drafts)
    write_decisions(c, parts, written)
    now = parts.now()
    starts = [
        Start(
            values={
                "id": each.made.delivery_id,
                "message_id": each.owner.message_id,
                "person_id": each.owner.person_id,
                "recipient_class": each.made.agreement.recipient_class,
                "letter": each.made.agreement.letter,
                "whole_picture": LETTERS[each.made.agreement.letter].whole_picture,
                "provisional": each.made.context.provisional,
                "state": each.made.state.value,
                "due_at": now,
                "supersedes": supersedes or each.made.corrects,
                **_outbox(each),
            },
            facts=each.facts,
        )
        for each in written
    ]
    start_deliveries(c, parts, starts)
    for each in written:
        if each.owner.message_id is None:
            note_delivery(c, parts, each.made.delivery_id, "decided", each.facts)
    _add_tasks(c, parts, drafts)


def refill(c: Connection, parts: Parts, made: Draft, owner: "Owner") -> None:
    """Give a held delivery the letter of a new decision: it keeps its id. A decision that is `hold` again for the same only moves the versions."""
    before = c.execute(select(delivery.c.reason).where(delivery.c.id == made.delivery_id)).scalar_one()
    (written,) = _seal_drafts(c, parts, ((made, owner),))
    write_decisions(c, parts, (written,))
    c.execute(update(delivery).where(delivery.c.id == made.delivery_id).values(**_outbox(written), due_at=parts.now()))
    if made.state is DeliveryState.HELD:
        note_delivery(c, parts, made.delivery_id, "decided", written.facts)
        if made.reason != before:  # what it waits for now nobody has heard of
            _add_tasks(c, parts, ((made, owner),))
        return
    move_delivery(c, parts, made.delivery_id, made.state, reason=made.reason, facts=written.facts)
    _add_tasks(c, parts, ((made, owner),))


def _add_tasks(c: Connection, parts: Parts, drafts: Sequence[tuple[Draft, "Owner"]]) -> None:
    untold = not_told_yet(c, [(owner.person_id, made.tasks) for made, owner in drafts])
    about = [
        TasksOf(tasks=tasks, delivery_id=made.delivery_id) for (made, _), tasks in zip(drafts, untold, strict=True)
    ]
    add_all_tasks(c, parts, about)


def restamp(c: Connection, parts: Parts, made: Draft, owner: "Owner", *, delivery_id: str, decision_id: str) -> None:
    """The same is allowed under the versions in force now: the letter keeps its bytes and its decision, and says that it was asked again."""
    _RESTAMP.run(c, delivery_id=delivery_id, **_versions(made, owner))
    _DECIDED_AGAIN.run(c, decision_id=decision_id, decided_at=made.decision.as_of)
    facts: dict[str, str | int | bool] = {
        "decision": decision_id,
        "outcome": made.decision.outcome.value,
        "consent_version": owner.consent_version,
    }
    note_delivery(c, parts, delivery_id, "decided", facts)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose letter it is, and the versions it was decided under. A calendar report has neither message nor person."""

    message_id: str | None
    person_id: str | None
    consent_version: int
    link_version: int


NOBODY = Owner(message_id=None, person_id=None, consent_version=0, link_version=0)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A draft and whose it is; where its decision lies sealed, and its letter where there is one; what is entered of it."""

    made: Draft
    owner: Owner
    decision: str
    letter: str | None
    facts: LedgerFacts


def _seal_drafts(c: Connection, parts: Parts, drafts: Sequence[tuple[Draft, Owner]]) -> list[Written]:
    """Seal what is kept of each decision, and each letter, under a key of its own."""
    ends_at = _decision_ends(parts)
    things: list[tuple[str | None, Thing]] = []
    for made, owner in drafts:
        things.append((owner.person_id, Thing(category="decision", plaintext=made.kept, ends_at=ends_at)))
        if made.sealed is not None:
            things.append((owner.person_id, Thing(category="letter", plaintext=made.sealed.body)))
    ids = iter(parts.keys.seal_each(c, things, now=parts.now()))
    written = []
    for made, owner in drafts:
        decision, letter = next(ids), next(ids) if made.sealed is not None else None
        facts = _facts(parts, made, decision)
        written.append(Written(made=made, owner=owner, decision=decision, letter=letter, facts=facts))
    return written


def _decision_ends(parts: Parts) -> str:
    return parts.after(days=parts.settings.retention.days("decision"))


def write_decisions(c: Connection, parts: Parts, written: Sequence[Written]) -> None:
    """Keep the decisions of drafts with what they were made from."""
    rows = [
        _decision_row(
            each.owner,
            decision_id=each.made.decision_id,
            agreement=each.made.agreement,
            recipient=each.made.recipient.id if each.made.recipient else None,
            sealed_id=each.decision,
            outcome=each.made.decision.outcome,
            fields=each.made.fields,
        )
        for each in written
    ]
    _insert_decisions(c, parts, rows, [(each.owner.message_id, each.facts) for each in written])


def write_counted(
    c: Connection,
    parts: Parts,
    *,
    decision: Decision,
    agreement: Agreement,
    recipient: Recipient | None,
    context: LetterContext,
    counted: tuple[Counted, ...],
    owner: Owner,
) -> None:
    """Keep the decision of a message whose results are counted and not sent."""
    decision_id = parts.ids.entry()
    asked = asked_of(recipient, agreement.letter)
    paths = path_outcomes(None, decision, ())
    kept = write_kept(decision=decision, asked=asked, context=context, counted=counted, paths=paths, made_by=made_by())
    sealed_id = parts.keys.seal(
        c,
        category="decision",
        plaintext=kept,
        person_id=owner.person_id,
        now=parts.now(),
        ends_at=_decision_ends(parts),
    )
    row = _decision_row(
        owner,
        decision_id=decision_id,
        agreement=agreement,
        recipient=recipient.id if recipient else None,
        sealed_id=sealed_id,
        outcome=decision.outcome,
        fields=Fields(composed=0, left=0),
    )
    facts = {
        "decision": decision_id,
        "kept": sealed_id,
        "outcome": decision.outcome.value,
        "agreement": agreement.digest,
    }
    _insert_decisions(c, parts, [row], [(owner.message_id, facts)])


def _decision_row(
    owner: Owner,
    *,
    decision_id: str,
    agreement: Agreement,
    recipient: str | None,
    sealed_id: str,
    outcome: Outcome,
    fields: Fields,
) -> dict[str, object]:
    return {
        "id": decision_id,
        "message_id": owner.message_id,
        "person_id": owner.person_id,
        "recipient": recipient,
        "recipient_class": agreement.recipient_class,
        "letter": agreement.letter,
        "agreement": agreement.name,
        "agreement_digest": agreement.digest,
        "outcome": outcome.value,
        "fields_composed": fields.composed,
        "fields_left": fields.left,
        "sealed_id": sealed_id,
    }


def _insert_decisions(
    c: Connection,
    parts: Parts,
    rows: Sequence[dict[str, object]],
    facts: Sequence[tuple[str | None, LedgerFacts]],
) -> None:
    """The only insertion of decisions: entered in the chains of their messages (a report's is in its delivery's)."""
    now = parts.now()
    _INSERT_DECISION.many(c, [{**row, "decided_at": now} for row in rows])
    said: dict[str, list[LedgerFacts]] = {}
    for message_id, each in facts:
        if message_id is not None:
            said.setdefault(message_id, []).append(each)
    note_messages(c, parts, "decided", said)


def mark(parts: Parts, digest: str) -> str:
    """A letter's bytes in the ledger: the digest under a key, so that the ledger says nothing to who has not got it."""
    return parts.keys.index("letter-digest", digest).hex()


def _facts(parts: Parts, made: Draft, kept: str) -> dict[str, str | int | bool]:
    """INVARIANT: which sealed content is a decision's own is entered with it: who edits a row later cannot give it another's (steps/kept.py)."""
    facts: dict[str, str | int | bool] = {
        "kept": kept,
        "decision": made.decision_id,
        "outcome": made.decision.outcome.value,
        "letter": made.agreement.letter,
        "agreement": made.agreement.digest,
    }
    if made.recipient is not None:
        facts["recipient"] = made.recipient.id
        ods = made.recipient.ods or ""
        # whose it was then: a file can name another organisation since. A code that has the form of a prison number keeps no letter here
        facts["ods"] = ods if is_opaque(ods) else ""
    if made.sealed is not None:
        facts["mark"] = mark(parts, made.sealed.digest)
    return facts


def _versions(made: Draft, owner: Owner) -> dict[str, object]:
    return {
        "consent_version": owner.consent_version,
        "link_version": owner.link_version,
        "recipient_version": made.recipient.version if made.recipient else "",
        "agreement_digest": made.agreement.digest,
    }


def _outbox(written: Written) -> dict[str, object]:
    """The columns of a letter in the outbox, or of the place where none is."""
    made, letter = written.made, written.made.sealed
    return {
        "recipient": made.recipient.id if made.recipient else None,
        "decision_id": made.decision_id,
        "reason": made.reason,
        "wire": letter.stamp.wire if letter else None,
        "content_type": letter.content_type if letter else None,
        "sealed_id": written.letter,
        "digest": letter.digest if letter else None,
        "mac": letter.mac if letter else None,
        "leaves_by": made.leaves_by,
        **_versions(made, written.owner),
    }
