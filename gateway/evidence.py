"""What leaves the ledger for whoever checks it elsewhere, each time with an entry that says so: all of it, or the proof of something.

Both hold closed words, random ids and digests only. Nothing here MUST ever open what is sealed.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.ledger import NotProvable, export_lines, prove_delivery, prove_entry, record
from gateway.opaque import is_opaque
from gateway.parts import Parts
from gateway.store.schema import ledger_entry


class NotWritten(ThroughgateError):
    """The file is there already, or cannot be made."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written. `newer`: entries that no head covers yet; they are in the next export."""

    file: str
    sha256: str
    entries: int
    newer: int


def export_ledger(parts: Parts, file: Path) -> Exported:
    """Write everything under the signed head into a new file. NotWritten when it is there; NotProvable for a ledger that is not whole."""
    enter_export(parts, "ledger")
    digest = hashlib.sha256()
    entries = -1
    with parts.ledger.as_signed() as signed, _new(file) as out:
        there = signed.c.execute(select(func.count()).select_from(ledger_entry)).scalar_one()
        for line in export_lines(signed):
            if entries < 0:
                entries = json.loads(line)["entries"]
            digest.update(line)
            out.write(line)
    return Exported(file=file.name, sha256=digest.hexdigest(), entries=entries, newer=there - entries)


def prove(parts: Parts, some_id: str) -> dict[str, Any]:
    """The proof of an entry, or of everything about a delivery. NotProvable when the signed ledger says nothing of this id."""
    if not some_id or not is_opaque(some_id):
        raise NotProvable("this is not an id")
    with parts.ledger.as_signed() as signed:
        is_entry = signed.c.execute(select(ledger_entry.c.id).where(ledger_entry.c.id == some_id)).first() is not None
        made = prove_entry(signed, some_id) if is_entry else prove_delivery(signed, some_id)
    enter_export(parts, "proof", about=some_id)
    return made


def write_new(file: Path, content: bytes) -> None:
    """A new file that only its owner reads. NotWritten when it is there."""
    with _new(file) as out:
        out.write(content)


def enter_export(parts: Parts, what: str, *, about: str = "") -> None:
    """INVARIANT: an export is entered before it is made: the ledger may say more than happened, never less."""
    facts = {"what": what, **({"about": about} if about else {})}
    with around("export-entry"):
        parts.store.write(
            lambda c: record(
                c,
                entry_id=parts.ids.entry(),
                chain=parts.ids.entry(),
                step=1,
                event="exported",
                at=parts.now(),
                facts=facts,
            )
        )


def _new(file: Path) -> Any:
    try:
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        raise NotWritten(f"{file} is there already: nothing is written over") from None
    except OSError as error:
        raise NotWritten(f"{file} cannot be made: {error.strerror}") from None
