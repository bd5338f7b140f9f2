"""Pure ASGI: every answer is `no-store` unless it says what else, and the caller's X-Request-ID and X-Correlation-ID come back when they
have the form of an id.
"""

import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ID: Final = re.compile(rb"[A-Za-z0-9-]{1,64}")
_ECHOED: Final = (b"x-request-id", b"x-correlation-id")
_NO_STORE: Final = (b"cache-control", b"no-store")
_ALWAYS: Final = (b"x-content-type-options", b"nosniff")


class Headers:
    """The one middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"])
        added = [(name, given[name]) for name in _ECHOED if _ID.fullmatch(given.get(name, b""))]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                kept = [] if any(name == _NO_STORE[0] for name, _ in own) else [_NO_STORE]
                message["headers"] = [*own, *kept, _ALWAYS, *added]
            await send(message)

        await self._app(scope, receive, sending)
