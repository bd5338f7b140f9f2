"""The register of consents: each version a person's word at one moment, from a source that may, or may not, widen sharing by it.

A recorded dissent always counts, whoever sent it. A consent that could widen counts only from a consent authority; from anybody else it
is registered without authority (it can narrow at once) and its message is held for a person. So is one that would let its own sender have
more, and one of which lint says that it may mean something else. That a privacy notice was given counts from an authority too, and holds nothing
up: it is no consent (docs/decisions/0038). This module MUST NOT decide a disclosure.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from consent.benefit import Benefit
from consent.lint import NEVER_WIDENS, ORDINARY, lint, widens
from consent.nesting import compared, pairs_nested
from consent.privacy_notice import is_notice
from consent.shapes import Coding, Party, RegisteredConsent
from consent.when import instant
from fhir_profiles import fhir_json
from fhir_profiles.shapes import HoldCode, Json, Task
from fhir_profiles.subsumption import subsumes
from gateway.among import Several, among
from gateway.consents.withdrawal import is_withdrawn_by_person
from gateway.journeys.tasks import task_of
from gateway.journeys.unnoticed import notice_given
from gateway.moves import note_message
from gateway.parts import Parts
from gateway.store.schema import consent, person

_REGISTERED: Final = Several(
    select(consent).where(among(consent.c.person_id)).order_by(consent.c.version, consent.c.id), consent.c.person_id
)
_OF_MESSAGES: Final = Several(
    select(consent.c.message_id).where(among(consent.c.message_id)).distinct(), consent.c.message_id
)


MOST_OF_MESSAGE: Final = 20_000
"""Comparisons that the Consents of one message are worth together: with themselves, who they name, and what the person said before."""
CONFIRMED: Final = frozenset({HoldCode.CONSENT_AUTHORITY, HoldCode.CONSENT_BENEFIT, HoldCode.CONSENT_UNCLEAR})
"""Why a widening waits: a person who releases the message gives its consents their weight."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sent a message. `parties` are all that its organisation is as a recipient; none where it is no recipient's system.

    `asks` are the purposes for which it may have something with a consent only; `implied` those for which no refusal must stand.
    """

    authority: bool
    parties: tuple[Party, ...] = ()
    asks: tuple[Coding, ...] = ()
    implied: tuple[Coding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One consent as it is registered, and the rules of lint that it broke."""

    registered: RegisteredConsent
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a message's consents would register. `hold`: why a widening in them waits for a person."""

    taken: tuple[Taken, ...]
    hold: HoldCode | None
    tasks: tuple[Task, ...]

    @property
    def consents(self) -> tuple[RegisteredConsent, ...]:
        return tuple(each.registered for each in self.taken)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What there is when a consent comes in at the instant `at`; `directory` is what actors refer to."""

    consents: Sequence[RegisteredConsent]
    directory: Sequence[Json]
    at: str


NOTHING = Registration(taken=(), hold=None, tasks=())


def prepare(resources: Iterable[Json], sender: Sender, now: Standing) -> Registration:
    """Read the Consents among a message's resources, and lint each."""
    said = tuple(each for each in resources if each["resourceType"] == "Consent")
    if not said:
        return NOTHING
    taken, holds = [], []
    spent = 0
    for each in said:
        spent += compared(each) + len(now.directory) // 5 + 2 * len(now.consents)
        # INVARIANT: no message brings so many Consents that others wait for it: one too many is compared with nothing.
        is_one_too_many = spent > MOST_OF_MESSAGE
        remarks = _remarks(each, now.directory, is_one_too_many=is_one_too_many)
        holds.append(None if is_notice(each) else _hold(each, sender, remarks, now, is_one_too_many=is_one_too_many))
        one = RegisteredConsent(
            consent=each,
            authority=sender.authority and holds[-1] is None,
            registered=now.at,
            withdrawn_by_person=is_withdrawn_by_person(each),
        )
        taken.append(Taken(registered=one, remarks=remarks))
    consents = [each for each in said if not is_notice(each)]
    tasks = [task_of("consent-error")] if any(each.get("status") == "entered-in-error" for each in consents) else []
    if any(set(each.remarks) - ORDINARY for each in taken):
        tasks.append(task_of("consent-remarks"))
    return Registration(
        taken=tuple(taken), hold=next((each for each in HoldCode if each in holds), None), tasks=tuple(tasks)
    )


def _remarks(said: Json, directory: Sequence[Json], *, is_one_too_many: bool) -> tuple[str, ...]:
    """Of what never was a consent nothing is odd."""
    if said.get("status") == "entered-in-error" or is_notice(said):
        return ()
    known = {} if is_one_too_many else subsumes(pairs_nested(said))
    return tuple(each.rule for each in lint(said, directory, known, is_one_too_many=is_one_too_many))


def _hold(
    said: Json, sender: Sender, remarks: Sequence[str], now: Standing, *, is_one_too_many: bool
) -> HoldCode | None:
    """INVARIANT: nothing widens by the word of who may not say so, or has the good of it, or by words that may mean something else."""
    back = bool(now.consents) if is_one_too_many else _takes_back(said, now.consents)
    if not back and not widens(said):
        return None
    if not sender.authority:
        return HoldCode.CONSENT_AUTHORITY
    if is_one_too_many:
        return HoldCode.CONSENT_UNCLEAR
    if _benefits(said, sender, now):
        return HoldCode.CONSENT_BENEFIT
    return HoldCode.CONSENT_UNCLEAR if NEVER_WIDENS & set(remarks) else None


