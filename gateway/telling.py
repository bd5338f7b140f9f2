"""How a person is told: a command or an https address that gets ids and a code, never content."""

import asyncio
import json

import aiohttp

from gateway.parts import Teller, Told
from gateway.settings import Tell


class TellError(Exception):
    """The command failed or the address did not take it. Says how, never what."""


def teller_of(settings: Tell | None) -> Teller | None:
    """The way of telling that the settings name; None when they name none."""
    if settings is None:
        return None
    return _by_command(settings) if settings.command else _by_address(settings)


def _line(told: Told) -> bytes:
    """INVARIANT: ids and a code, nothing else."""
    return json.dumps(
        {"code": told.code, "role": told.role, "task": told.task, "message": told.message, "delivery": told.delivery}
    ).encode()


def _by_command(settings: Tell) -> Teller:
    async def tell(told: Told) -> None:
        process = await asyncio.create_subprocess_exec(
            *settings.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(settings.timeout_seconds):
                await process.communicate(_line(told) + b"\n")
        except TimeoutError:
            process.kill()
            await process.wait()
            raise TellError("the command did not end in time") from None
        if process.returncode != 0:
            raise TellError("the command failed")

    return tell


def _by_address(settings: Tell) -> Teller:
    async def tell(told: Told) -> None:
        limit = aiohttp.ClientTimeout(total=settings.timeout_seconds)
        async with (
            aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
            session.post(
                settings.url, data=_line(told), headers={"Content-Type": "application/json"}, allow_redirects=False
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise TellError("the address did not take it")

    return tell
