"""What a witness keeps and answers: the C2SP tlog-witness protocol's `add-checkpoint` (https://c2sp.org/tlog-witness).

The folder of a witness: `witness.key` (its private key), `witness.name`, `ledger.keys` (the public keys of the ledger, a line each; a new
one is added by hand when the ledger's key is rotated), `last.checkpoint` (the last head that it cosigned; empty before the first).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import durable
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.instants import Clock
from gateway.ledger import note
from gateway.ledger.cosignature import PublicKey, cosign
from gateway.ledger.head import HeadFile, HeadMissing
from gateway.ledger.note import Head, NoteError
from gateway.ledger.proofs import is_consistent
from gateway.ledger.tree import EMPTY_ROOT, HASH_BYTES

LARGEST_BODY: Final = 65_536
MOST_HASHES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,17})")


class WitnessError(ThroughgateError):
    """The folder is not a witness's, or a word in it cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer: 200 with a cosignature, or why not."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """An `add-checkpoint` request: what the ledger believes to be our last size, the proof from there, the signed head."""

    old: int
    path: tuple[bytes, ...]
    checkpoint: str


class Witness:
    """One witness of one ledger. Use from any thread and process: the last head is compared and swapped under a lock."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """WitnessError for a folder that `create` did not make."""
        self._clock = clock
        self._last = HeadFile(folder / "last.checkpoint")
        try:
            self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((folder / "witness.key").read_text("utf-8")))
            self._name = (folder / "witness.name").read_text("utf-8").strip()
            lines = (folder / "ledger.keys").read_text("utf-8").split()
            self._ledger = tuple(PublicKey.read(line) for line in lines)
            self._last.read()
        except (OSError, ValueError, HeadMissing) as error:
            raise WitnessError(f"{folder} is not the folder of a witness: {error}") from None
        if not self._ledger or len({key.name for key in self._ledger}) != 1 or any(key.cosigns for key in self._ledger):
            raise WitnessError(f"{folder / 'ledger.keys'}: the public keys of one ledger are needed")

    @classmethod
    def create(cls, folder: Path, *, name: str, ledger: tuple[str, ...], key: bytes) -> None:
        """Makes the folder of a new witness. WitnessError when it is there or a word does not fit. `key`: 32 random bytes."""
        if not re.fullmatch(r"[^\s+]{1,100}", name):
            raise WitnessError("a witness's name has no white space and no +: for example witness.example/ig")
        try:
            for each in ledger:
                PublicKey.read(each)
            durable.make_folder(folder.parent)
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise WitnessError(f"{folder} is there already") from None
        except NoteError as error:
            raise WitnessError(f"the ledger's key is {error}") from None
        for file, text in (("witness.key", key.hex()), ("witness.name", name), ("ledger.keys", "\n".join(ledger))):
            durable.write(folder / file, f"{text}\n".encode(), durable.NEW)
        HeadFile.create(folder / "last.checkpoint", "")
        durable.sync(folder.parent)

    def public_key(self) -> str:
        """What the gateway's `[witness] key` and the verifier's `--key` are given."""
        return str(PublicKey(name=self._name, key=self._key.public_key(), cosigns=True))

    def last(self) -> str:
        """The last head that was cosigned, with the cosignature; empty before the first."""
        with self._last.locked():
            return self._last.read()

    def forget(self, former: str) -> None:
        """A person of information governance accepts that the ledger began a new epoch: the last head is kept beside, as `former`, and the
        next head is taken as the first one was.
        """
        with self._last.locked(), around("witness-forget"):
            self._last.begin_again("", former=former)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answers to one request of a ledger. Never raises on what is in it."""
        try:
            asked = _read(body)
        except ValueError:
            return Answer(status=400, body="not a request of the form: old, hashes, signed head\n")
        origin = self._ledger[0].name
        if asked.checkpoint.split("\n", 1)[0] != origin:
            return Answer(status=404, body="this witness does not know that ledger\n")
        try:
            head = note.read(asked.checkpoint, origin, *(key.key for key in self._ledger))
        except NoteError:
            return Answer(status=403, body="not signed by a key of the ledger that this witness knows\n")
        if asked.old > head.size:
            return Answer(status=400, body="older than what it says to continue\n")
        return self._taken(asked, head)

    def _taken(self, asked: _Asked, head: Head) -> Answer:
        with self._last.locked():
            text = self._last.read()
            last = _head_of(text) if text else Head(origin=head.origin, size=0, root=EMPTY_ROOT)
            if asked.old != last.size or (head.size == last.size and head.root != last.root):
                return Answer(status=409, body=f"{last.size}\n", content_type=SIZE_TYPE)
            # INVARIANT: only what is shown to continue the last head is cosigned, and it is on disk before the answer leaves
            if not is_consistent(last.size, head.size, last.root, head.root, asked.path):
                return Answer(status=422, body="the proof does not lead from the last head to this one\n")
            line = cosign(asked.checkpoint, self._name, self._key, self._clock())
            self._last.replace(text, asked.checkpoint + line)
        return Answer(status=200, body=line)


def _read(body: bytes) -> _Asked:
    if len(body) > LARGEST_BODY:
        raise ValueError("too long")
    first, gap, checkpoint = body.decode("utf-8").partition("\n\n")
    old, *hashes = first.split("\n")
    match = _OLD.fullmatch(old)
    if match is None or not gap or len(hashes) > MOST_HASHES:
        raise ValueError("not of the form")
    try:
        path = tuple(base64.b64decode(each, validate=True) for each in hashes)
    except binascii.Error:
        raise ValueError("not base64") from None
    if any(len(each) != HASH_BYTES for each in path):
        raise ValueError("not hashes")
    return _Asked(old=int(match[1]), path=path, checkpoint=checkpoint)


def _head_of(text: str) -> Head:
    """Of our own file: what is in it was checked when it came."""
    origin, size, root = text.split("\n")[:3]
    return Head(origin=origin, size=int(size), root=base64.b64decode(root))
