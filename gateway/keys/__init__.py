"""Keys: every body and letter under a key of its own, that key under the installation's or the person's, people found by keyed index.

What leaves here is an id, ciphertext, a keyed digest, or the plaintext to whoever may ask. A key MUST NOT be printed, logged, pickled
or written into the database unwrapped.

    installation.key --HKDF--> wraps sealed keys of nobody or of two people
                     --HKDF--> wraps person keys --HMAC--> wraps that person's sealed keys, makes that person's ledger commitments
                     --HKDF--> wraps report keys
    index.key        finds identifiers          seal.key       MACs letters in the outbox
    pseudonym.key    makes pseudonyms           ledger-signing.key  signs heads
"""

import hmac
import os
from functools import cached_property
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy import Connection, bindparam, select, update

from gateway.errors import ThroughgateError
from gateway.keys.identifiers import Ids, RandomIds
from gateway.keys.key_files import NAMES, create_files, read_files
from gateway.store.schema import person, sealed
from gateway.store.statement import Statement

INSTALLATION: Final = "installation"
"""`sealed.wrapped_by` of what belongs to nobody or to two people."""

_NONCE_BYTES = 12

_INSERT_SEALED = Statement.insert(sealed)
_FIND_SEALED = Statement(
    select(sealed.c.category, sealed.c.nonce, sealed.c.ciphertext, sealed.c.wrapped_key, sealed.c.wrapped_by).where(
        sealed.c.id == bindparam("sealed_id")
    )
)
_FIND_WRAP = Statement(select(sealed.c.wrapped_key, sealed.c.wrapped_by).where(sealed.c.id == bindparam("sealed_id")))
_WRAP_AGAIN = Statement(
    update(sealed)
    .where(sealed.c.id == bindparam("sealed_id"))
    .values(wrapped_key=bindparam("wrapped_key"), wrapped_by=bindparam("wrapped_by"))
)
_INSERT_PERSON = Statement.insert(person)
_FIND_PERSON_KEY = Statement(select(person.c.wrapped_key).where(person.c.id == bindparam("person_id")))


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


