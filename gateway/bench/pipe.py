"""The empty pipe: the same posts in, the same bytes posted out to the same receivers, with nothing between, in the same libraries.

Run as `python -m gateway.bench.pipe FOLDER PORT EVENT RECEIVER_PORT...`. It answers at once, keeps nothing and decides nothing; what is of EVENT goes on,
the rest asks for no letter. It
only puts the numbers of the person and of the order into the letters, so that the receivers can say which message came. What it does is the floor under
any gateway on this machine.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvicorn
from fastapi import FastAPI, Request, Response

WHOSE = re.compile(rb"\|(999\d{7})\^")
ORDER = re.compile(rb"\|(RX\d{9})\|")
WHOSE_IN_LETTER = re.compile(rb'"999\d{7}"')
ORDER_IN_LETTER = re.compile(rb'"RX\d{9}"')
CONNECTIONS = 8
"""To each receiver, as the gateway's own default."""


class Outgoing:
    """One receiver, and the bytes it gets."""

    def __init__(self, folder: Path, place: int, port: int) -> None:
        self._letter = (folder / f"letter-{place}").read_bytes()
        self._url = f"http://127.0.0.1:{port}/fhir"
        content_type = (folder / f"letter-{place}.type").read_text("utf-8")
        self._headers = {"Content-Type": content_type, "Accept": "application/fhir+json"}
        self._session: aiohttp.ClientSession | None = None

    async def send(self, nhs_number: bytes, order: bytes | None) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        letter = WHOSE_IN_LETTER.sub(b'"%s"' % nhs_number, self._letter)
        if order is not None:
            letter = ORDER_IN_LETTER.sub(b'"%s"' % order, letter)
        headers = {**self._headers, "Idempotency-Key": nhs_number.decode()}
        async with self._session.post(self._url, data=letter, headers=headers) as answer:
            await answer.read()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def make_app(event: bytes, receivers: list[Outgoing]) -> FastAPI:
    """POST /hl7v2, answered before anything was sent on."""
    under_way: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for receiver in receivers:
            await receiver.close()

    app = FastAPI(openapi_url=None, lifespan=lifespan)

    @app.post("/hl7v2")
    async def take(request: Request) -> Response:
        body = await request.body()
        whose, order = WHOSE.search(body), ORDER.search(body)
        if whose is None:
            return Response(status_code=400)
        for receiver in receivers if event in body else ():
            task = asyncio.create_task(receiver.send(whose[1], order[1] if order else None))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        return Response(b"MSA|AA|", media_type="application/hl7-v2+er7")

    return app


if __name__ == "__main__":
    place, port, event = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
    outgoing = [Outgoing(place, number, int(each)) for number, each in enumerate(sys.argv[4:])]
    uvicorn.run(
        make_app(event, outgoing),
        host="127.0.0.1",
        port=port,
        loop="asyncio",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
    )
