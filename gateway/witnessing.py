"""Asking the witness: the signed head goes there with the proof that it continues the last one, and comes back cosigned.

What came back is kept in a file beside the head file, outside the database. Nothing on the line waits for a witness: one that is away, slow
or wrong is said in the log and by the age of its last word, and MUST NOT delay a message or a letter.
"""

import asyncio
import base64
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import aiohttp

from gateway.failpoints import pass_point
from gateway.instants import to_text
from gateway.ledger import continues, head_of
from gateway.ledger.cosignature import PublicKey, cosigned_at
from gateway.ledger.head import HeadFile, HeadMissing
from gateway.ledger.ledger import Ledger
from gateway.ledger.note import NoteError
from gateway.settings import Settings, Witness

LARGEST_ANSWER: Final = 4_096
RECENT_SECONDS: Final = 900
"""Older than this is an alert (deploy/alerts.yml, LedgerUnwitnessed): a copy from that time could have been put back since."""
_COSIGNED = re.compile(r"(?:— [^\s+]+ [A-Za-z0-9+/=]+\n)+")


class WitnessAway(Exception):
    """It did not answer, or not in the form of its protocol: it is asked again."""


class WitnessRefused(Exception):
    """It answered, and does not cosign this head: this ledger does not continue what the witness has seen. A person looks."""


@dataclass(frozen=True, kw_only=True)
class Witnessed:
    """The witness's last word: up to how many entries, and when. `name` is the witness's."""

    name: str
    size: int
    at: str
    age_seconds: int

    def covers(self, entries: int) -> bool:
        """Does it speak of all of these, and of late? INVARIANT: of what is behind an old word nobody knows more than without a witness."""
        return self.size >= entries and self.age_seconds <= RECENT_SECONDS


def file_of(settings: Settings) -> Path:
    """Where the last cosigned head is kept."""
    return settings.gateway.head_file.with_name("ledger.witnessed")


def last_word(settings: Settings) -> str:
    """The last head that came back cosigned; empty where none did."""
    try:
        return HeadFile(file_of(settings)).read()
    except HeadMissing:
        return ""


def last_witnessed(settings: Settings, now: datetime) -> Witnessed | None:
    """What the witness said last; None without a witness, or before its first word. NoteError when the file was changed."""
    text = last_word(settings)
    if settings.witness is None or not text:
        return None
    witness = PublicKey.read(settings.witness.key)
    at = cosigned_at(text, witness)
    age = int((now - at).total_seconds())
    return Witnessed(name=witness.name, size=size_of(text), at=to_text(at), age_seconds=max(0, age))


async def ask(settings: Settings, ledger: Ledger) -> None:
    """One round: ask for the present head, keep what comes back. WitnessAway, WitnessRefused; NotProvable for a ledger that is not whole."""
    if settings.witness is None:
        return
    kept = await asyncio.to_thread(last_word, settings)
    try:
        old = size_of(kept)
    except ValueError:
        old = 0
    for _ in range(2):
        note, body = await asyncio.to_thread(_request, ledger, old)
        status, said = await _post(settings.witness, body)
        if status == 200:
            await asyncio.to_thread(_keep, settings, settings.witness, note + said)
            return
        seen = _number(said) if status == 409 else None
        if seen is None:
            break
        if seen > size_of(note):
            raise WitnessRefused(f"the witness has seen {seen} entries, this ledger has {size_of(note)}")
        old = seen  # its last answer to us was lost, or it began again: prove from there
    raise WitnessRefused(f"the witness answered {status}")


def _request(ledger: Ledger, old: int) -> tuple[str, bytes]:
    """The signed head, and the request that shows how it continues `old`."""
    with ledger.as_signed() as signed:
        size = head_of(signed).size
        path = continues(signed, old) if old <= size else []
        note = signed.text or ""
    hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in path)
    return note, f"old {min(old, size)}\n{hashes}\n{note}".encode()


async def _post(witness: Witness, body: bytes) -> tuple[int, str]:
    limit = aiohttp.ClientTimeout(total=witness.timeout_seconds)
    try:
        pass_point("witness.before-ask")
        async with (
            aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
            session.post(f"{witness.url.rstrip('/')}/add-checkpoint", data=body, allow_redirects=False) as answer,
        ):
            pass_point("response.before-read")
            said = await answer.content.read(LARGEST_ANSWER)
            pass_point("response.after-read")
            pass_point("witness.after-ask")
            return answer.status, said.decode("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise WitnessAway("the witness did not answer") from None


def _keep(settings: Settings, witness: Witness, text: str) -> None:
    """INVARIANT: what is kept was cosigned by the witness whose key is in the settings, whoever answered."""
    try:
        cosigned_at(text, PublicKey.read(witness.key))
    except NoteError:
        raise WitnessAway("what answered is not the witness") from None
    if not _COSIGNED.fullmatch(text.partition("\n\n")[2]):
        raise WitnessAway("what answered does not speak a witness's protocol")
    file = HeadFile(file_of(settings))
    with file.locked():
        try:
            file.replace(file.read(), text)
        except HeadMissing:
            HeadFile.create(file_of(settings), text)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}\n?", text) else None


def size_of(text: str) -> int:
    """How many entries a signed head holds, as it says; 0 of an empty text. ValueError for a text that is no head."""
    if not text:
        return 0
    _, size, *_ = text.split("\n")
    return int(size)
