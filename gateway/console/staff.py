"""The people who use the console: one role each, a one-time link to begin with, then a password (argon2id) and a second factor.

There is no default account. A link and a cookie are 256 random bits of which only the SHA-256 is kept. Nothing here MUST ever say whether a
name is known: a wrong name, a wrong password, a wrong code and a locked account are one answer and cost the same time.
"""

import hashlib
import hmac
import re
import threading
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.clients import note
from gateway.console import totp
from gateway.errors import ThroughgateError
from gateway.instants import to_text
from gateway.parts import Parts
from gateway.settings import NAME_PATTERN
from gateway.store.locks import held
from gateway.store.schema import sealed, staff, staff_session

LINK_MINUTES: Final = 15
SHORTEST_PASSWORD: Final = 15
LONGEST_PASSWORD: Final = 200
FAILURES: Final = 5
LOCKED_MINUTES: Final = 15
IDLE_MINUTES: Final = 15
SESSION_HOURS: Final = 8
_SEEN_EVERY: Final = timedelta(minutes=1)
_MEMORY_KIB, _PASSES = 19_456, 2  # OWASP's least for argon2id
_NEVER: Final = ""
_AT_ONCE: Final = threading.Semaphore(2)
"""Passwords that are looked at together: each costs 19 MiB and a tenth of a second."""


class Role(StrEnum):
    """What a person is here for. Nobody has two."""

    IG_OFFICER = "ig-officer"
    CLINICAL_SAFETY = "clinical-safety"
    OPERATOR = "operator"
    CALDICOTT_GUARDIAN = "caldicott-guardian"
    AUDITOR = "auditor"


class StaffError(ThroughgateError):
    """An account that cannot be made, enrolled or ended as asked. The text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody who is logged in."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class Invited:
    """Who a one-time link is for, and the second factor's secret that they take into their authenticator app."""

    id: str
    name: str
    role: Role
    secret: bytes


# ── accounts ──


