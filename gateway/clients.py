"""The register of systems that may call: names, what each may send for which establishments, whose mailbox it opens, its bearers.

There is no default client. A bearer is 256 random bits, shown once and kept only as its SHA-256; a client that has ended is refused
whatever bearer it shows.
"""

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from gateway.errors import AccessError, Fault, ThroughgateError
from gateway.instants import from_text, to_text
from gateway.keys.identifiers import Ids
from gateway.ledger import record
from gateway.scopes import granted, requested, scope_text
from gateway.settings import AGENCY_PATTERN, NAME_PATTERN
from gateway.store import Store
from gateway.store.schema import client, client_key, ledger_entry, token
from gateway.store.statement import Statement

MAX_TOKEN_SECONDS: Final = 86_400
_KIND: Final = re.compile(r"[A-Z]{3}\^(?:[A-Z][A-Z0-9][0-9]|\*)|fhir-(?:message|bundle|resource|response)|hmpps-event")

_BY_NAME: Final = Statement(select(client).where(client.c.name == bindparam("name"), client.c.ended_at.is_(None)))
_BY_BEARER: Final = Statement(
    select(client, token.c.scope)
    .join(token, token.c.client_id == client.c.id)
    .where(token.c.digest == bindparam("digest"), token.c.expires_at > bindparam("now"), client.c.ended_at.is_(None))
)


class ClientError(ThroughgateError):
    """A client or token that cannot be registered as asked."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """A registered system. `kinds` are message kinds (`ADT^A01`, `ADT^*`, `fhir-message`); `recipient` is whose mailbox it may open."""

    id: str
    name: str
    kinds: tuple[str, ...]
    establishments: tuple[str, ...]
    recipient: str | None
    consent_authority: bool
    audit_reader: bool = False
    permissions: frozenset[str] = frozenset()
    """What the bearer it called with lets it do (`Bundle.c`); empty where no bearer was shown."""

    def registered(self) -> frozenset[str]:
        """What its registration could ever let a bearer do: sending ER7 is `Binary.c`, sending FHIR `Bundle.c`, a mailbox `Bundle.rus`.

        Asking what consents say is `Consent.r`, for a consent authority; the feed of AuditEvents is `AuditEvent.s`.
        """
        found = set()
        if any(kind.startswith("fhir-") for kind in self.kinds):
            found.add("Bundle.c")
        if any(not kind.startswith("fhir-") for kind in self.kinds):
            found.add("Binary.c")
        if self.recipient is not None:
            found |= {"Bundle.r", "Bundle.u", "Bundle.s"}
        if self.consent_authority:
            found.add("Consent.r")
        if self.audit_reader:
            found.add("AuditEvent.s")
        return frozenset(found)

    def may_send(self, kind: str) -> bool:
        """May it send this kind of message?"""
        return kind in self.kinds or kind.partition("^")[0] + "^*" in self.kinds


class RegisterParts(Protocol):
    """What registering needs of a gateway's parts."""

    store: Store
    ids: Ids

    def now(self) -> str: ...


def add_client(
    parts: RegisterParts,
    *,
    name: str,
    kinds: Collection[str] = (),
    establishments: Collection[str] = (),
    recipient: str | None = None,
    consent_authority: bool = False,
    audit_reader: bool = False,
) -> str:
    """Register a system, with its ledger entry; its id. It sends nothing and collects nothing unless that is said. Raises ClientError."""
    made = Client(
        id=parts.ids.entry(),
        name=name,
        kinds=tuple(sorted(set(kinds))),
        establishments=tuple(sorted(set(establishments))),
        recipient=recipient,
        consent_authority=consent_authority,
        audit_reader=audit_reader,
    )
    _check(made)
    parts.store.write(lambda c: _insert(c, parts, made))
    return made.id


def _check(made: Client) -> None:
    if not re.fullmatch(NAME_PATTERN, made.name):
        raise ClientError("a client's name is lower case letters, digits and hyphens")
    if unknown := [kind for kind in made.kinds if not _KIND.fullmatch(kind)]:
        raise ClientError(
            f"no such kind of message: {unknown[0]} (ADT^A01, ADT^*, fhir-message, fhir-bundle, fhir-resource, fhir-response and hmpps-event are kinds)"
        )
    if unknown := [one for one in made.establishments if not re.fullmatch(AGENCY_PATTERN, one)]:
        raise ClientError(f"no such establishment: {unknown[0]} (three capital letters)")
    if set(made.kinds) - {"fhir-response"} and not made.establishments:
        raise ClientError("a client that sends needs at least one establishment")
    if "fhir-response" in made.kinds and made.recipient is None:
        raise ClientError("replies come from a recipient's own client: name the recipient")
    if not made.kinds and made.recipient is None and not made.audit_reader:
        raise ClientError(
            "a client needs kinds to send, a recipient whose mailbox it opens, or the feed of AuditEvents"
        )


