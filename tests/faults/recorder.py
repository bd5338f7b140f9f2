"""A recipient in a process of its own that keeps what it took in an fsynced file: the judge of what left. It knows nothing of the line.

`python recorder.py PORT FILE [steady]`: one JSON line a request, written before it answers. Unless steady, it is busy now and then, or hangs
up after it took a letter. Where a run's folder, beside the file, has a `kill-at-take`, the process that it names dies between the effect and
the answer; where it has a `down`, every letter of that run is answered with 503; where it has a `slow`, after so many seconds.
"""

import asyncio
import base64
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from aiohttp import web

BUSY_OF_256, HANGS_UP_OF_256 = 12, 12


def kill_sender(folder: Path) -> bool:
    """Kill the gateway of this run if that was asked for, once."""
    asked = folder / "kill-at-take"
    if not asked.exists():
        return False
    os.kill(int(asked.read_text()), signal.SIGKILL)
    asked.unlink()
    return True


def main(port: int, path: Path, *, steady: bool) -> None:
    """Serve until killed."""
    log = path.open("ab")
    number = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal number
        number += 1
        key = request.headers["Idempotency-Key"]
        body = await request.read()
        folder = path.parent / request.path.split("/")[1]
        if (folder / "down").exists():
            return web.Response(status=503)
        chance = hashlib.sha256(f"{key}/{number}".encode()).digest()[0]
        if chance < BUSY_OF_256 and not steady:
            return web.Response(status=503, headers={"Retry-After": "0"})
        line = {"key": key, "path": request.path, "at": time.time(), "body": base64.b64encode(body).decode()}
        log.write(json.dumps(line).encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())
        if (folder / "slow").exists():
            await asyncio.sleep(float((folder / "slow").read_text()))
        killed = kill_sender(folder)
        if killed or (chance >= 256 - HANGS_UP_OF_256 and not steady):
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=200)

    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_post("/{tail:.*}", take)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), steady="steady" in sys.argv[3:])
