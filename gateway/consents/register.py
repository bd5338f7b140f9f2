"""The register of consents: each version a person's word at one moment, from a source that may, or may not, widen sharing by it.

A recorded dissent always counts, whoever sent it. A consent that could widen counts only from a consent authority; from anybody else it
is registered without authority (it can narrow at once) and its message is held for a person. This module MUST NOT decide a disclosure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from consent.lint import widens
from consent.shapes import RegisteredConsent
from fhir_profiles import fhir_json
from fhir_profiles.shapes import Json, Task
from gateway.consents.withdrawal import is_withdrawn_by_person
from gateway.journeys.tasks import task_of
from gateway.moves import note_message
from gateway.parts import Parts
from gateway.store.schema import consent, person
from gateway.store.statement import Statement

_REGISTERED: Final = Statement(
    select(consent).where(consent.c.person_id == bindparam("person_id")).order_by(consent.c.version, consent.c.id)
)
_OF_MESSAGE: Final = Statement(select(consent.c.id).where(consent.c.message_id == bindparam("message_id")).limit(1))


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a message's consents would register. `widening`: something in them could widen and the source may not do that."""

    consents: tuple[RegisteredConsent, ...]
    widening: bool
    tasks: tuple[Task, ...]


NOTHING = Registration(consents=(), widening=False, tasks=())


def prepare(
    resources: Iterable[Json], *, authority: bool, registered: str, standing: Sequence[RegisteredConsent]
) -> Registration:
    """Read the Consents among a message's resources. `registered` is the instant of registration; `standing` was registered before."""
    said = tuple(each for each in resources if each["resourceType"] == "Consent")
    if not said:
        return NOTHING
    return Registration(
        consents=tuple(
            RegisteredConsent(
                consent=each,
                authority=authority,
                registered=registered,
                withdrawn_by_person=is_withdrawn_by_person(each),
            )
            for each in said
        ),
        widening=not authority and any(widens(each) or _takes_back(each, standing) for each in said),
        tasks=tuple({task_of("consent-error") for each in said if each.get("status") == "entered-in-error"}),
    )


def _takes_back(said: Json, standing: Sequence[RegisteredConsent]) -> bool:
    """Would this end or change a refusal that stands? To take a refusal back widens as much as to permit."""
    if said.get("status") == "rejected" or is_withdrawn_by_person(said):
        return False
    return any(
        each.consent.get("status") in {"active", "rejected"}
        and not widens(each.consent)
        and bool(_names(said) & _names(each.consent))
        and any(said.get(key) != each.consent.get(key) for key in _SAYS)
        for each in standing
    )


_SAYS = ("status", "scope", "policy", "policyRule", "provision")


def _names(resource: Json) -> set[str]:
    """What makes two Consents one lineage: the resource's id and its identifiers."""
    return {
        str(resource.get("id")),
        *(f"{each.get('system')}|{each.get('value')}" for each in resource.get("identifier", ())),
    }


def read_consents(c: Connection, parts: Parts, person_id: str) -> tuple[RegisteredConsent, ...]:
    """Every registered version of the person's consents, oldest first. Lineage is for `consent` to read."""
    rows = _REGISTERED.all(c, person_id=person_id)
    return tuple(
        RegisteredConsent(
            consent=fhir_json.decode(parts.keys.unseal(c, row.sealed_id)),
            authority=row.authority,
            registered=row.registered_at,
            withdrawn_by_person=row.withdrawn_by_person,
        )
        for row in rows
    )


def write_consents(
    c: Connection, parts: Parts, person_id: str, message_id: str, consents: Sequence[RegisteredConsent]
) -> None:
    """Register them under the person's next consent version. Every letter of the person is looked at again after that."""
    if not consents:
        return
    version = _next_version(c, person_id)
    for each in consents:
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
            )
        )
        facts: dict[str, str | int | bool] = {"consent": consent_id, "version": version, "authority": each.authority}
        note_message(c, parts, message_id, "registered", facts)


def _next_version(c: Connection, person_id: str) -> int:
    """INVARIANT: whenever consents move, every open letter is stale by it, and earlier recipients are thought of (steps/noticed.py)."""
    moved = {"consent_version": person.c.consent_version + 1, "to_notice": True}
    c.execute(update(person).where(person.c.id == person_id).values(moved))
    return int(c.execute(select(person.c.consent_version).where(person.c.id == person_id)).scalar_one())


def is_registered_by(c: Connection, message_id: str) -> bool:
    """Has this message registered its consents before (it was held for its authority, and a person releases it now)?"""
    return _OF_MESSAGE.first(c, message_id=message_id) is not None


def give_authority(c: Connection, parts: Parts, person_id: str, message_id: str) -> None:
    """A person confirmed the consents of a held message: they count as from a consent authority from now on."""
    version = _next_version(c, person_id)
    c.execute(update(consent).where(consent.c.message_id == message_id).values(authority=True, version=version))
    note_message(c, parts, message_id, "registered", {"version": version, "authority": True})
