"""A recipient in a process of its own that keeps what it took in an fsynced file: the judge of what left. It knows nothing of the line.

`python recorder.py PORT FILE`: one JSON line a request, written before it answers. Now and then it is busy, or hangs up after it took a letter.
"""

import base64
import hashlib
import json
import os
import sys
from pathlib import Path

from aiohttp import web

BUSY_OF_256, HANGS_UP_OF_256 = 12, 12


def main(port: int, path: Path) -> None:
    """Serve until killed."""
    log = path.open("ab")
    number = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal number
        number += 1
        key = request.headers["Idempotency-Key"]
        body = await request.read()
        chance = hashlib.sha256(f"{key}/{number}".encode()).digest()[0]
        if chance < BUSY_OF_256:
            return web.Response(status=503, headers={"Retry-After": "0"})
        line = {"key": key, "path": request.path, "body": base64.b64encode(body).decode()}
        log.write(json.dumps(line).encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())
        if chance >= 256 - HANGS_UP_OF_256:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=200)

    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_post("/{tail:.*}", take)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
