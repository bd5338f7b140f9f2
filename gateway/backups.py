"""A backup: a folder with one copy of the store and a page that says what it is. No key is in it: keys are kept apart from data.

    DIR/throughgate.db (or .pgdump)   the copy
    DIR/backup.json                   when, of which installation, its SHA-256, and the signed head from just before it was made

The head is read before the copy, so that a whole copy holds at least what that head covers. A restored backup is older than the head
outside: `throughgate serve` refuses it until a person begins a new epoch. This module MUST NOT write over anything.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from gateway import durable
from gateway.ledger import HeadFile
from gateway.ledger.head import HeadMissing
from gateway.settings import Settings
from gateway.store.backup import BackupError, copy_in, copy_out, digest_of

PAGE: Final = "backup.json"


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What `backup.json` says. `made_at` is an instant of the store; `head` the text of the head file, empty where there was none."""

    installation: str
    made_at: str
    file: str
    bytes: int
    sha256: str
    head: str


def back_up(settings: Settings, folder: Path, *, now: str) -> Backup:
    """Copy the store into a new folder, beside whoever uses it. Raises BackupError."""
    durable.make_folder(folder)
    if any(folder.iterdir()):
        raise BackupError("the folder is not empty: a backup never writes over another; give a new folder")
    folder.chmod(0o700)
    try:
        head = HeadFile(settings.gateway.head_file).read()
    except HeadMissing:
        head = ""
    file = copy_out(settings.gateway.store_url, folder)
    made = Backup(
        installation=settings.gateway.installation,
        made_at=now,
        file=file.name,
        bytes=file.stat().st_size,
        sha256=digest_of(file),
        head=head,
    )
    # the page is written last: a folder without it is no backup, whatever else is in it
    durable.write(folder / PAGE, json.dumps(asdict(made), indent=2).encode(), durable.NEW)
    durable.sync(folder)
    return made


def read_backup(folder: Path) -> Backup:
    """What a backup says of itself, checked against its bytes. Raises BackupError."""
    try:
        found = Backup(**json.loads((folder / PAGE).read_text("utf-8")))
        sha256 = digest_of(folder / Path(found.file).name)
    except (OSError, ValueError, TypeError):
        raise BackupError(f"this is no whole backup: {PAGE} or the file that it names is missing or damaged") from None
    if sha256 != found.sha256:
        raise BackupError("the copy is not the one that was made: its SHA-256 differs; use another backup")
    return found


def put_back(settings: Settings, folder: Path) -> Backup:
    """Put a backup into an empty place. Raises BackupError."""
    found = read_backup(folder)
    if found.installation != settings.gateway.installation:
        raise BackupError(f"this is a backup of another installation: {found.installation}")
    copy_in(settings.gateway.store_url, folder / found.file)
    durable.make_folder(settings.gateway.head_file.parent)
    return found
