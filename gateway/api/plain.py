"""A route that hands the request over as it is, for one method and no other.

FastAPI's own reads the signature of each handler, at every start and once more for every request; ours take a request and nothing else.
It MUST NOT answer HEAD by itself, as Starlette's does for every GET: to look at a letter is the door.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class PlainRoute(Route):
    """`endpoint` answers `method` at `path`."""

    def __init__(
        self, path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str, name: str | None = None
    ) -> None:
        super().__init__(path, endpoint, methods=[method], name=name)
        self.methods = {method}