def _insert(c: Connection, parts: RegisterParts, made: Client) -> None:
    if c.execute(select(client.c.id).where(client.c.name == made.name)).first():
        raise ClientError("there is a client of that name: names are not used again, not even after an end")
    now = parts.now()
    c.execute(
        insert(client).values(
            id=made.id,
            name=made.name,
            kinds=json.dumps(made.kinds),
            establishments=json.dumps(made.establishments),
            recipient=made.recipient,
            consent_authority=made.consent_authority,
            audit_reader=made.audit_reader,
            created_at=now,
        )
    )
    facts: dict[str, str | int | bool] = {"consent_authority": made.consent_authority}
    if made.audit_reader:
        facts["audit_reader"] = True
    record(c, entry_id=parts.ids.entry(), chain=made.id, step=1, event="client-added", at=now, facts=facts)


def find(c: Connection, name: str) -> Client | None:
    """The registered client of this name; None when there is none or it has ended."""
    row = _BY_NAME.first(c, name=name)
    return _client(row) if row else None


def end_client(c: Connection, parts: RegisterParts, name: str) -> bool:
    """End a registration, with its ledger entry: no bearer, key, port or certificate of it is taken from now on. False when there is none."""
    owner = find(c, name)
    if owner is None:
        return False
    now = parts.now()
    c.execute(update(client).where(client.c.id == owner.id).values(ended_at=now))
    c.execute(
        update(client_key)
        .where(client_key.c.client_id == owner.id, client_key.c.ended_at.is_(None))
        .values(ended_at=now)
    )
    note(c, parts, owner.id, "client-ended", {})
    return True


def note(c: Connection, parts: RegisterParts, client_id: str, event: str, facts: dict[str, str | int | bool]) -> None:
    """The next entry in a client's own chain."""
    last = c.execute(select(func.max(ledger_entry.c.step)).where(ledger_entry.c.chain == client_id)).scalar_one()
    record(
        c, entry_id=parts.ids.entry(), chain=client_id, step=(last or 0) + 1, event=event, at=parts.now(), facts=facts
    )


def issue_token(parts: RegisterParts, client_name: str, ttl_seconds: int) -> str:
    """A new bearer for everything a client is registered for. Raises ClientError for an unknown client or more than a day."""
    if not 0 < ttl_seconds <= MAX_TOKEN_SECONDS:
        raise ClientError(f"a token lasts 1 to {MAX_TOKEN_SECONDS} seconds")

    def work(c: Connection) -> str:
        owner = find(c, client_name)
        if owner is None:
            raise ClientError("there is no client of that name, or its registration has ended")
        return insert_token(c, parts, owner, owner.registered(), ttl_seconds)

    return parts.store.write(work)


def insert_token(
    c: Connection,
    parts: RegisterParts,
    owner: Client,
    permissions: Collection[str],
    ttl_seconds: int,
    *,
    certificate: str | None = None,
) -> str:
    """A new bearer, shown once, with its ledger entry. `certificate` (`x5t#S256`): it is worth nothing without that one."""
    bearer = "tg_" + parts.ids.key().hex()
    now = parts.now()
    ends = to_text(from_text(now) + timedelta(seconds=ttl_seconds))
    # INVARIANT: only the digest is kept; 256 random bits need no salt and cannot be found from it.
    c.execute(
        insert(token).values(
            digest=_digest(bearer, certificate), client_id=owner.id, scope=scope_text(permissions), expires_at=ends
        )
    )
    act = parts.ids.entry()
    record(c, entry_id=parts.ids.entry(), chain=act, step=1, event="token-issued", at=now, facts={"client": owner.id})
    return bearer


def authenticate(c: Connection, bearer: str, now: str, *, certificate: str | None = None) -> Client:
    """The client of a bearer, shown with this certificate or none. Raises AccessError (`unauthenticated`) for anything else: unknown,
    expired, ended, bound to another certificate.
    """
    row = _BY_BEARER.first(c, digest=_digest(bearer, certificate), now=now)
    if row is None:
        raise AccessError(Fault.UNAUTHENTICATED)
    caller = _client(row)
    # INVARIANT: a bearer is a ceiling under the registration of today, never more than it.
    return replace(caller, permissions=granted(requested(row.scope), caller.registered()) if row.scope else frozenset())


def _client(row: Row[tuple[object, ...]]) -> Client:
    return Client(
        id=row.id,
        name=row.name,
        kinds=tuple(json.loads(row.kinds)),
        establishments=tuple(json.loads(row.establishments)),
        recipient=row.recipient,
        consent_authority=bool(row.consent_authority),
        audit_reader=bool(row.audit_reader),
    )


def _digest(bearer: str, certificate: str | None) -> bytes:
    """INVARIANT: a bound bearer is found only together with its certificate (RFC 8705 section 3)."""
    bound = f"{bearer} {certificate}" if certificate is not None else bearer
    return hashlib.sha256(bound.encode()).digest()
