"""A witness's word on a signed head, as C2SP writes it (https://c2sp.org/tlog-cosignature): it has seen this size and root, at this time,
and never another root for what came before.

A cosignature MUST NOT be made for a head that was not shown to continue the last one: `gateway/witness/keeper.py` is the only maker.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.ledger.note import NoteError

_COSIGNS: Final = b"\x04"
_SIGNS: Final = b"\x01"
_KEY = re.compile(r"(?P<name>[^\s+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+=*)")
_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+=*)")


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A public key with its name, read from what C2SP calls a vkey. `cosigns` for a witness's."""

    name: str
    key: Ed25519PublicKey
    cosigns: bool

    @classmethod
    def read(cls, text: str) -> "PublicKey":
        """NoteError for what is none, or whose id does not fit its key."""
        match = _KEY.fullmatch(text)
        try:
            raw = base64.b64decode(match["key"], validate=True) if match else b""
            key = Ed25519PublicKey.from_public_bytes(raw[1:])
        except (binascii.Error, ValueError):
            raise NoteError("not a public key of the form name+id+key") from None
        found = cls(name=match["name"] if match else "", key=key, cosigns=raw[:1] == _COSIGNS)
        if raw[:1] not in (_SIGNS, _COSIGNS) or str(found) != text:
            raise NoteError("not a public key of the form name+id+key")
        return found

    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self._raw()).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id().hex()}+{base64.b64encode(self._raw()).decode()}"

    def _raw(self) -> bytes:
        return (_COSIGNS if self.cosigns else _SIGNS) + self.key.public_bytes_raw()


def cosign(note: str, name: str, key: Ed25519PrivateKey, at: datetime) -> str:
    """The line that a witness adds to a signed head: `— name signature`, with the newline."""
    seconds = int(at.timestamp())
    public = PublicKey(name=name, key=key.public_key(), cosigns=True)
    signature = key.sign(_signed_text(note, seconds))
    return f"— {name} {base64.b64encode(public.key_id() + seconds.to_bytes(8, 'big') + signature).decode()}\n"


def cosigned_at(note: str, witness: PublicKey) -> datetime:
    """When this witness cosigned this head. NoteError where it did not, or its signature does not fit."""
    for line in note.partition("\n\n")[2].splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match["name"] != witness.name:
            continue
        try:
            raw = base64.b64decode(match["signature"], validate=True)
            if raw[:4] == witness.key_id():
                seconds = int.from_bytes(raw[4:12], "big")
                witness.key.verify(raw[12:], _signed_text(note, seconds))
                return datetime.fromtimestamp(seconds, UTC)
        except (InvalidSignature, binascii.Error, ValueError, OverflowError, OSError):
            raise NoteError("the witness's signature does not fit") from None
    raise NoteError("the witness has not cosigned this")


def _signed_text(note: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{note.partition(chr(10) * 2)[0]}\n".encode()
