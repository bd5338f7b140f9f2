"""An MLLP listener: one client, one message in flight a connection, answered in order.

Backpressure is the sender's own: while a message is being committed, the connection is not read. Memory is bounded by the frame
limit, the limit over all connections, and timers that close who dribbles or idles. A connection that is closed without an answer
has taken nothing: the sender sends again. It MUST NOT read, keep or write about what a frame holds.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from adapters.contract import Accept, Answer, Arrival
from adapters.failpoints import pass_point
from adapters.mllp.frames import Frames, FrameTooLarge, framed
from adapters.mllp.settings import InboundSettings

CONTENT_TYPE = "application/hl7-v2+er7"
_LINGER_SECONDS = 2.0


@dataclass(kw_only=True)
class Counts:
    """What a listener has seen. Numbers only."""

    connections: int = 0
    refused_connections: int = 0
    refused_certificates: int = 0
    frames: int = 0
    empty_frames: int = 0
    missing_cr: int = 0
    junk_bytes: int = 0
    too_large: int = 0
    timeouts: int = 0
    over_memory: int = 0
    failures: int = 0


class MllpInbound:
    """The listener of one channel. `start` returns when it accepts connections; `port` is the port it got."""

    def __init__(self, settings: InboundSettings) -> None:
        self.settings = settings
        self.counts = Counts()
        self.buffered = 0
        self.connections: set[_Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._accept: Accept | None = None
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("the listener is not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def is_serving(self) -> bool:
        """Are new messages taken?"""
        return self._server is not None and self._server.is_serving()

    def counted(self) -> Mapping[str, int]:
        """Its counts, by name."""
        return asdict(self.counts)

    async def start(self, accept: Accept) -> None:
        """Listen. Raises OSError when the port is taken or a file of TLS cannot be read."""
        self._accept = accept
        loop = asyncio.get_running_loop()
        tls = make_tls(self.settings)
        self._server = await loop.create_server(
            lambda: _Connection(self),
            self.settings.host,
            self.settings.port,
            backlog=1_024,
            ssl=tls,
            ssl_handshake_timeout=self.settings.handshake_seconds if tls else None,
        )

    async def accept(self, arrival: Arrival) -> Answer:
        """Hand an arrival to the gateway."""
        if self._accept is None:
            raise RuntimeError("the listener is not started")
        return await self._accept(arrival)

    async def stop(self) -> None:
        """Take no more, let what is in flight finish, then close what is left."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self.connections):
            connection.close_when_idle()
        if self.tasks:
            await asyncio.wait(tuple(self.tasks), timeout=self.settings.stop_seconds)
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.sleep(0)


def make_tls(settings: InboundSettings) -> ssl.SSLContext | None:
    """Mutual TLS 1.2 or newer: no handshake without a certificate that the client CA signed. None where it is not configured."""
    if settings.certificate is None or settings.client_ca is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(settings.certificate, settings.key)
    context.load_verify_locations(settings.client_ca)
    return context


