"""Signed heads are C2SP notes that anybody with the public key can check."""

import base64
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.ledger.note import Head, NoteError, read, sign

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
HEAD = Head(origin="ledger.test/demo", size=7, root=b"r" * 32)


def test_a_note_is_read_again() -> None:
    assert read(sign(HEAD, KEY), HEAD.origin, KEY.public_key()) == HEAD


def test_the_form_is_that_of_the_specification() -> None:
    """Taken apart by hand, without our reader."""
    text, signature = sign(HEAD, KEY).split("\n\n")
    assert text.split("\n") == ["ledger.test/demo", "7", base64.b64encode(b"r" * 32).decode()]
    dash, name, blob = signature.rstrip("\n").split(" ")
    assert (dash, name) == ("—", "ledger.test/demo")
    raw = base64.b64decode(blob)
    assert raw[:4] == hashlib.sha256(b"ledger.test/demo\n\x01" + KEY.public_key().public_bytes_raw()).digest()[:4]
    KEY.public_key().verify(raw[4:], (text + "\n").encode())
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(raw[4:], text.encode())


def test_every_changed_character_is_found() -> None:
    note = sign(HEAD, KEY)
    for at in range(len(note)):
        changed = note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1 :]
        with pytest.raises(NoteError):
            read(changed, HEAD.origin, KEY.public_key())


@pytest.mark.parametrize(
    "text", ["", "x", "a\n1\nb\n\n— a c\n", sign(HEAD, KEY) + "\n", sign(HEAD, KEY)[:-1], "\n" * 5]
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        read(text, HEAD.origin, KEY.public_key())


def test_another_key_or_another_ledger_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    with pytest.raises(NoteError, match="another key"):
        read(sign(HEAD, other), HEAD.origin, KEY.public_key())
    with pytest.raises(NoteError, match="another ledger"):
        read(sign(HEAD, KEY), "ledger.test/other", KEY.public_key())


def test_an_origin_that_breaks_the_form_is_refused() -> None:
    for origin in ("two words", "a+b", "", "line\nbreak"):
        with pytest.raises(ValueError, match="origin"):
            sign(Head(origin=origin, size=0, root=b"r" * 32), KEY)


def test_a_head_of_two_signers_holds_for_each_and_a_signature_that_does_not_fit_for_nobody() -> None:
    """While a key is rotated the head is signed by both; one of them that was forged is a fault, whatever the other says."""
    other = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
    both = sign(HEAD, KEY, other)
    assert read(both, HEAD.origin, KEY.public_key()) == HEAD
    assert read(both, HEAD.origin, other.public_key()) == HEAD
    stranger = Ed25519PrivateKey.from_private_bytes(b"3" * 32)
    with pytest.raises(NoteError, match="another key"):
        read(both, HEAD.origin, stranger.public_key())
    forged = (
        sign(HEAD, KEY)
        + sign(Head(origin=HEAD.origin, size=HEAD.size + 1, root=HEAD.root), other).rpartition("\n\n")[2]
    )
    with pytest.raises(NoteError, match="does not fit"):
        read(forged, HEAD.origin, KEY.public_key(), other.public_key())
