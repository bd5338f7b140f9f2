"""A signed head as a C2SP signed note (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint), Ed25519.

<origin>
<size>
<root, base64>

— <origin> <base64 of key id and signature>
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\s+]+)\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)\n— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/=]+)\n"
)


class NoteError(ValueError):
    """Not a note, not of this origin, or not signed by this key."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A tree's size and root, as signed."""

    origin: str
    size: int
    root: bytes


def _key_id(name: str, key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:4]


def sign(head: Head, signer: Ed25519PrivateKey) -> str:
    """The note's text. ValueError for an origin with white space or `+`."""
    if not re.fullmatch(r"[^\s+]+", head.origin):
        raise ValueError("an origin has no white space and no +")
    text = f"{head.origin}\n{head.size}\n{base64.b64encode(head.root).decode()}\n"
    signature = _key_id(head.origin, signer.public_key()) + signer.sign(text.encode())
    return f"{text}\n— {head.origin} {base64.b64encode(signature).decode()}\n"


def read(note: str, key: Ed25519PublicKey, origin: str) -> Head:
    """The head that this key signed for this origin. NoteError otherwise."""
    match = _NOTE.fullmatch(note)
    if match is None:
        raise NoteError("not a signed head")
    if match["origin"] != origin or match["name"] != origin:
        raise NoteError("a head of another ledger")
    try:
        signature = base64.b64decode(match["signature"], validate=True)
        root = base64.b64decode(match["root"], validate=True)
    except binascii.Error:
        raise NoteError("not a signed head") from None
    if signature[:4] != _key_id(origin, key):
        raise NoteError("signed by another key")
    try:
        key.verify(signature[4:], match["text"].encode())
    except InvalidSignature:
        raise NoteError("the signature does not fit") from None
    return Head(origin=origin, size=int(match["size"]), root=root)
