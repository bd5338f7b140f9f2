"""A client's public keys: what is taken from a JWKS, once, at registration. Nothing is ever fetched from an address.

ES384 on P-384, RS384 with at least 2048 bits and e = 65537. A private member anywhere is an error: the key has left its owner.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import Connection, bindparam, insert, select

from fhir_profiles.fhir_json import FhirJsonError, decode
from gateway.clients import ClientError, RegisterParts, find, note
from gateway.store.schema import client_key

ALGORITHMS: Final = {"EC": "ES384", "RSA": "RS384"}
MAX_JWKS_BYTES: Final = 65_536
MAX_KEYS: Final = 10
MIN_RSA_BITS: Final = 2_048
MAX_RSA_BITS: Final = 8_192
RSA_EXPONENT: Final = 65_537
KID: Final = re.compile(r"[A-Za-z0-9._~+=@:-]{1,128}")
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC: Final = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}
_BY_KID: Final = select(client_key).where(
    client_key.c.client_id == bindparam("client_id"),
    client_key.c.kid == bindparam("kid"),
    client_key.c.ended_at.is_(None),
)

PublicKey = ECKey | RSAKey


@dataclass(frozen=True, kw_only=True)
class RegisteredKey:
    """One public key and the one algorithm that it is for."""

    kid: str
    alg: str
    public: PublicKey


def read_jwks(body: bytes) -> tuple[RegisteredKey, ...]:
    """Every key of a JWKS. Raises ClientError for the first that cannot be taken; no value is quoted."""
    if len(body) > MAX_JWKS_BYTES:
        raise ClientError(f"the key set is larger than {MAX_JWKS_BYTES} bytes")
    try:
        document = decode(body)
    except FhirJsonError as error:
        raise ClientError(f"the key set cannot be read: {error}") from None
    keys = document.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        raise ClientError(f"a key set is an object with 1 to {MAX_KEYS} keys under `keys`")
    found = tuple(_key(one, f"keys[{number}]") for number, one in enumerate(keys))
    if len({one.kid for one in found}) != len(found):
        raise ClientError("two keys have the same kid")
    return found


def _key(value: Any, place: str) -> RegisteredKey:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ClientError(f"{place} is not a key")
    if _PRIVATE & set(value):
        raise ClientError(f"{place} holds a private key: make a new pair, and hand over only the public half")
    kind = value.get("kty")
    if not isinstance(kind, str) or kind not in ALGORITHMS:
        raise ClientError(f"{place}: only kty EC (P-384) and RSA are taken")
    kid = value.get("kid")
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        raise ClientError(f"{place}: a kid of 1 to 128 characters is needed")
    if value.get("alg", ALGORITHMS[kind]) != ALGORITHMS[kind]:
        raise ClientError(f"{place}: alg is {ALGORITHMS[kind]} for this kty")
    if value.get("use", "sig") != "sig" or value.get("key_ops", ["verify"]) != ["verify"]:
        raise ClientError(f"{place}: the key is not for signatures")
    return RegisteredKey(kid=kid, alg=ALGORITHMS[kind], public=_public(value, kind, place))


def _public(value: Mapping[str, Any], kind: str, place: str) -> PublicKey:
    members = {name: str(value[name]) for name in _PUBLIC[kind] if isinstance(value.get(name), str)}
    if len(members) != len(_PUBLIC[kind]):
        raise ClientError(f"{place}: a member of the public key is missing")
    if kind == "EC" and members["crv"] != "P-384":
        raise ClientError(f"{place}: the curve is P-384")
    if any(not canonical_base64url(members[name]) for name in ("x", "y", "n", "e") if name in members):
        raise ClientError(f"{place}: a number is not base64url")
    if kind == "RSA" and not MIN_RSA_BITS <= _bits(members["n"]) <= MAX_RSA_BITS:
        raise ClientError(f"{place}: RSA needs {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    try:
        imported: PublicKey = ECKey.import_key({**members}) if kind == "EC" else RSAKey.import_key({**members})
        public = imported.public_key  # the library checks that a point is on its curve
    except (JoseError, ValueError, TypeError):
        raise ClientError(f"{place}: this is not a public key") from None
    if isinstance(public, rsa.RSAPublicKey) and public.public_numbers().e != RSA_EXPONENT:
        raise ClientError(f"{place}: RSA needs the exponent {RSA_EXPONENT}")
    return imported


def _bits(number: str) -> int:
    return int.from_bytes(from_base64url(number) or b"").bit_length()


def canonical_base64url(text: str) -> bool:
    """Is this base64url without padding that encodes again to the same text?"""
    return bool(text) and from_base64url(text) is not None


def from_base64url(text: str) -> bytes | None:
    """The bytes of canonical base64url; None for anything else (padding, other characters, unused bits that are set)."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        return None
    try:
        found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return found if base64.urlsafe_b64encode(found).rstrip(b"=").decode() == text else None


def add_keys(parts: RegisterParts, name: str, jwks: bytes) -> tuple[str, ...]:
    """Register the keys of a JWKS for a client, with a ledger entry each; their kids. Raises ClientError."""
    keys = read_jwks(jwks)

    def work(c: Connection) -> None:
        owner = find(c, name)
        if owner is None:
            raise ClientError("there is no client of that name, or its registration has ended")
        for key in keys:
            known = select(client_key.c.kid).where(client_key.c.client_id == owner.id, client_key.c.kid == key.kid)
            if c.execute(known).first():
                raise ClientError("this client has or had a key of that kid: a kid is not used again")
            jwk = json.dumps(key.public.as_dict(private=False), sort_keys=True)
            c.execute(
                insert(client_key).values(client_id=owner.id, kid=key.kid, alg=key.alg, jwk=jwk, created_at=parts.now())
            )
            note(c, parts, owner.id, "client-key-added", {"alg": key.alg})

    parts.store.write(work)
    return tuple(key.kid for key in keys)


def find_key(c: Connection, client_id: str, kid: str) -> RegisteredKey | None:
    """The key of exactly this client and kid; None when there is none or it has ended."""
    row = c.execute(_BY_KID, {"client_id": client_id, "kid": kid}).first()
    if row is None:
        return None
    members = json.loads(row.jwk)
    public: PublicKey = ECKey.import_key(members) if members["kty"] == "EC" else RSAKey.import_key(members)
    return RegisteredKey(kid=row.kid, alg=row.alg, public=public)