def _benefits(said: Json, sender: Sender, now: Standing) -> bool:
    """Could its sender have more by it: by what it permits, or because what it takes the place of refused the sender something?"""
    if not sender.parties:
        return False
    as_of = instant(now.at)
    if as_of is None:
        return True
    before = [each.consent for each in now.consents if _takes_the_place(said, each.consent)]
    held = (*sender.asks, *sender.implied)
    return any(
        benefit.is_permitted(said, sender.asks) or any(benefit.is_refused(each, held) for each in before)
        for benefit in (Benefit(party=each, directory=now.directory, as_of=as_of) for each in sender.parties)
    )


def _takes_back(said: Json, standing: Sequence[RegisteredConsent]) -> bool:
    """Would this end or change a refusal that stands? To take a refusal back widens as much as to permit."""
    if said.get("status") == "rejected" or is_withdrawn_by_person(said):
        return False
    return any(not widens(each.consent) and _takes_the_place(said, each.consent) for each in standing)


def _takes_the_place(said: Json, standing: Json) -> bool:
    """Is it another word about the same?"""
    return (
        standing.get("status") in {"active", "rejected"}
        and bool(_names(said) & _names(standing))
        and any(said.get(key) != standing.get(key) for key in _SAYS)
    )


_SAYS = ("status", "scope", "policy", "policyRule", "provision")


def _names(resource: Json) -> set[str]:
    """What makes two Consents one lineage: the resource's id and its identifiers."""
    return {
        str(resource.get("id")),
        *(f"{each.get('system')}|{each.get('value')}" for each in resource.get("identifier", ())),
    }


@dataclass(frozen=True, kw_only=True)
class SealedConsents:
    """The registered consents of one person as they lie in the store, oldest first, for `open_consents`."""

    registered: tuple[Any, ...]
    rows: Mapping[str, Any]


def read_consents(c: Connection, parts: Parts, person_id: str) -> tuple[RegisteredConsent, ...]:
    """Every registered version of the person's consents, oldest first. Lineage is for `consent` to read."""
    return open_consents(parts, find_consents(c, parts, (person_id,))[person_id])


def find_consents(c: Connection, parts: Parts, person_ids: Collection[str]) -> dict[str, SealedConsents]:
    """Those of several people, each to be opened by itself: what cannot be opened is its person's matter alone."""
    registered: dict[str, list[Any]] = {each: [] for each in person_ids}
    for row in _REGISTERED.of(c, person_ids):
        registered[row.person_id].append(row)
    rows = parts.keys.sealed_rows(c, [row.sealed_id for some in registered.values() for row in some])
    return {each: SealedConsents(registered=tuple(some), rows=rows) for each, some in registered.items()}


def open_consents(parts: Parts, found: SealedConsents) -> tuple[RegisteredConsent, ...]:
    """SealedError where one of them cannot be opened."""
    opened = parts.keys.unsealed_all((row.sealed_id for row in found.registered), found.rows)
    return tuple(
        RegisteredConsent(
            consent=fhir_json.read_again(each),
            authority=row.authority,
            registered=row.registered_at,
            withdrawn_by_person=row.withdrawn_by_person,
        )
        for row, each in zip(found.registered, opened, strict=True)
    )


def write_consents(c: Connection, parts: Parts, person_id: str, message_id: str, taken: Sequence[Taken]) -> None:
    """Register them under the person's next consent version. Every letter of the person is looked at again after that."""
    if not taken:
        return
    version = _next_version(c, person_id)
    for one in taken:
        each = one.registered
        consent_id = parts.ids.entry()
        c.execute(
            insert(consent).values(
                id=consent_id,
                person_id=person_id,
                version=version,
                authority=each.authority,
                withdrawn_by_person=each.withdrawn_by_person,
                message_id=message_id,
                sealed_id=parts.keys.seal(
                    c,
                    category="consent",
                    plaintext=fhir_json.encode(each.consent),
                    person_id=person_id,
                    now=parts.now(),
                    ends_at=parts.after(days=parts.settings.retention.days("consent")),
                ),
                registered_at=each.registered,
                remarks=" ".join(one.remarks),
            )
        )
        facts: dict[str, str | int | bool] = {"consent": consent_id, "version": version, "authority": each.authority}
        note_message(c, parts, message_id, "registered", facts)
        if is_notice(each.consent) and each.authority and each.consent.get("status") == "active":
            notice_given(c, parts, person_id)


def _next_version(c: Connection, person_id: str) -> int:
    """INVARIANT: whenever consents move, every open letter is stale by it, and earlier recipients are thought of (steps/noticed.py)."""
    moved = {"consent_version": person.c.consent_version + 1, "to_notice": True}
    c.execute(update(person).where(person.c.id == person_id).values(moved))
    return int(c.execute(select(person.c.consent_version).where(person.c.id == person_id)).scalar_one())


def registered_by(c: Connection, message_ids: Collection[str]) -> frozenset[str]:
    """Which of these messages have registered their consents before (held for its authority, and a person releases it now)."""
    return frozenset(row.message_id for row in _OF_MESSAGES.of(c, message_ids))


def give_authority(c: Connection, parts: Parts, person_id: str, message_id: str) -> None:
    """A person confirmed the consents of a held message: they count as from a consent authority from now on."""
    version = _next_version(c, person_id)
    c.execute(update(consent).where(consent.c.message_id == message_id).values(authority=True, version=version))
    note_message(c, parts, message_id, "registered", {"version": version, "authority": True})