class Keys:
    """The keys of one installation. Use from any thread."""

    def __init__(self, keys: dict[str, bytes], ids: Ids) -> None:
        self._keys = keys
        self._ids = ids

    @classmethod
    def create(cls, folder: Path) -> None:
        """Makes every key file, once. FileExistsError when one is there."""
        create_files(folder, {name: os.urandom(32) for name in NAMES})

    @classmethod
    def open(cls, folder: Path) -> "Keys":
        """Reads the key files. SettingsError names what is wrong with one."""
        return cls(read_files(folder), RandomIds())

    @classmethod
    def in_memory(cls, ids: Ids) -> "Keys":
        """Keys from `ids`, for `try` and tests: nothing is written."""
        return cls({name: ids.key() for name in NAMES}, ids)

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
        sealed_id = self._ids.entry()
        key = os.urandom(32)
        nonce = os.urandom(_NONCE_BYTES)
        wrapping = self._wrap_sealed if person_id is None else self._person_wrap(c, person_id)
        _INSERT_SEALED.run(
            c,
            id=sealed_id,
            category=category,
            nonce=nonce,
            ciphertext=AESGCM(key).encrypt(nonce, plaintext, _associated(sealed_id, category)),
            wrapped_key=aes_key_wrap(wrapping, key),
            wrapped_by=INSTALLATION if person_id is None else person_id,
            created_at=now,
            ends_at=ends_at,
        )
        return sealed_id

    def unseal(self, c: Connection, sealed_id: str) -> bytes:
        """The plaintext. SealedGone when retention or erasure took it, SealedBroken when it was tampered with."""
        row = _FIND_SEALED.first(c, sealed_id=sealed_id)
        if row is None:
            raise SealedGone(f"sealed {sealed_id} is gone")
        key = self._unwrap(c, sealed_id, row.wrapped_key, row.wrapped_by)
        try:
            return AESGCM(key).decrypt(row.nonce, row.ciphertext, _associated(sealed_id, row.category))
        except InvalidTag:
            raise SealedBroken(f"sealed {sealed_id} does not open: its bytes were changed") from None

    def wrap_for_person(self, c: Connection, sealed_id: str, person_id: str) -> None:
        """Wraps the key for this person and overwrites the wrap before (the installation's, or in a merge another person's)."""
        row = _FIND_WRAP.first(c, sealed_id=sealed_id)
        if row is None:
            raise SealedGone(f"sealed {sealed_id} is gone")
        if row.wrapped_by == person_id:
            return
        key = self._unwrap(c, sealed_id, row.wrapped_key, row.wrapped_by)
        wrapped = aes_key_wrap(self._person_wrap(c, person_id), key)
        _WRAP_AGAIN.run(c, sealed_id=sealed_id, wrapped_key=wrapped, wrapped_by=person_id)

    def _unwrap(self, c: Connection, sealed_id: str, wrapped_key: bytes, wrapped_by: str) -> bytes:
        wrapping = self._wrap_sealed if wrapped_by == INSTALLATION else self._person_wrap(c, wrapped_by)
        try:
            return aes_key_unwrap(wrapping, wrapped_key)
        except InvalidUnwrap:
            raise SealedBroken(
                f"sealed {sealed_id} does not open: its key was changed or is not of this installation"
            ) from None

    # People

    def create_person(self, c: Connection, now: str) -> str:
        """Inserts a person with a new wrapped key and all versions 1; answers the id."""
        person_id = self._ids.entry()
        _INSERT_PERSON.run(
            c,
            id=person_id,
            wrapped_key=aes_key_wrap(self._wrap_person, os.urandom(32)),
            consent_version=1,
            file_version=1,
            link_version=1,
            created_at=now,
        )
        return person_id

    def _person_key(self, c: Connection, person_id: str) -> bytes:
        # never cached: once a person's key is destroyed nothing in this process may still open with it
        wrapped = _FIND_PERSON_KEY.value(c, person_id=person_id)
        if not wrapped:
            raise SealedGone(f"person {person_id} has no key")
        try:
            return aes_key_unwrap(self._wrap_person, wrapped)
        except InvalidUnwrap:
            raise SealedBroken(f"the key of person {person_id} was changed or is not of this installation") from None

    def _person_wrap(self, c: Connection, person_id: str) -> bytes:
        return _mac(self._person_key(c, person_id), b"wrap sealed keys")

    # Keyed digests

    def index(self, domain: str, value: str) -> bytes:
        """32 bytes that find `value` again and say nothing about it; the same value in another domain gives other bytes."""
        return _mac(self._keys["index"], domain.encode(), value.encode())

    def seal_mac(self, *parts: str) -> bytes:
        """32 bytes over all parts, in order, under the seal key."""
        return _mac(self._keys["seal"], *(part.encode() for part in parts))

    def verify_seal_mac(self, mac: bytes, *parts: str) -> bool:
        """Was `mac` made by `seal_mac` of exactly these parts? Takes the same time whatever differs."""
        return hmac.compare_digest(mac, self.seal_mac(*parts))

    def pseudonym_key(self) -> bytes:
        """For `consent.minimise` through the gate only."""
        return self._keys["pseudonym"]

    def commitment(self, c: Connection, person_id: str | None, nonce: bytes, data: bytes) -> str:
        """A keyed commitment for the ledger, 64 hex digits: with the person's key it can be checked, without it two cannot be linked.

        None as person uses the installation's key. `nonce` must be new for each entry (16 random bytes).
        """
        key = self._commitment_key if person_id is None else _mac(self._person_key(c, person_id), b"ledger commitments")
        return _mac(key, nonce, data).hex()

    # The ledger's and the reports' keys

    def ledger_signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._keys["ledger-signing"])

    def report_key_wrap(self, key: bytes) -> bytes:
        """Wraps a report's 32-byte key for `report_key.wrapped_key`."""
        return aes_key_wrap(self._wrap_report, key)

    def report_key_unwrap(self, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._wrap_report, wrapped)
        except InvalidUnwrap:
            raise SealedBroken("a report's key was changed or is not of this installation") from None

    # What the installation key is never used for directly

    def _derived(self, use: bytes) -> bytes:
        return HKDF(SHA256(), 32, None, b"throughgate v1 " + use).derive(self._keys["installation"])

    @cached_property
    def _wrap_sealed(self) -> bytes:
        return self._derived(b"wrap sealed keys")

    @cached_property
    def _wrap_person(self) -> bytes:
        return self._derived(b"wrap person keys")

    @cached_property
    def _wrap_report(self) -> bytes:
        return self._derived(b"wrap report keys")

    @cached_property
    def _commitment_key(self) -> bytes:
        return self._derived(b"ledger commitments")


__all__ = ["INSTALLATION", "Keys", "SealedBroken", "SealedError", "SealedGone"]
