"""A client's side of SMART Backend Services, made by hand where a library would refuse to be wrong."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
INSTANT = int(NOW.timestamp())
BASE = "http://127.0.0.1:8080"
TOKEN_URL = f"{BASE}/oauth2/token"
CLIENT = "zfg-ehr"
KID = "key-1"


@cache
def ec_key(name: str = "one") -> ECKey:
    return ECKey.generate_key("P-384", private=True)


@cache
def rsa_key(bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, private=True)


def public(key: ECKey | RSAKey, kid: str, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, **more}


def jwks(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def both_keys() -> bytes:
    return jwks(public(ec_key(), KID), public(rsa_key(), "rsa-1"))


def claims(**more: Any) -> dict[str, Any]:
    """Good claims; a None takes a member away."""
    made = {
        "iss": CLIENT,
        "sub": CLIENT,
        "aud": BASE,
        "exp": INSTANT + 240,
        "iat": INSTANT,
        "jti": "a-jti-of-its-own-1",
        **more,
    }
    return {name: value for name, value in made.items() if value is not None}


def header(**more: Any) -> dict[str, Any]:
    made = {"alg": "ES384", "typ": "JWT", "kid": KID, **more}
    return {name: value for name, value in made.items() if value is not None}


def b64(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def sign_bytes(head: bytes, body: bytes, *, alg: str = "ES384", key: ECKey | RSAKey | None = None) -> str:
    """A real signature over any two texts, sensible or not."""
    signing = f"{b64(head)}.{b64(body)}".encode()
    algorithm = jws.JWSRegistry.algorithms[alg]
    signature = algorithm.sign(signing, key or (ec_key() if alg.startswith("ES") else rsa_key()))
    return f"{signing.decode()}.{b64(signature)}"


def assertion(head: Mapping[str, Any] | None = None, **more: Any) -> str:
    """A signed assertion; a signature is always made with the EC key unless the header says RS."""
    made = dict(head if head is not None else header())
    alg = "RS384" if made.get("alg") == "RS384" else "ES384"
    return sign_bytes(json.dumps(made).encode(), json.dumps(claims(**more)).encode(), alg=alg)


def form(signed: str, scope: str = "system/Binary.c system/Bundle.c", **more: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed,
        "scope": scope,
        **more,
    }
