"""The token endpoint's one grant: an assertion that holds and was never used becomes a bearer for what was asked for and is registered.

An assertion is used up in the transaction that issues its bearer, under a primary key: of any number of uses, in any number of
workers, before or after a restart, one wins. An assertion that held but asked for nothing it may have is used up too.
"""

import asyncio
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert
from sqlalchemy.exc import IntegrityError

from gateway.clients import Client, RegisterParts, find, insert_token
from gateway.instants import from_text, to_text
from gateway.scopes import granted, scope_text
from gateway.smart.assertion import SKEW_SECONDS, AssertionRefused, Proof, Reason, check
from gateway.smart.keys import RegisteredKey, find_key
from gateway.store.schema import assertion_used, token
from gateway.store.statement import Statement

TOKEN_SECONDS: Final = 300
KEPT_SECONDS: Final = 60
"""How long after its end a used assertion is remembered: longer than any skew that is allowed."""
_USE: Final = insert(assertion_used)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A bearer, shown once. `scope` is what was granted, which may be less than what was asked for."""

    bearer: str
    scope: str
    seconds: int = TOKEN_SECONDS


async def grant(
    parts: RegisterParts,
    assertion: str,
    *,
    audiences: Collection[str],
    permissions: Collection[str] | None,
    certificate: str | None = None,
) -> Grant | None:
    """The bearer for an assertion; None when nothing that was asked for is registered. `permissions` is None for a scope that cannot be read;
    `certificate` is what the client showed where the door is mutual TLS: the bearer is bound to it.

    Raises AssertionRefused with the precise reason, which no caller may hear.
    """
    proof = await asyncio.to_thread(_checked, parts, assertion, audiences)
    try:
        return await parts.store.write_async(lambda c: _issue(c, parts, proof, permissions, certificate))
    except IntegrityError:
        raise AssertionRefused(Reason.REPLAYED, client=proof.client) from None


def _checked(parts: RegisterParts, assertion: str, audiences: Collection[str]) -> Proof:
    named: list[str] = []
    with parts.store.read() as c:

        def key_of(name: str, kid: str) -> RegisteredKey | None:
            owner = _known(c, name)
            named.append(owner.name)
            return find_key(c, owner.id, kid)

        try:
            return check(assertion, find_key=key_of, audiences=audiences, now=from_text(parts.now()))
        except AssertionRefused as error:
            raise AssertionRefused(error.reason, client=next(iter(named), None)) from None


def _known(c: Connection, name: str) -> Client:
    owner = find(c, name)
    if owner is None:
        raise AssertionRefused(Reason.CLIENT_UNKNOWN)
    return owner


def _issue(
    c: Connection, parts: RegisterParts, proof: Proof, permissions: Collection[str] | None, certificate: str | None
) -> Grant | None:
    owner = _known(c, proof.client)  # again, in this transaction: it may have ended since
    ends = datetime.fromtimestamp(proof.expires, UTC) + timedelta(seconds=SKEW_SECONDS + KEPT_SECONDS)
    # INVARIANT: a jti is used once: this insert fails for the second use, and with it everything below.
    c.execute(
        _USE,
        {
            "client_id": owner.id,
            "jti_digest": hashlib.sha256(proof.jti.encode()).digest(),
            "expires_at": to_text(ends),
        },
    )
    given = granted(permissions or (), owner.registered())
    if not given:
        return None
    bearer = insert_token(c, parts, owner, given, TOKEN_SECONDS, certificate=certificate)
    return Grant(bearer=bearer, scope=scope_text(given))


_FORGET_BEARERS: Final = Statement(delete(token).where(token.c.expires_at <= bindparam("now")))
_FORGET_ASSERTIONS: Final = Statement(delete(assertion_used).where(assertion_used.c.expires_at <= bindparam("now")))


def sweep_credentials(c: Connection, now: str) -> None:
    """Forget bearers and used assertions whose time has passed."""
    _FORGET_BEARERS.run(c, now=now)
    _FORGET_ASSERTIONS.run(c, now=now)
