"""Log-in by an organisation's own identity provider: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636), the issuer in
the answer where the provider says so (RFC 9207).

The provider says who somebody is and how strongly that was proven; the register of staff alone says what they may do. Nothing is kept here
between the two steps: a cookie holds one random value, from which state, nonce and verifier come. Nothing of an answer is believed before
its signature held, and this module MUST NOT log any of it.
"""

import asyncio
import hashlib
import hmac
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, RSAKey

from fhir_profiles.fhir_json import FhirJsonError, decode
from gateway.errors import ThroughgateError
from gateway.parts import Parts
from gateway.settings import OpenIdConnect, require_safe_url

ALGORITHMS: Final = ("ES256", "ES384", "PS256", "RS256", "RS384", "RS512")
"""Signatures by the provider's own key; none that a shared secret could make."""
MINUTES: Final = 10
"""How long somebody may take at their provider."""
_KEPT: Final = timedelta(hours=1)
_ASKED_AGAIN: Final = timedelta(minutes=1)
"""A key that is not known is looked for again, but not oftener."""
_MAX_BYTES: Final = 262_144
_SECONDS: Final = 10
_SKEW_SECONDS: Final = 60
_CODE: Final = re.compile(r"[\x21-\x7e]{1,2048}")
_PublicKey = ECKey | RSAKey


class NotProven(ThroughgateError):
    """The provider did not prove who this is, or is not there. The text is a word for the log, and holds nothing of an answer."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the provider says of itself (OpenID Connect Discovery 1.0), and when it was asked."""

    authorization: str
    token: str
    says_issuer: bool
    keys: Mapping[str, _PublicKey]
    at: datetime


def known_as(settings: OpenIdConnect, subject: str) -> str:
    """Who somebody is in the register of staff. INVARIANT: a subject is one person at one issuer: another provider's same word is a stranger."""
    return f"{settings.issuer} {subject}"