class _Connection(asyncio.Protocol):
    """One connection: reading (idle or inside a frame), busy with one message, or draining before the end."""

    def __init__(self, listener: MllpInbound) -> None:
        self._listener = listener
        self._settings = listener.settings
        self._frames = Frames(listener.settings.max_frame_bytes)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cr_timer: asyncio.TimerHandle | None = None
        self._timing_frame = False
        self._busy = False
        self._closing = False
        self._draining = False
        self._counted_buffer = 0
        self._counted_junk = 0
        self._writable = asyncio.Event()
        self._writable.set()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._listener.connections) >= self._settings.max_connections:
            self._listener.counts.refused_connections += 1
            transport.abort()
            return
        if self._settings.mutual_tls and not self._is_the_client(transport):
            self._listener.counts.refused_certificates += 1
            transport.abort()
            return
        self._listener.counts.connections += 1
        self._listener.connections.add(self)
        self._arm()

    def _is_the_client(self, transport: asyncio.Transport) -> bool:
        """INVARIANT: a certificate that the client CA signed for somebody else does not open this client's channel."""
        session = transport.get_extra_info("ssl_object")
        shown = session.getpeercert(binary_form=True) if session is not None else None
        return shown is not None and hashlib.sha256(shown).hexdigest() in self._settings.client_certificates

    def data_received(self, data: bytes) -> None:
        if self._draining:
            return
        self._frames.feed(data)
        self._account()
        # INVARIANT: unfinished frames of all connections together stay within a limit.
        if self._listener.buffered > self._settings.max_buffered_bytes:
            self._listener.counts.over_memory += 1
            self.abort()
        elif not self._busy:
            self._advance()
        elif self._transport is not None:
            # INVARIANT: one message in flight a connection; the sender waits on TCP, not in our memory.
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._closing = True
        if not self._busy and self._frames.waits_for_cr:
            self._frame_without_cr()
        return self._busy and not self._settings.mutual_tls  # TLS has no half-closed connection

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        self._disarm()
        self._closing = self._draining = True
        self._writable.set()
        self._listener.connections.discard(self)
        self._listener.buffered -= self._counted_buffer
        self._counted_buffer = 0

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # what the listener calls

    def close_when_idle(self) -> None:
        """Close now, or after the message in flight."""
        self._closing = True
        if not self._busy and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, without an answer."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # reading

    def _advance(self) -> None:
        """Look for a whole frame; if there is one, stop reading and serve it."""
        try:
            frame = self._frames.next()
        except FrameTooLarge as error:
            self._listener.counts.too_large += 1
            self._serve(error.beginning, truncated=True)
            return
        finally:
            self._account()
        if frame is not None:
            self._serve(frame)
        elif self._counted_junk > self._settings.max_junk_bytes:
            self.abort()
        else:
            self._arm()

    def _frame_without_cr(self) -> None:
        self._cr_timer = None
        frame = self._frames.end_without_cr()
        self._account()
        if frame is not None and not self._busy:
            self._listener.counts.missing_cr += 1
            self._serve(frame)

    def _serve(self, first: bytes, *, truncated: bool = False) -> None:
        self._disarm()
        self._busy = True
        if self._settings.mutual_tls and self._transport is not None:
            # TLS has no half-closed connection: that no more comes is heard after the answer, which could not be written behind it.
            self._transport.pause_reading()
        task = asyncio.get_running_loop().create_task(self._answer_frames(first, truncated=truncated))
        self._listener.tasks.add(task)
        task.add_done_callback(self._listener.tasks.discard)

    async def _answer_frames(self, first: bytes, *, truncated: bool) -> None:
        """Answer this frame and those behind it in the buffer, in order; then read again."""
        frame: bytes | None = first
        try:
            while frame is not None:
                if not await self._answer(frame, truncated=truncated) or truncated:
                    break
                if self._closing and not self._listening_for_more():
                    break
                frame, truncated = self._following()
        finally:
            self._busy = False
            self._account()
        self._after(truncated=truncated)

    def _following(self) -> tuple[bytes | None, bool]:
        try:
            frame = self._frames.next()
        except FrameTooLarge as error:
            self._listener.counts.too_large += 1
            return error.beginning, True
        if frame is None and self._closing:  # nothing more comes
            frame = self._frames.end_without_cr()
            self._listener.counts.missing_cr += frame is not None
        return frame, False

    async def _answer(self, frame: bytes, *, truncated: bool) -> bool:
        """Hand over one frame and write its acknowledgement. False when the connection is of no more use."""
        if not frame and not truncated:
            self._listener.counts.empty_frames += 1
            return True
        self._listener.counts.frames += 1
        arrival = Arrival(
            channel=self._settings.channel,
            client=self._settings.client,
            body=frame,
            content_type=CONTENT_TYPE,
            truncated=truncated,
        )
        try:
            answer = await self._listener.accept(arrival)
        except Exception:  # noqa: BLE001 - whatever failed, nothing is known to be kept: no answer, and the sender sends again
            self._listener.counts.failures += 1
            self.abort()
            return False
        return await self._write(answer)

    async def _write(self, answer: Answer) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        for body in (answer.body, *answer.then):
            if body:
                transport.write(framed(body))
        pass_point("acknowledge.after")
        try:
            if not self._writable.is_set():
                async with asyncio.timeout(self._settings.write_seconds):
                    await self._writable.wait()
        except TimeoutError:
            self._listener.counts.timeouts += 1
            self.abort()
            return False
        return not transport.is_closing()

    def _listening_for_more(self) -> bool:
        """After the sender closed its side, what it sent before is still served; after our own stop it is not."""
        return self._frames.buffered > 0 and self._listener.is_serving

    def _after(self, *, truncated: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if truncated:
            self._drain(transport)
        elif self._closing:
            transport.close()
        else:
            transport.resume_reading()
            self._arm()

    def _drain(self, transport: asyncio.Transport) -> None:
        """Let the sender read its refusal: throw away what still comes, for a moment, then close."""
        self._draining = True
        self._frames = Frames(self._settings.max_frame_bytes)
        self._counted_junk = 0
        self._account()
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(_LINGER_SECONDS, transport.abort)

    # timers and accounts

    def _arm(self) -> None:
        """One timer for the frame from its first byte, else one for silence; and a short one for a missing <CR>."""
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timing_frame != self._frames.inside:
            if self._timer is not None:
                self._timer.cancel()
            self._timing_frame = self._frames.inside
            seconds = self._settings.frame_seconds if self._timing_frame else self._settings.idle_seconds
            self._timer = loop.call_later(seconds, self._timed_out)
        if self._cr_timer is not None:
            self._cr_timer.cancel()
            self._cr_timer = None
        if self._frames.waits_for_cr:
            self._cr_timer = loop.call_later(self._settings.missing_cr_seconds, self._frame_without_cr)

    def _disarm(self) -> None:
        for timer in (self._timer, self._cr_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._cr_timer = None

    def _timed_out(self) -> None:
        self._listener.counts.timeouts += 1
        self.abort()

    def _account(self) -> None:
        self._listener.buffered += self._frames.buffered - self._counted_buffer
        self._counted_buffer = self._frames.buffered
        self._listener.counts.junk_bytes += self._frames.junk_bytes - self._counted_junk
        self._counted_junk = self._frames.junk_bytes
