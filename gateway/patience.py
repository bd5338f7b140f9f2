"""How long, and for how much, a connection is waited for: a head that dribbles or never ends, what comes behind an answer and an answer that is
not taken are cut off, and what waits behind the request that is being answered is bounded.

uvicorn bounds none of them, and does not say which certificate a client showed. A body is bounded where it is read (`gateway/api/reading.py`).
"""

import asyncio
import base64
import hashlib
from typing import Any, Final

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 65_536
MAX_WAITING: Final = 32
"""Requests of one connection that were sent before the ones in front of them were answered."""
LEAST_TAKEN: Final = 65_536
"""Bytes of an answer. A caller that takes less of it in the time of a head only holds its place."""

CERTIFICATE: Final = "client_certificate"
"""In a request's state: `x5t#S256` (RFC 8705 section 3.1) of the certificate that the client showed on this connection, or None."""


def _shown(transport: Any) -> str | None:
    session = transport.get_extra_info("ssl_object")
    certificate = session.getpeercert(binary_form=True) if session is not None else None
    if not certificate:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def impatient(wait_seconds: float, *, most_connections: int, full: ASGIApp) -> type[HttpToolsProtocol]:
    """The HTTP protocol of a server that waits this long for a head, and for `LEAST_TAKEN` bytes of an answer to be taken. While there are more
    connections than `most_connections`, `full` answers.
    """

    class Impatient(_Impatient):
        seconds = wait_seconds
        most = most_connections
        answer_when_full = staticmethod(full)

    return Impatient


class _Impatient(HttpToolsProtocol):
    seconds: float
    most: int
    answer_when_full: ASGIApp
    _in_head = True
    _head_bytes = 0
    _asked_for: asyncio.TimerHandle | None = None
    _answered: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it alike
        super().connection_made(transport)
        self._ordinary = self.app
        self._ask()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][CERTIFICATE] = _shown(self.transport)
        self._in_head, self._head_bytes = True, 0
        self._ask()

    def on_headers_complete(self) -> None:
        self._in_head = False
        _cancel(self._asked_for)
        self.app = self._ordinary if len(self.connections) <= self.most else self.answer_when_full
        super().on_headers_complete()
        # INVARIANT: what is kept of requests that are not answered yet stays within a limit.
        if len(self.pipeline) >= MAX_WAITING:
            self._cut()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # INVARIANT: the next head is there in this time: nothing that is sent behind an answer makes it longer.
        if not self.pipeline:
            self._ask()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            # INVARIANT: what is kept of a head that has not ended stays within a limit.
            if self._head_bytes > MAX_HEAD_BYTES:
                self._cut()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._answered)

    def connection_lost(self, exc: Exception | None) -> None:
        _cancel(self._asked_for)
        _cancel(self._answered)
        super().connection_lost(exc)

    def _ask(self) -> None:
        _cancel(self._asked_for)
        self._asked_for = asyncio.get_running_loop().call_later(self.seconds, self._did_not_ask)

    def _did_not_ask(self) -> None:
        if self.flow.write_paused:
            self._ask()  # it has not got its answer yet
        else:
            self._cut()

    def _answer(self, left: int) -> None:
        _cancel(self._answered)
        self._answered = asyncio.get_running_loop().call_later(self.seconds, self._look_again, left)

    def _look_again(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if before - left < LEAST_TAKEN:
            self._cut()
        else:
            self._answer(left)

    def _cut(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
