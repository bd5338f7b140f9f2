"""Drops one letter into a recipient's folder.

    the file is there and its folder is synced     delivered
    the folder is missing, unfit or full           Transient: nothing has the letter's name
    the sync of the folder failed                  ambiguous: the name may or may not survive a power cut

The name is the delivery id and an ending: nothing of a person. It is the same at every attempt, so that a repeat replaces the file.
"""

import asyncio
from typing import Final

from adapters.contract import Outcome, Outgoing, Receipt, Transient
from adapters.file_drop.folder import FolderUnfit, require_fit, sync, write_beside
from adapters.file_drop.settings import OutboundSettings

_ENDINGS: Final = {
    "application/fhir+json": "json",
    "application/hl7-v2+er7": "hl7",
    "application/pdf": "pdf",
    "text/csv": "csv",
}


class FileDropOutbound:
    """The sender for one recipient."""

    def __init__(self, settings: OutboundSettings) -> None:
        self.settings = settings

    async def send(self, letter: Outgoing) -> Receipt:
        """One attempt. Raises Transient."""
        return await asyncio.to_thread(self._drop, letter)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _drop(self, letter: Outgoing) -> Receipt:
        folder = self.settings.folder
        # INVARIANT: the delivery id is the idempotency key, the same at every attempt (DESIGN section 2, rule 6).
        name = f"{letter.delivery_id}.{_ENDINGS.get(letter.content_type.partition(';')[0].strip(), 'bin')}"
        try:
            require_fit(folder)
            beside = write_beside(folder, name, letter.body)
        except FolderUnfit as error:
            raise Transient("folder-unfit", str(error)) from None
        except OSError:
            raise Transient("folder-unwritable", "the letter could not be written into the folder") from None
        try:
            beside.rename(folder / name)
        except OSError:
            beside.unlink(missing_ok=True)
            raise Transient("folder-unwritable", "the letter could not be given its name") from None
        try:
            sync(folder)
        except OSError:
            return Receipt(outcome=Outcome.AMBIGUOUS, code="not-synced")
        return Receipt(outcome=Outcome.DELIVERED, code="dropped")