class Provider:
    """One identity provider, asked at most once an hour what it is."""

    def __init__(self, parts: Parts, settings: OpenIdConnect, return_address: str) -> None:
        self._parts = parts
        self.settings = settings
        self._return_address = return_address
        self._known: _Known | None = None
        self._few = asyncio.Semaphore(4)

    async def begin(self) -> tuple[str, str]:
        """Where to send the browser, and the random value for its cookie. NotProven when the provider is not there."""
        known = await self._provider()
        secret = self._parts.ids.key().hex()
        challenge = urlsafe_b64encode(hashlib.sha256(_part(secret, "verifier").encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._return_address,
            "scope": "openid",
            "state": _part(secret, "state"),
            "nonce": _part(secret, "nonce"),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "acr_values": " ".join(self.settings.acr),
        }
        return f"{known.authorization}{'&' if '?' in known.authorization else '?'}{urlencode(asked)}", secret

    async def subject(self, secret: str, answer: Mapping[str, str]) -> str:
        """Who came back, as the provider names them. `secret` is what the browser's cookie holds, `answer` the query. NotProven."""
        # INVARIANT: an answer counts only in the browser in which it was asked for.
        _require("state", bool(secret) and hmac.compare_digest(answer.get("state", ""), _part(secret, "state")))
        known = await self._provider()
        issuer = answer.get("iss", "" if known.says_issuer else self.settings.issuer)
        _require("issuer", issuer == self.settings.issuer)
        code = answer.get("code", "")
        _require("refused", "error" not in answer and _CODE.fullmatch(code) is not None)
        return await self._proven(await self._id_token(known, code, secret), known, _part(secret, "nonce"))

    async def _id_token(self, known: _Known, code: str, secret: str) -> str:
        credentials = f"{quote_plus(self.settings.client_id)}:{quote_plus(_read_secret(self.settings))}"
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._return_address,
            "code_verifier": _part(secret, "verifier"),
        }
        basic = {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"}
        token = (await self._ask("POST", known.token, data=form, headers=basic)).get("id_token")
        if not isinstance(token, str):
            raise NotProven("no-id-token")
        return token

    async def _proven(self, token: str, known: _Known, nonce: str) -> str:
        try:
            claims = _claims(token, known)
        except KeyError:
            claims = await self._with_newer_keys(token, known)
        now = int(self._parts.clock().timestamp())
        registry = jwt.JWTClaimsRegistry(
            now=now,
            leeway=_SKEW_SECONDS,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
            # INVARIANT: a log-in that was not proven strongly enough is none, also where the provider does not say how it was proven.
            acr={"essential": True, "values": list(self.settings.acr)},
        )
        try:
            registry.validate(claims)
        except JoseError:
            raise NotProven("claims") from None
        # OpenID Connect Core 3.1.3.7: who it is for where it is for several
        _require("audience", claims.get("azp", self.settings.client_id) == self.settings.client_id)
        _require("audience", not isinstance(claims["aud"], list) or len(claims["aud"]) == 1 or "azp" in claims)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
            raise NotProven("subject")
        return subject

    async def _with_newer_keys(self, token: str, known: _Known) -> dict[str, Any]:
        if self._parts.clock() - known.at < _ASKED_AGAIN:
            raise NotProven("key")
        self._known = None
        try:
            return _claims(token, await self._provider())
        except KeyError:
            raise NotProven("key") from None

    async def _provider(self) -> _Known:
        now = self._parts.clock()
        if self._known is None or now - self._known.at > _KEPT:
            said = await self._ask("GET", f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            _require("issuer", said.get("issuer") == self.settings.issuer)
            keys = await self._ask("GET", _address(said, "jwks_uri"))
            self._known = _Known(
                authorization=_address(said, "authorization_endpoint"),
                token=_address(said, "token_endpoint"),
                says_issuer=said.get("authorization_response_iss_parameter_supported") is True,
                keys=_public_keys(keys.get("keys")),
                at=now,
            )
        return self._known

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """One JSON object, from exactly this address. NotProven for anything else."""
        try:
            async with (
                self._few,
                asyncio.timeout(_SECONDS),
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
                session.request(method, url, allow_redirects=False, **more) as answer,
            ):
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    _require("answer", len(body) <= _MAX_BYTES)
                _require("answer", answer.status == 200)
                return decode(bytes(body))
        except (aiohttp.ClientError, OSError, TimeoutError, FhirJsonError):
            raise NotProven("away") from None


def _claims(token: str, known: _Known) -> dict[str, Any]:
    """The claims of a token whose signature holds. KeyError for a key that is not known; NotProven for anything else."""

    def key(guest: GuestProtocol) -> _PublicKey:
        return known.keys[str(guest.headers().get("kid", ""))]

    try:
        return dict(jwt.decode(token, key, algorithms=ALGORITHMS).claims)
    except KeyError:
        raise
    except (JoseError, ValueError, TypeError):
        raise NotProven("signature") from None


def _public_keys(found: Any) -> dict[str, _PublicKey]:
    """By kid. What cannot be read, or is for something else, is no key."""
    keys: dict[str, _PublicKey] = {}
    for one in found if isinstance(found, list) else ():
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or not isinstance(one.get("kid"), str):
            continue
        try:
            if one.get("kty") == "EC":
                keys[one["kid"]] = ECKey.import_key(one)
            elif one.get("kty") == "RSA":
                keys[one["kid"]] = RSAKey.import_key(one)
        except (JoseError, ValueError, TypeError):
            continue
    return keys


def _address(said: Mapping[str, Any], name: str) -> str:
    try:
        return require_safe_url(str(said.get(name, "")))
    except ValueError:
        raise NotProven("address") from None


def _read_secret(settings: OpenIdConnect) -> str:
    try:
        return settings.client_secret.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise NotProven("secret-file") from None


def _part(secret: str, what: str) -> str:
    """One of the values that come from the cookie's: none tells another."""
    return hmac.new(secret.encode(), what.encode(), hashlib.sha256).hexdigest()


def _require(word: str, holds: bool) -> None:
    if not holds:
        raise NotProven(word)
