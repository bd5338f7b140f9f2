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
    r"(?P<text>(?P<origin>[^\s+]+)\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)\n"
    r"(?P<signatures>(?:— [^\s+]+ [A-Za-z0-9+/=]+\n){1,8})"
)
_SIGNATURE = re.compile(r"— (\S+) (\S+)\n")


class NoteError(ValueError):
    """Not a note, not of this origin, or not signed by this key."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A tree's size and root, as signed."""

    origin: str
    size: int
    root: bytes


def vkey(name: str, key: Ed25519PublicKey) -> str:
    """A public key as C2SP writes it: name, key id, and type with key in base64. What a verifier is given on paper."""
    return f"{name}+{_key_id(name, key).hex()}+{base64.b64encode(_ED25519 + key.public_bytes_raw()).decode()}"


def _key_id(name: str, key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:4]


def sign(head: Head, *signers: Ed25519PrivateKey) -> str:
    """The note's text, with a signature by each. ValueError for an origin with white space or `+`."""
    if not re.fullmatch(r"[^\s+]+", head.origin):
        raise ValueError("an origin has no white space and no +")
    text = f"{head.origin}\n{head.size}\n{base64.b64encode(head.root).decode()}\n"
    lines = []
    for signer in signers:
        signature = _key_id(head.origin, signer.public_key()) + signer.sign(text.encode())
        lines.append(f"— {head.origin} {base64.b64encode(signature).decode()}\n")
    return f"{text}\n{''.join(lines)}"


def read(note: str, origin: str, *keys: Ed25519PublicKey) -> Head:
    """The head that at least one of these keys signed for this origin. NoteError otherwise, and for any signature of theirs that does not fit."""
    match = _NOTE.fullmatch(note)
    if match is None:
        raise NoteError("not a signed head")
    signatures = _SIGNATURE.findall(match["signatures"])
    if match["origin"] != origin:
        raise NoteError("a head of another ledger")
    known = {_key_id(origin, key): key for key in keys}
    try:
        # a witness signs beside us, under a name of its own: whoever reads a note passes over names that it does not know
        decoded = [base64.b64decode(signature, validate=True) for name, signature in signatures if name == origin]
        root = base64.b64decode(match["root"], validate=True)
    except binascii.Error:
        raise NoteError("not a signed head") from None
    ours = [signature for signature in decoded if signature[:4] in known]
    if not ours:
        raise NoteError("signed by another key")
    try:
        for signature in ours:
            known[signature[:4]].verify(signature[4:], match["text"].encode())
    except InvalidSignature:
        raise NoteError("the signature does not fit") from None
    return Head(origin=origin, size=int(match["size"]), root=root)
