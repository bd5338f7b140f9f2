"""A client assertion, checked from the outside in: size, form, header, key, signature, claims. Each check has a reason of its own.

The reason is for the log; a caller hears `invalid_client` and nothing else. Nothing of an assertion chooses an algorithm, names an
address to fetch or is believed before its signature held. That it was not used before is the store's to say (`grant.py`).
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from fhir_profiles.fhir_json import FhirJsonError, decode
from gateway.settings import NAME_PATTERN
from gateway.smart.keys import KID, RegisteredKey, from_base64url

MAX_CHARACTERS: Final = 8_192
SKEW_SECONDS: Final = 30
LONGEST_SECONDS: Final = 300
OLDEST_SECONDS: Final = 3_600
"""An `iat` before this is a clock that is wrong or a token that was kept."""
TYPES: Final = frozenset({"JWT", "client-authentication+jwt"})
_HEADER: Final = frozenset({"alg", "typ", "kid"})
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]+")
_JTI: Final = re.compile(r"[\x21-\x7e]{16,128}")


class Reason(StrEnum):
    """Why an assertion is not taken."""

    TOO_LONG = "too-long"
    FORM = "form"
    ENCODING = "encoding"
    HEADER = "header"
    HEADER_MEMBER = "header-member"
    TYPE = "type"
    ALGORITHM = "algorithm"
    KID = "kid"
    CLAIMS = "claims"
    ISSUER = "issuer"
    SUBJECT = "subject"
    CLIENT_UNKNOWN = "client-unknown"
    KEY_UNKNOWN = "key-unknown"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    EXPIRY = "expiry"
    EXPIRED = "expired"
    TOO_LONG_LIVED = "too-long-lived"
    ISSUED_AT = "issued-at"
    NOT_BEFORE = "not-before"
    JTI = "jti"
    REPLAYED = "replayed"


class AssertionRefused(Exception):
    """An assertion that is not taken, and why. The text never holds any of it. `client` is a registered one that it named; unproven."""

    def __init__(self, reason: Reason, *, client: str | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.client = client


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What an assertion proved: who, and the id that may be used once until `expires` (seconds since 1970)."""

    client: str
    jti: str
    expires: int


FindKey = Callable[[str, str], RegisteredKey | None]
"""(client name, kid) -> its key. Raises AssertionRefused (`client-unknown`) when there is no such client."""


def check(assertion: str, *, find_key: FindKey, audiences: Collection[str], now: datetime) -> Proof:
    """Check everything but that it was not used before. Raises AssertionRefused."""
    _require(len(assertion) <= MAX_CHARACTERS, Reason.TOO_LONG)
    segments = assertion.split(".")
    _require(len(segments) == 3 and all(_SEGMENT.fullmatch(one) for one in segments), Reason.FORM)
    decoded = [from_base64url(one) for one in segments]
    header = _object(decoded[0], Reason.HEADER)
    claims_bytes, signature = decoded[1], decoded[2]
    _require(claims_bytes is not None and signature is not None, Reason.ENCODING)
    _check_header(header)
    claims = _object(claims_bytes, Reason.CLAIMS)
    issuer = claims.get("iss")
    _require(isinstance(issuer, str) and re.fullmatch(NAME_PATTERN, issuer) is not None, Reason.ISSUER)
    assert isinstance(issuer, str)
    # INVARIANT: the key is the registered one of this client and kid, with its own algorithm; a header never chooses.
    key = find_key(issuer, header["kid"])
    if key is None:
        raise AssertionRefused(Reason.KEY_UNKNOWN)
    _require(header["alg"] == key.alg, Reason.ALGORITHM)
    try:
        jws.deserialize_compact(assertion, key.public, algorithms=[key.alg])
    except (JoseError, ValueError):
        raise AssertionRefused(Reason.SIGNATURE) from None
    return _check_claims(claims, issuer, audiences, now)


def _check_header(header: dict[str, Any]) -> None:
    # `crit`, `b64`, `jwk`, `jku`, `x5u`, `x5c`, `zip` and whatever else comes: an unknown member is never ignored.
    _require(set(header) <= _HEADER, Reason.HEADER_MEMBER)
    _require(header.get("typ", "JWT") in TYPES if isinstance(header.get("typ", "JWT"), str) else False, Reason.TYPE)
    _require(isinstance(header.get("alg"), str), Reason.ALGORITHM)
    _require(isinstance(header.get("kid"), str) and KID.fullmatch(header["kid"]) is not None, Reason.KID)


def _check_claims(claims: dict[str, Any], issuer: str, audiences: Collection[str], now: datetime) -> Proof:
    _require(claims.get("sub") == issuer, Reason.SUBJECT)
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    _require(isinstance(audience, str) and audience in audiences, Reason.AUDIENCE)
    instant = now.astimezone(UTC).timestamp()
    _require(_is_instant(claims.get("exp")), Reason.EXPIRY)
    expires = int(claims["exp"])
    _require(expires > instant - SKEW_SECONDS, Reason.EXPIRED)
    _require(expires <= instant + LONGEST_SECONDS + SKEW_SECONDS, Reason.TOO_LONG_LIVED)
    if "iat" in claims:
        issued = claims["iat"]
        fits = (
            _is_instant(issued) and instant - OLDEST_SECONDS <= issued <= instant + SKEW_SECONDS and issued <= expires
        )
        _require(fits, Reason.ISSUED_AT)
    if "nbf" in claims:
        begins = claims["nbf"]
        _require(_is_instant(begins) and begins <= instant + SKEW_SECONDS and begins <= expires, Reason.NOT_BEFORE)
    jti = claims.get("jti")
    _require(isinstance(jti, str) and _JTI.fullmatch(jti) is not None, Reason.JTI)
    return Proof(client=issuer, jti=str(jti), expires=expires)


def _is_instant(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _object(body: bytes | None, reason: Reason) -> dict[str, Any]:
    """Strict JSON: no member twice, no NaN, UTF-8, an object."""
    if body is None:
        raise AssertionRefused(Reason.ENCODING)
    try:
        return decode(body)
    except FhirJsonError:
        raise AssertionRefused(reason) from None


def _require(fits: bool, reason: Reason) -> None:
    if not fits:
        raise AssertionRefused(reason)
