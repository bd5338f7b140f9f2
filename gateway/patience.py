"""How long, and for how much, a connection is waited for before its request is known: a head that dribbles or never ends is cut off.

uvicorn bounds neither, and does not say which certificate a client showed. What comes after the head is bounded where it is read (`gateway/api/reading.py`).
"""

import asyncio
import base64
import hashlib
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 65_536


CERTIFICATE: Final = "client_certificate"
"""In a request's state: `x5t#S256` (RFC 8705 section 3.1) of the certificate that the client showed on this connection, or None."""


def _shown(transport: Any) -> str | None:
    session = transport.get_extra_info("ssl_object")
    certificate = session.getpeercert(binary_form=True) if session is not None else None
    if not certificate:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def impatient(seconds: float) -> type[HttpToolsProtocol]:
    """The HTTP protocol of a server that waits this long for a head."""

    class Impatient(HttpToolsProtocol):
        head_seconds = seconds
        _in_head = True
        _head_bytes = 0
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it alike
            super().connection_made(transport)
            self._begin_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["state"][CERTIFICATE] = _shown(self.transport)
            self._begin_head()

        def on_headers_complete(self) -> None:
            self._end_head()
            super().on_headers_complete()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._in_head:
                self._head_bytes += len(data)
                # INVARIANT: what is kept of a head that has not ended stays within a limit.
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._cut()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_head()
            super().connection_lost(exc)

        def _begin_head(self) -> None:
            self._end_head()
            self._in_head, self._head_bytes = True, 0
            self._timer = asyncio.get_running_loop().call_later(self.head_seconds, self._cut)

        def _end_head(self) -> None:
            self._in_head = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _cut(self) -> None:
            transport: Any = self.transport
            if transport is not None:
                transport.abort()

    return Impatient