def add_staff(parts: Parts, name: str, role: Role, *, subject: str | None = None) -> str:
    """A new account, or a new link for one that exists (its password and second factor end at once). The link's secret, shown once.

    With a `subject` the account has no link and no password: it is whoever the identity provider names so.
    StaffError for a name that is none, that has ended, or that has another role; for a subject that has an account.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise StaffError("a name is lower case letters, digits and hyphens")
    secret = parts.ids.key().hex()
    invited = {
        "password": None,
        "subject": subject,
        "link_digest": _digest(secret) if subject is None else None,
        "link_expires_at": parts.after(seconds=60 * LINK_MINUTES),
    }

    def work(c: Connection) -> None:
        row = c.execute(held(select(staff).where(staff.c.name == name))).one_or_none()
        if row is not None and (row.ended_at is not None or row.role != role):
            raise StaffError("this name is used, with another role or ended: names are not used again")
        known = c.execute(select(staff.c.name).where(staff.c.subject == subject)).scalar() if subject else None
        if known not in (None, name):
            raise StaffError("this subject has or had an account of another name")
        fresh = {"second_id": _new_secret(c, parts), "second_step": 0, "failures": 0, "locked_until": _NEVER}
        if row is None:
            staff_id = parts.ids.entry()
            c.execute(
                insert(staff).values(
                    id=staff_id, name=name, role=role.value, created_at=parts.now(), **invited, **fresh
                )
            )
        else:
            staff_id = row.id
            _forget(c, row)
            c.execute(update(staff).where(staff.c.id == staff_id).values(**invited, **fresh))
        note(c, parts, staff_id, "staff-added", {"role": role.value})

    parts.store.write(work)
    return secret


def end_staff(parts: Parts, name: str) -> None:
    """End an account: no password, link or session of it is taken from now on. StaffError when there is none."""

    def work(c: Connection) -> None:
        row = c.execute(held(select(staff).where(staff.c.name == name, staff.c.ended_at.is_(None)))).one_or_none()
        if row is None:
            raise StaffError("there is no account of that name, or it has ended")
        _forget(c, row)
        gone = {"password": None, "link_digest": None, "ended_at": parts.now()}
        c.execute(update(staff).where(staff.c.id == row.id).values(**gone))
        note(c, parts, row.id, "staff-ended", {})

    parts.store.write(work)


def names(c: Connection) -> dict[str, str]:
    """Id -> name, of everybody who ever had an account."""
    return {str(row.id): str(row.name) for row in c.execute(select(staff.c.id, staff.c.name))}


def _new_secret(c: Connection, parts: Parts) -> str:
    return parts.keys.seal(c, category="token", plaintext=parts.ids.key()[:20], person_id=None, now=parts.now())


def _forget(c: Connection, row: Row[tuple[object, ...]]) -> None:
    """Its second factor and its sessions are gone."""
    c.execute(delete(staff_session).where(staff_session.c.staff_id == row.id))
    c.execute(delete(sealed).where(sealed.c.id == row.second_id))


# ── the first time ──


def invited(c: Connection, parts: Parts, link: str) -> Invited | None:
    """Whom a link is for; None for one that is unknown, used or too old."""
    row = c.execute(
        select(staff).where(
            staff.c.link_digest == _digest(link), staff.c.link_expires_at > parts.now(), staff.c.ended_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    return Invited(id=row.id, name=row.name, role=Role(row.role), secret=parts.keys.unseal(c, row.second_id))


def enrol(parts: Parts, link: str, password: str, code: str) -> str | None:
    """Use a link, once: from here on the password and the app's codes log in. The cookie of a first session; None for a link that is
    not good any more.

    StaffError for a password that is too short or a code that is wrong: the link stays good.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise StaffError(f"use a password of {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters: four words will do")
    hashed = _hashed(parts, password)
    cookie = parts.ids.key().hex()

    def work(c: Connection) -> bool:
        known = invited(c, parts, link)
        if known is None:
            return False
        row = c.execute(held(select(staff).where(staff.c.id == known.id))).one()
        step = totp.accepted_step(known.secret, code, parts.clock(), row.second_step)
        if step is None or row.link_digest is None:
            raise StaffError("this is not the code that the app shows now: wait for the next one")
        done = {"password": hashed, "link_digest": None, "enrolled_at": parts.now()}
        c.execute(update(staff).where(staff.c.id == known.id).values(**done))
        note(c, parts, known.id, "staff-enrolled", {})
        _begin(c, parts, known.id, cookie, step)
        return True

    return cookie if parts.store.write(work) else None


# ── log in ──


def log_in(parts: Parts, name: str, password: str, code: str) -> str | None:
    """The cookie of a new session; None whatever was wrong. Five failures lock the account for a quarter of an hour."""
    # INVARIANT: what can be no name (a password, or a patient's name, in the wrong box) is not told to the database, whose log could say it.
    asked = name if re.fullmatch(NAME_PATTERN, name) else ""
    with parts.store.read() as c:
        row = c.execute(select(staff).where(staff.c.name == asked, staff.c.ended_at.is_(None))).one_or_none()
    # INVARIANT: a name that nobody has costs the same time.
    right = _is_password(password, row.password if row is not None and row.password else _nobodys())
    if row is None or row.password is None:
        return None
    cookie = parts.ids.key().hex()

    def work(c: Connection) -> bool:
        now = c.execute(held(select(staff).where(staff.c.id == row.id))).one()
        if now.locked_until > parts.now() or now.password != row.password:
            return False
        secret = parts.keys.unseal(c, now.second_id)
        step = totp.accepted_step(secret, code, parts.clock(), now.second_step) if right else None
        if step is None:
            _count_failure(c, parts, now)
            return False
        _begin(c, parts, now.id, cookie, step)
        return True

    return cookie if parts.store.write(work) else None


