"""Sends a letter as one MLLP frame and waits for its acknowledgement. It MUST NOT read the letter, or more of an answer than who it is about.

A connection carries one letter, so that an answer which comes late is never taken for another's. What is known after a send:

    the acknowledgement                              `acknowledgement.judged`
    no connection, or nothing of the frame left      Transient
    anything after the frame began to leave          ambiguous: it may have had its effect
"""

import asyncio
import ssl
from typing import Final

from adapters.contract import AdapterError, Outcome, Outgoing, Permanent, Receipt, Transient
from adapters.failpoints import pass_point
from adapters.mllp.acknowledgement import judged
from adapters.mllp.frames import FS, VT, Frames, FrameTooLarge, framed
from adapters.mllp.settings import OutboundSettings

_READ: Final = 65_536


class MllpOutbound:
    """The sender for one recipient."""

    def __init__(self, settings: OutboundSettings) -> None:
        self.settings = settings
        self._free = asyncio.Semaphore(settings.max_connections)

    async def send(self, letter: Outgoing) -> Receipt:
        """One attempt. Raises Transient or Permanent."""
        if VT in letter.body or FS in letter.body:
            raise Permanent("no-frame", "a letter with the signs of a frame in it cannot be framed")
        async with self._free:
            reader, writer = await self._connected()
            try:
                async with asyncio.timeout(self.settings.total_seconds):
                    # INVARIANT: from here on an outcome that is not known is ambiguous, never assumed (DESIGN section 2, rule 5).
                    return await self._exchanged(letter, reader, writer)
            except AdapterError:
                raise
            except TimeoutError:
                return Receipt(outcome=Outcome.AMBIGUOUS, code="timeout")
            except (OSError, FrameTooLarge):
                return Receipt(outcome=Outcome.AMBIGUOUS, code="connection-lost")
            finally:
                writer.transport.abort()

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self.settings.connect_seconds):
                return await asyncio.open_connection(
                    self.settings.host, self.settings.port, ssl=make_client_tls(self.settings), limit=_READ
                )
        except (OSError, TimeoutError):
            # OSError has ssl.SSLError in it: a certificate that does not hold is nobody to send to.
            raise Transient("unreachable", "the recipient could not be reached") from None

    async def _exchanged(self, letter: Outgoing, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Receipt:
        writer.write(framed(letter.body))
        await writer.drain()
        frames = Frames(self.settings.max_answer_bytes)
        answer = None
        pass_point("response.before-read")
        while answer is None and (data := await reader.read(_READ)):
            frames.feed(data)
            answer = frames.next()
        answer = frames.end_without_cr() if answer is None else answer
        pass_point("response.after-read")
        if answer is not None:
            return judged(answer, letter.delivery_id)
        return Receipt(outcome=Outcome.AMBIGUOUS, code="no-answer")


def make_client_tls(settings: OutboundSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer to a receiver whose certificate `ca` signed, with our own certificate where there is one. None to this machine without it."""
    if settings.ca is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(settings.ca)
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context
