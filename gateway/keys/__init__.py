"""Keys: every body and letter under a key of its own, that key under the installation's or the person's, people found by keyed index.

What leaves here is an id, ciphertext, a keyed digest, or the plaintext to whoever may ask. A key MUST NOT be printed, logged, pickled
or written into the database unwrapped.

    installation.key --HKDF--> wraps sealed keys of nobody or of two people
                     --HKDF--> wraps person keys --HMAC--> wraps that person's sealed keys, makes that person's ledger commitments
                     --HKDF--> wraps report keys
    index.key        finds identifiers          seal.key       MACs letters in the outbox
    pseudonym.key    makes pseudonyms           ledger-signing.key  signs heads
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy import Connection, bindparam, select, update

from gateway.among import Several, among
from gateway.errors import SettingsError, ThroughgateError
from gateway.keys.identifiers import Ids, RandomIds
from gateway.keys.key_files import NAMES, Ring, create_files, read_files, read_former, stamp
from gateway.store.schema import person, sealed
from gateway.store.statement import Statement

INSTALLATION: Final = "installation"
"""`sealed.wrapped_by` of what belongs to nobody or to two people."""

# what is derived from the installation key
SEALED: Final = "wrap sealed keys"
PERSON: Final = "wrap person keys"
REPORT: Final = "wrap report keys"
COMMITMENT: Final = "ledger commitments"
_BLOCK_BYTES: Final = 64
"""Of SHA-256, which an HMAC pads its key to."""

_NONCE_BYTES = 12

_INSERT_SEALED = Statement.insert(sealed)
_FIND_SEALED = Several(
    select(
        sealed.c.id,
        sealed.c.category,
        sealed.c.nonce,
        sealed.c.ciphertext,
        sealed.c.wrapped_key,
        sealed.c.wrapped_by,
        person.c.wrapped_key.label("person_key"),
    )
    .outerjoin(person, person.c.id == sealed.c.wrapped_by)
    .where(among(sealed.c.id)),
    sealed.c.id,
)
_FIND_WRAP = Several(
    select(sealed.c.id, sealed.c.wrapped_key, sealed.c.wrapped_by, person.c.wrapped_key.label("person_key"))
    .outerjoin(person, person.c.id == sealed.c.wrapped_by)
    .where(among(sealed.c.id)),
    sealed.c.id,
)
_WRAP_AGAIN = Statement(
    update(sealed)
    .where(sealed.c.id == bindparam("sealed_id"))
    .values(wrapped_key=bindparam("wrapped_key"), wrapped_by=bindparam("wrapped_by"))
)
_INSERT_PERSON = Statement.insert(person)
_FIND_PERSON_KEYS = Several(select(person.c.id, person.c.wrapped_key).where(among(person.c.id)), person.c.id)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What is to be sealed. `category` is a retention category of settings.py; `ends_at` of None is never swept."""

    category: str
    plaintext: bytes
    ends_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewPerson:
    """A person who is not in the store yet, with a new wrapped key."""

    id: str
    wrapped_key: bytes
    created_at: str


class SealedError(ThroughgateError):
    """A sealed thing cannot be opened. The text names its id and nothing of its content."""


class SealedGone(SealedError):
    """Retention or erasure took it: this is not a fault."""


class SealedBroken(SealedError):
    """Its bytes, its key or its place were changed, or the keys are not those of this installation."""


