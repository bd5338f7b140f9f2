"""The process that receives: one port a recipient. Run as `python -m gateway.bench.receivers FOLDER PORT...`.

Every letter is one line on standard output: place of the recipient, NHS number, order number, the instant it had come (monotonic seconds of
this machine), idempotency key. The first letter of each recipient is kept in FOLDER, so that the empty pipe can post the same bytes.
It knows nothing of the gateway.
"""

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

NHS_NUMBER = re.compile(rb'"(999\d{7})"')
ORDER = re.compile(rb'"RX(\d{9})"')
ANSWER = b'{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}'
FLUSH_SECONDS = 0.002
"""How long lines wait for each other: the reader is woken once for several."""


class Receivers:
    """All of them, in one event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: set[int] = set()
        self._lines: list[str] = []

    async def listen(self, ports: list[int]) -> None:
        """Open every port."""
        for place, port in enumerate(ports):
            application = web.Application(client_max_size=16 * 1024 * 1024)
            application.router.add_post("/{tail:.*}", self._taker(place))
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()

    def _taker(self, place: int) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def take(request: web.Request) -> web.Response:
            body = await request.read()
            if place not in self._kept:
                self._kept.add(place)
                (self._folder / f"letter-{place}").write_bytes(body)
                (self._folder / f"letter-{place}.type").write_text(request.headers["Content-Type"], "utf-8")
            whose, order = NHS_NUMBER.search(body), ORDER.search(body)
            key = request.headers.get("Idempotency-Key", "-")
            nhs_number, number = whose[1].decode() if whose else "-", int(order[1]) if order else 0
            self._say(f"{place} {nhs_number} {number} {time.monotonic()} {key}\n")
            return web.Response(body=ANSWER, content_type="application/fhir+json")

        return take

    def _say(self, line: str) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)
        self._lines.append(line)

    def _flush(self) -> None:
        sys.stdout.write("".join(self._lines))
        sys.stdout.flush()
        self._lines.clear()


async def main(folder: Path, ports: list[int]) -> None:
    """Receive until the process is ended."""
    await Receivers(folder).listen(ports)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