def begin_for(parts: Parts, subject: str) -> str | None:
    """The cookie of a new session of whom the identity provider proved; None for somebody who has no account, or whose account ended."""
    cookie = parts.ids.key().hex()

    def work(c: Connection) -> bool:
        known = select(staff).where(staff.c.subject == subject, staff.c.ended_at.is_(None))
        row = c.execute(held(known)).one_or_none()
        if row is None:
            return False
        if row.enrolled_at is None:
            c.execute(update(staff).where(staff.c.id == row.id).values(enrolled_at=parts.now()))
            note(c, parts, row.id, "staff-enrolled", {})
        _begin(c, parts, row.id, cookie, row.second_step)
        return True

    return cookie if parts.store.write(work) else None


def _begin(c: Connection, parts: Parts, staff_id: str, cookie: str, step: int) -> None:
    known = {"failures": 0, "locked_until": _NEVER, "second_step": step}
    c.execute(update(staff).where(staff.c.id == staff_id).values(**known))
    c.execute(delete(staff_session).where(staff_session.c.expires_at <= parts.now()))
    ends = parts.after(seconds=3600 * SESSION_HOURS)
    c.execute(
        insert(staff_session).values(digest=_digest(cookie), staff_id=staff_id, seen_at=parts.now(), expires_at=ends)
    )
    note(c, parts, staff_id, "logged-in", {})


def _count_failure(c: Connection, parts: Parts, row: Row[tuple[object, ...]]) -> None:
    failures = row.failures + 1
    locks = failures >= FAILURES
    values = {
        "failures": 0 if locks else failures,
        "locked_until": parts.after(seconds=60 * LOCKED_MINUTES) if locks else row.locked_until,
    }
    c.execute(update(staff).where(staff.c.id == row.id).values(**values))
    note(c, parts, row.id, "access-refused", {"reason": "locked" if locks else "log-in"})


def member_of(parts: Parts, cookie: str) -> Member | None:
    """Who holds this cookie; None for one that is unknown, idle for a quarter of an hour, or eight hours old."""
    digest = _digest(cookie)
    idle = to_text(parts.clock() - timedelta(minutes=IDLE_MINUTES))
    with parts.store.read() as c:
        row = c.execute(
            select(staff.c.id, staff.c.name, staff.c.role, staff_session.c.seen_at)
            .join(staff_session, staff_session.c.staff_id == staff.c.id)
            .where(
                staff_session.c.digest == digest,
                staff_session.c.seen_at > idle,
                staff_session.c.expires_at > parts.now(),
                staff.c.ended_at.is_(None),
            )
        ).one_or_none()
    if row is None:
        return None
    if row.seen_at < to_text(parts.clock() - _SEEN_EVERY):
        seen = update(staff_session).where(staff_session.c.digest == digest).values(seen_at=parts.now())
        parts.store.write(lambda c: c.execute(seen))
    return Member(id=row.id, name=row.name, role=Role(row.role))


def log_out(parts: Parts, member: Member, cookie: str) -> None:
    """End one session."""

    def work(c: Connection) -> None:
        c.execute(held(select(staff.c.id).where(staff.c.id == member.id)))
        c.execute(delete(staff_session).where(staff_session.c.digest == _digest(cookie)))
        note(c, parts, member.id, "logged-out", {})

    parts.store.write(work)


def forgery_token(cookie: str) -> str:
    """What a form of this session carries, and no other site can know."""
    return hashlib.sha256(f"form {cookie}".encode()).hexdigest()


def is_forgery_token(cookie: str, token: str) -> bool:
    return hmac.compare_digest(forgery_token(cookie).encode(), token.encode())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


# ── passwords ──


def _argon2(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=32, iterations=_PASSES, lanes=1, memory_cost=_MEMORY_KIB)


def _hashed(parts: Parts, password: str) -> str:
    with _AT_ONCE:
        return _argon2(parts.ids.key()[:16]).derive_phc_encoded(password.encode())


def _is_password(password: str, hashed: str) -> bool:
    with _AT_ONCE:
        try:
            Argon2id.verify_phc_encoded(password.encode(), hashed)
        except InvalidKey:
            return False
    return True


@cache
def _nobodys() -> str:
    """What a password is compared with where there is no account: the answer is not looked at, only its time counts."""
    return _argon2(bytes(16)).derive_phc_encoded(b"")