def _framed(*parts: bytes) -> bytes:
    """Unambiguous joining: no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, _framed(*parts), "sha256")


def _associated(sealed_id: str, category: str) -> bytes:
    return _framed(b"throughgate sealed v1", sealed_id.encode(), category.encode())


def _commitments(person_key: bytes) -> Callable[[bytes], bytes]:
    """Makes the commitments of the person who has this key, of what `_framed` joined."""
    key = _mac(person_key, b"ledger commitments")
    # HMAC of RFC 2104 with both padded blocks hashed once: a third of the time of hmac.digest, asked for each entry and each person
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in block))
    outer = hashlib.sha256(bytes(each ^ 0x5C for each in block))

    def made(framed: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(framed)
        second.update(first.digest())
        return second.digest()

    return made


def _commitment(made: Callable[[bytes], bytes], nonce: bytes, data: bytes) -> str:
    return made(_framed(nonce, data)).hex()


class Keys:
    """The keys of one installation. Use from any thread."""

    def __init__(self, rings: Mapping[str, Ring], ids: Ids, folder: Path | None = None) -> None:
        self._ids = ids
        self._folder = folder
        self._opened = _Opened(rings, 0)

    @classmethod
    def create(cls, folder: Path) -> None:
        """Makes every key file, once. FileExistsError when one is there."""
        create_files(folder, {name: os.urandom(32) for name in NAMES})

    @classmethod
    def open(cls, folder: Path) -> "Keys":
        """Reads the key files. SettingsError names what is wrong with one."""
        return cls(read_files(folder), RandomIds(), folder)

    @classmethod
    def in_memory(cls, ids: Ids) -> "Keys":
        """Keys from `ids`, for `try` and tests: nothing is written."""
        return cls({name: (ids.key(),) for name in NAMES}, ids)

    @property
    def _keys(self) -> "_Opened":
        """What is in use now. A step of a rotation shows here at once; a folder that is away for a while changes nothing.

        INVARIANT: asked before anything is made with a key. What only opens takes `_opened`, and asks here when that does not do.
        """
        if self._folder is not None:
            try:
                now = stamp(self._folder)
                if now != self._opened.stamp:
                    self._opened = _Opened(read_files(self._folder), now)
            except (OSError, SettingsError):
                return self._opened
        return self._opened

    def _unwrapped(self, use: str, wrapped: bytes) -> tuple[bytes, bool]:
        """The key, and whether it was wrapped by the one in use. InvalidUnwrap when none opens it."""
        for number, wrapping in enumerate(self._opened.derived(use)):
            with suppress(InvalidUnwrap):
                return aes_key_unwrap(wrapping, wrapped), number == 0
        if self._folder is not None:
            # a step may have been made since, or between two files that were read: read again, once
            self._opened = _Opened(self._opened.rings, 0)
            for number, wrapping in enumerate(self._keys.derived(use)):
                with suppress(InvalidUnwrap):
                    return aes_key_unwrap(wrapping, wrapped), number == 0
        raise InvalidUnwrap

    def __repr__(self) -> str:
        return "Keys(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not copied out of the process")

    # Sealing

    def seal(
        self,
        c: Connection,
        *,
        category: str,
        plaintext: bytes,
        person_id: str | None,
        now: str,
        ends_at: str | None = None,
    ) -> str:
        """Encrypts under a new random key, wraps that for the person or the installation, inserts the row, answers its id.

        `category` is a retention category of settings.py. SealedGone when the person is not there.
        """
        thing = Thing(category=category, plaintext=plaintext, ends_at=ends_at)
        (sealed_id,) = self.seal_all(c, [thing], person_id=person_id, now=now)
        return sealed_id

    def seal_all(self, c: Connection, things: Sequence["Thing"], *, person_id: str | None, now: str) -> list[str]:
        """`seal` for several things at once, each under a key of its own; their ids in the same order."""
        return self.seal_each(c, [(person_id, each) for each in things], now=now)

    def seal_each(self, c: Connection, things: Sequence[tuple[str | None, "Thing"]], *, now: str) -> list[str]:
        """The same for things of several people, each with whose it is: their keys are looked up once."""
        people = {person_id for person_id, _ in things if person_id is not None}
        wraps: dict[str | None, bytes] = dict(self._person_wraps(c, people).items())
        if any(person_id is None for person_id, _ in things):
            wraps[None] = self._wrap(SEALED)
        rows = []
        for person_id, each in things:
            common = {"wrapped_by": INSTALLATION if person_id is None else person_id, "created_at": now}
            rows.append({**self._sealed_row(each, wraps[person_id]), **common})
        _INSERT_SEALED.many(c, rows)
        return [str(row["id"]) for row in rows]

    def _sealed_row(self, thing: "Thing", wrapping: bytes) -> dict[str, str | bytes | None]:
        sealed_id = self._ids.entry()
        key = os.urandom(32)
        nonce = os.urandom(_NONCE_BYTES)
        return {
            "id": sealed_id,
            "category": thing.category,
            "nonce": nonce,
            "ciphertext": AESGCM(key).encrypt(nonce, thing.plaintext, _associated(sealed_id, thing.category)),
            "wrapped_key": aes_key_wrap(wrapping, key),
            "ends_at": thing.ends_at,
        }

    def unseal(self, c: Connection, sealed_id: str) -> bytes:
        """The plaintext. SealedGone when retention or erasure took it, SealedBroken when it was tampered with."""
        return self.unsealed(sealed_id, self.sealed_rows(c, (sealed_id,)))

    def sealed_rows(self, c: Connection, sealed_ids: Iterable[str]) -> dict[str, Any]:
        """Several sealed things as they lie in the store, by id, for `unsealed`; what is gone is not among them."""
        return {row.id: row for row in _FIND_SEALED.of(c, sealed_ids)}

    def unsealed(self, sealed_id: str, rows: Mapping[str, Any]) -> bytes:
        """`unseal` of one of those that were looked up."""
        (plaintext,) = self.unsealed_all((sealed_id,), rows)
        return plaintext

    def unsealed_all(self, sealed_ids: Iterable[str], rows: Mapping[str, Any]) -> Iterator[bytes]:
        """`unsealed` of several, one after the other: the key of whose they are is opened once for all of them, and kept no longer."""
        wraps: dict[str, bytes] = {}
        for each in sealed_ids:
            yield self._open_one(each, rows.get(each), wraps)

    def _open_one(self, sealed_id: str, row: Any, wraps: dict[str, bytes]) -> bytes:
        if row is None:
            raise SealedGone(f"sealed {sealed_id} is gone")
        key = self._unwrap(sealed_id, row, wraps)
        try:
            return AESGCM(key).decrypt(row.nonce, row.ciphertext, _associated(sealed_id, row.category))
        except InvalidTag:
            raise SealedBroken(f"sealed {sealed_id} does not open: its bytes were changed") from None

    def wrap_for_person(self, c: Connection, sealed_id: str, person_id: str) -> None:
        """Wraps the key for this person and overwrites the wrap before (the installation's, or in a merge another person's)."""
        self.wrap_all_for_person(c, (sealed_id,), person_id)

    def wrap_all_for_person(self, c: Connection, sealed_ids: Iterable[str], person_id: str) -> None:
        """`wrap_for_person` for several at once."""
        self.wrap_each(c, dict.fromkeys(sealed_ids, person_id))

    def wrap_each(self, c: Connection, owners: Mapping[str, str]) -> None:
        """The same for several people: `owners` says by sealed id whose each is now."""
        found = {row.id: row for row in _FIND_WRAP.of(c, owners)}
        if gone := [each for each in owners if each not in found]:
            raise SealedGone(f"sealed {gone[0]} is gone")
        opened: dict[str, bytes] = {}
        moving = {
            each: self._unwrap(each, found[each], opened) for each in owners if found[each].wrapped_by != owners[each]
        }
        wraps = self._person_wraps(c, {owners[each] for each in moving})
        _WRAP_AGAIN.many(
            c,
            [
                {"sealed_id": each, "wrapped_key": aes_key_wrap(wraps[owners[each]], key), "wrapped_by": owners[each]}
                for each, key in moving.items()
            ],
        )

    def _unwrap(self, sealed_id: str, row: Any, wraps: dict[str, bytes]) -> bytes:
        """The key of a sealed thing; `row` has `wrapped_key`, `wrapped_by`, and `person_key` of whom that names. `wraps` are those opened before."""
        try:
            if row.wrapped_by == INSTALLATION:
                return self._unwrapped(SEALED, row.wrapped_key)[0]
            if row.wrapped_by not in wraps:
                wraps[row.wrapped_by] = self._wrap_of(row.wrapped_by, row.person_key)
            return aes_key_unwrap(wraps[row.wrapped_by], row.wrapped_key)
        except InvalidUnwrap:
            raise SealedBroken(
                f"sealed {sealed_id} does not open: its key was changed or is not of this installation"
            ) from None

    # People

    def create_person(self, c: Connection, now: str) -> str:
        """Inserts a person with a new wrapped key and all versions 1; answers the id."""
        made = self.new_person(now)
        self.insert_people(c, (made,))
        return made.id

    def new_person(self, now: str) -> NewPerson:
        """A person for `insert_people`."""
        wrapped = aes_key_wrap(self._wrap(PERSON), os.urandom(32))
        return NewPerson(id=self._ids.entry(), wrapped_key=wrapped, created_at=now)

    def insert_people(self, c: Connection, people: Iterable[NewPerson]) -> None:
        """Inserts people, all their versions 1."""
        versions = {"consent_version": 1, "file_version": 1, "link_version": 1}
        _INSERT_PERSON.many(
            c,
            [
                {"id": each.id, "wrapped_key": each.wrapped_key, "created_at": each.created_at, **versions}
                for each in people
            ],
        )

    def _person_keys(self, c: Connection, person_ids: Collection[str]) -> dict[str, bytes | None]:
        # never cached: once a person's key is destroyed nothing in this process may still open with it
        found = {row.id: row.wrapped_key for row in _FIND_PERSON_KEYS.of(c, person_ids)}
        return {each: found.get(each) for each in person_ids}

    def _person_key(self, c: Connection, person_id: str) -> bytes:
        return self._opened_person_key(person_id, self._person_keys(c, (person_id,))[person_id])

    def _opened_person_key(self, person_id: str, wrapped: bytes | None) -> bytes:
        if not wrapped:
            raise SealedGone(f"person {person_id} has no key")
        try:
            return self._unwrapped(PERSON, wrapped)[0]
        except InvalidUnwrap:
            raise SealedBroken(f"the key of person {person_id} was changed or is not of this installation") from None

    def _person_wraps(self, c: Connection, person_ids: Collection[str]) -> dict[str, bytes]:
        keys = self._person_keys(c, person_ids)
        return {each: self._wrap_of(each, keys[each]) for each in person_ids}

    def _wrap_of(self, person_id: str, wrapped: bytes | None) -> bytes:
        return _mac(self._opened_person_key(person_id, wrapped), b"wrap sealed keys")

    # Keyed digests

    def index(self, domain: str, value: str) -> bytes:
        """32 bytes that find `value` again and say nothing about it; the same value in another domain gives other bytes."""
        return _mac(self._opened.rings["index"][0], domain.encode(), value.encode())

    def seal_mac(self, *parts: str) -> bytes:
        """32 bytes over all parts, in order, under the seal key."""
        return _mac(self._keys.rings["seal"][0], *(part.encode() for part in parts))

    def verify_seal_mac(self, mac: bytes, *parts: str) -> bool:
        """Was `mac` made by `seal_mac` of exactly these parts, by the key in use or one that still opens? Takes the same time whatever differs."""
        made = [_mac(key, *(part.encode() for part in parts)) for key in self._keys.rings["seal"]]
        return sum(hmac.compare_digest(mac, each) for each in made) > 0

    # What a rotation does, row by row

    def wrapped_again(self, use: str, wrapped: bytes) -> bytes | None:
        """The same key wrapped by the installation key in use; None where it is already. SealedBroken when no key opens it."""
        wrapping = self._wrap(use)
        try:
            key, current = self._unwrapped(use, wrapped)
        except InvalidUnwrap:
            raise SealedBroken("a wrapped key does not open: it was changed, or is not of this installation") from None
        return None if current else aes_key_wrap(wrapping, key)

    def seal_mac_again(self, mac: bytes, *parts: str) -> bytes | None:
        """The MAC under the seal key in use; None where it is already. SealedBroken for a MAC that no key made."""
        new = self.seal_mac(*parts)
        if hmac.compare_digest(mac, new):
            return None
        if not self.verify_seal_mac(mac, *parts):
            raise SealedBroken("a letter's MAC was not made by a key of this installation")
        return new

    def pseudonym_key(self) -> bytes:
        """For `consent.minimise` through the gate only."""
        return self._opened.rings["pseudonym"][0]

    def commitment(self, c: Connection, person_id: str | None, nonce: bytes, data: bytes) -> str:
        """A keyed commitment for the ledger, 64 hex digits: with the person's key it can be checked, without it two cannot be linked.

        None as person uses the installation's key. `nonce` must be new for each entry (16 random bytes).
        """
        key = (
            self._wrap(COMMITMENT) if person_id is None else _mac(self._person_key(c, person_id), b"ledger commitments")
        )
        return _mac(key, nonce, data).hex()

    def commitments_of(self, c: Connection, person_ids: Collection[str]) -> dict[str, Callable[[bytes, bytes], str]]:
        """`commitment` of each of these people, with their keys looked up once: for who writes many entries. SealedGone when one was destroyed."""
        keys = self._person_keys(c, person_ids)
        made = {each: _commitments(self._opened_person_key(each, keys[each])) for each in person_ids}
        return {each: partial(_commitment, one) for each, one in made.items()}

    def commitments_of_framed(self, c: Connection, person_id: str) -> Callable[[bytes], bytes]:
        """The bytes of `commitment` for what `framed` joined: for who tries every entry of the ledger with many people's keys.

        SealedGone when the key was destroyed.
        """
        return _commitments(self._person_key(c, person_id))

    @staticmethod
    def framed(nonce: bytes, data: bytes) -> bytes:
        """What a commitment is made of, joined once for however many keys are tried on it."""
        return _framed(nonce, data)

    # The ledger's and the reports' keys

    def ledger_signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._keys.rings["ledger-signing"][0])

    def ledger_signers(self) -> tuple[Ed25519PrivateKey, ...]:
        """The one in use, and while it is rotated the other: a head by any of them holds."""
        return tuple(Ed25519PrivateKey.from_private_bytes(key) for key in self._keys.rings["ledger-signing"])

    def ledger_former(self) -> tuple[Ed25519PublicKey, ...]:
        """The public halves of those before: heads that were kept in their time hold."""
        former = read_former(self._folder, "ledger-signing") if self._folder is not None else ()
        return tuple(Ed25519PublicKey.from_public_bytes(key) for key in former)

    def report_key_wrap(self, key: bytes) -> bytes:
        """Wraps a report's 32-byte key for `report_key.wrapped_key`."""
        return aes_key_wrap(self._wrap(REPORT), key)

    def report_key_unwrap(self, wrapped: bytes) -> bytes:
        try:
            return self._unwrapped(REPORT, wrapped)[0]
        except InvalidUnwrap:
            raise SealedBroken("a report's key was changed or is not of this installation") from None

    def _wrap(self, use: str) -> bytes:
        return self._keys.derived(use)[0]


class _Opened:
    """The rings as they were at a stamp, and what is derived from the installation key, which is never used directly."""

    def __init__(self, rings: Mapping[str, Ring], stamp: int) -> None:
        self.rings = rings
        self.stamp = stamp
        self._derived: dict[str, Ring] = {}

    def derived(self, use: str) -> Ring:
        """For one use: from the key in use, then from those that only open."""
        found = self._derived.get(use)
        if found is None:
            info = b"throughgate v1 " + use.encode()
            found = tuple(HKDF(SHA256(), 32, None, info).derive(key) for key in self.rings["installation"])
            self._derived[use] = found
        return found


__all__ = ["INSTALLATION", "PERSON", "REPORT", "SEALED", "Keys", "SealedBroken", "SealedError", "SealedGone"]
