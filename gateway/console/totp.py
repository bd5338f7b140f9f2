"""Time-based one-time passwords (RFC 6238: HMAC-SHA-1, six digits, steps of thirty seconds), as every authenticator app makes them. Pure."""

import base64
import hmac
from datetime import datetime
from typing import Final
from urllib.parse import quote

STEP_SECONDS: Final = 30
DIGITS: Final = 6
_DRIFT: Final = 1
"""Steps that a telephone's clock may be off, either way."""


def code_at(secret: bytes, step: int) -> str:
    """The code of one step of time (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def step_of(instant: datetime) -> int:
    """The step of time that this instant is in."""
    return int(instant.timestamp()) // STEP_SECONDS


def accepted_step(secret: bytes, code: str, now: datetime, after: int) -> int | None:
    """The step whose code this is; None when it is none of now, or of a step that is not after `after`.

    INVARIANT: no code is taken twice: the caller keeps the step.
    """
    here = step_of(now)
    for step in range(here - _DRIFT, here + _DRIFT + 1):
        if step > after and hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            return step
    return None


def base32(secret: bytes) -> str:
    """The secret as a person types it."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def address(secret: bytes, *, account: str, issuer: str) -> str:
    """The `otpauth:` address that an authenticator app reads from a picture."""
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?secret={base32(secret)}&issuer={quote(issuer)}"
