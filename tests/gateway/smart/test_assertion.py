"""Every way to abuse a client assertion, one a row; each row has a real signature unless it is about the signature."""

import base64
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from gateway.clients import ClientError
from gateway.smart.assertion import AssertionRefused, Reason, check
from gateway.smart.keys import RegisteredKey, read_jwks
from tests.gateway.smart.signer import (
    BASE,
    CLIENT,
    INSTANT,
    KID,
    NOW,
    TOKEN_URL,
    assertion,
    b64,
    both_keys,
    claims,
    ec_key,
    header,
    rsa_key,
    sign_bytes,
)

KEYS = {key.kid: key for key in read_jwks(both_keys())}


def find_key(name: str, kid: str) -> RegisteredKey | None:
    if name != CLIENT:
        raise AssertionRefused(Reason.CLIENT_UNKNOWN)
    return KEYS.get(kid)


def judged(signed: str) -> str:
    """`taken`, or the reason."""
    try:
        proof = check(signed, find_key=find_key, audiences=(BASE, TOKEN_URL), now=NOW)
    except AssertionRefused as refused:
        return refused.reason.value
    assert proof.client == CLIENT
    return "taken"


def signed(head: Any = None, body: Any = None) -> str:
    """Over texts, so that they may be anything."""
    head_text = head if isinstance(head, bytes) else json.dumps(head or header()).encode()
    body_text = body if isinstance(body, bytes) else json.dumps(body or claims()).encode()
    return sign_bytes(head_text, body_text)


def with_unused_bits(part: int) -> str:
    """The last character of a segment changed so that it decodes to the same bytes."""
    segments = assertion(jti="x" * 17).split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for padding in range(3):  # a length at which bits are left over
        if len(segments[part]) % 4:
            break
        segments = assertion(header(typ=None) if part == 0 else None, jti="x" * (18 + padding)).split(".")
    if len(segments[part]) % 4 == 0:
        return segments[0] + "." + segments[1] + "." + segments[2] + "="
    last = segments[part][-1]
    segments[part] = segments[part][:-1] + alphabet[alphabet.index(last) ^ 1]
    same = base64.urlsafe_b64decode(segments[part] + "=" * (-len(segments[part]) % 4))
    assert base64.urlsafe_b64encode(same).rstrip(b"=").decode() != segments[part]
    return ".".join(segments)


def confused_with_hmac() -> str:
    """HS384 with the text of the public key as the secret."""
    secret = OctKey.import_key(json.dumps(ec_key().as_dict(private=False)))
    return jws.serialize_compact(
        {"alg": "HS384", "kid": KID}, json.dumps(claims()).encode(), secret, algorithms=["HS384"]
    )


def broken(part: int) -> str:
    segments = assertion().split(".")
    middle = len(segments[part]) // 2
    segments[part] = (
        segments[part][:middle] + ("A" if segments[part][middle] != "A" else "B") + segments[part][middle + 1 :]
    )
    return ".".join(segments)


HEAD, BODY, SIGNATURE = assertion().split(".")
ABUSES: dict[str, tuple[str, str]] = {
    # form
    "empty": ("", "form"),
    "one segment": (HEAD, "form"),
    "two segments": (f"{HEAD}.{BODY}", "form"),
    "four segments": (f"{HEAD}.{BODY}.{SIGNATURE}.{SIGNATURE}", "form"),
    "empty header": (f".{BODY}.{SIGNATURE}", "form"),
    "empty payload": (f"{HEAD}..{SIGNATURE}", "form"),
    "no signature": (f"{HEAD}.{BODY}.", "form"),
    "larger than 8 KiB": (assertion(padding="x" * 8_192), "too-long"),
    "padding": (f"{HEAD}.{BODY}.{SIGNATURE}=", "form"),
    "white space": (f"{HEAD}.{BODY}.{SIGNATURE}\n", "form"),
    "the other base64 alphabet": (f"{HEAD}.{BODY}.{SIGNATURE[:-1]}+", "form"),
    "a JSON serialisation": (json.dumps({"payload": BODY, "signature": SIGNATURE}), "form"),
    "unused bits in the payload": (with_unused_bits(1), "encoding"),
    "a segment of an impossible length": (f"{HEAD}.{BODY}A{'A' * ((4 - len(BODY)) % 4)}.{SIGNATURE}", "encoding"),
    # header
    "header is not JSON": (signed(b"{alg}"), "header"),
    "header is a list": (signed(b'["ES384"]'), "header"),
    "header names alg twice": (signed(b'{"alg":"none","kid":"key-1","alg":"ES384"}'), "header"),
    "header is not UTF-8": (signed(b'{"alg":"ES384","kid":"\xff"}'), "header"),
    "header with a byte order mark": (signed(b'\xef\xbb\xbf{"alg":"ES384","kid":"key-1"}'), "header"),
    "crit": (signed(header(crit=["exp"])), "header-member"),
    "b64": (signed(header(b64=False)), "header-member"),
    "jwk in the header": (signed(header(jwk=ec_key("other").as_dict(private=False))), "header-member"),
    "jku": (signed(header(jku="https://attacker.example/jwks")), "header-member"),
    "x5u": (signed(header(x5u="https://attacker.example/cert")), "header-member"),
    "x5c": (signed(header(x5c=["MIIB"])), "header-member"),
    "zip": (signed(header(zip="DEF")), "header-member"),
    "another type": (signed(header(typ="at+jwt")), "type"),
    "type is no text": (signed(header(typ=1)), "type"),
    "alg none": (f"{b64(json.dumps(header(alg='none')).encode())}.{BODY}.{SIGNATURE}", "algorithm"),
    "no alg": (signed(header(alg=None)), "algorithm"),
    "alg is a list": (signed(header(alg=["ES384"])), "algorithm"),
    "alg in lower case": (signed(header(alg="es384")), "algorithm"),
    "HS384 with the public key as secret": (confused_with_hmac(), "algorithm"),
    "the algorithm of another key": (signed(header(alg="RS384")), "algorithm"),
    "RS384 under the EC key's kid": (
        sign_bytes(json.dumps(header(alg="RS384")).encode(), json.dumps(claims()).encode(), alg="RS384"),
        "algorithm",
    ),
    "ES384 under the RSA key's kid": (signed(header(kid="rsa-1")), "algorithm"),
    "no kid": (signed(header(kid=None)), "kid"),
    "kid is a number": (signed(header(kid=1)), "kid"),
    "empty kid": (signed(header(kid="")), "kid"),
    "kid in another case": (signed(header(kid="KEY-1")), "key-unknown"),
    "kid is a path": (signed(header(kid="../key-1")), "kid"),
    "kid with a NUL": (signed(header(kid="key-1\x00")), "kid"),
    "kid is SQL": (signed(header(kid="' OR '1'='1")), "kid"),
    # signature
    "another key": (
        sign_bytes(json.dumps(header()).encode(), json.dumps(claims()).encode(), key=ec_key("other")),
        "signature",
    ),
    "a changed payload": (f"{HEAD}.{b64(json.dumps(claims(aud=BASE, extra=1)).encode())}.{SIGNATURE}", "signature"),
    "a changed header": (f"{b64(json.dumps(header(typ=None)).encode())}.{BODY}.{SIGNATURE}", "signature"),
    "a changed signature": (broken(2), "signature"),
    "a signature of zeros": (f"{HEAD}.{BODY}.{b64(bytes(96))}", "signature"),
    "a signature too short": (f"{HEAD}.{BODY}.{b64(bytes(95))}", "signature"),
    "a signature too long": (f"{HEAD}.{BODY}.{SIGNATURE}{b64(bytes(3))}", "signature"),
    # claims
    "claims are not JSON": (signed(body=b"{"), "claims"),
    "claims are a list": (signed(body=b"[]"), "claims"),
    "claims name sub twice": (
        signed(body=json.dumps(claims()).encode()[:-1] + b', "sub": "two-prisons"}'),
        "claims",
    ),
    "claims with NaN": (signed(body=json.dumps(claims()).encode()[:-1] + b', "n": NaN}'), "claims"),
    "no iss": (signed(body=claims(iss=None)), "issuer"),
    "iss is a list": (signed(body=claims(iss=[CLIENT])), "issuer"),
    "iss with a NUL": (signed(body=claims(iss="a\x00b", sub="a\x00b")), "issuer"),
    "unknown client": (signed(body=claims(iss="nobody", sub="nobody")), "client-unknown"),
    "iss in another case": (signed(body=claims(iss="ZFG-EHR", sub="ZFG-EHR")), "issuer"),
    "no sub": (signed(body=claims(sub=None)), "subject"),
    "another sub": (signed(body=claims(sub="two-prisons")), "subject"),
    "no aud": (signed(body=claims(aud=None)), "audience"),
    "aud of another server": (signed(body=claims(aud="https://other.example")), "audience"),
    "aud with a slash more": (signed(body=claims(aud=BASE + "/")), "audience"),
    "aud in capitals": (signed(body=claims(aud=BASE.upper())), "audience"),
    "aud is a prefix": (signed(body=claims(aud=BASE[:-1])), "audience"),
    "two audiences": (signed(body=claims(aud=[BASE, TOKEN_URL])), "audience"),
    "ours and another's": (signed(body=claims(aud=[BASE, "https://other.example"])), "audience"),
    "no audience in a list": (signed(body=claims(aud=[])), "audience"),
    "aud is an object": (signed(body=claims(aud={"a": BASE})), "audience"),
    "no exp": (signed(body=claims(exp=None)), "expiry"),
    "exp is a text": (signed(body=claims(exp=str(INSTANT + 60))), "expiry"),
    "exp is a fraction": (signed(body=claims(exp=INSTANT + 60.5)), "expiry"),
    "exp is true": (signed(body=claims(exp=True)), "expiry"),
    "exp is huge": (signed(body=claims(exp=10**30)), "expiry"),
    "exp is negative": (signed(body=claims(exp=-1)), "expiry"),
    "expired": (signed(body=claims(exp=INSTANT - 30, iat=None)), "expired"),
    "more than five minutes": (signed(body=claims(exp=INSTANT + 331)), "too-long-lived"),
    "issued in the future": (signed(body=claims(iat=INSTANT + 31)), "issued-at"),
    "issued long ago": (signed(body=claims(iat=INSTANT - 3_601)), "issued-at"),
    "issued after its end": (signed(body=claims(iat=INSTANT + 20, exp=INSTANT + 10)), "issued-at"),
    "iat is a text": (signed(body=claims(iat="now")), "issued-at"),
    "not yet valid": (signed(body=claims(nbf=INSTANT + 31)), "not-before"),
    "nbf is null": (signed(body=json.dumps(claims()).encode()[:-1] + b', "nbf": null}'), "not-before"),
    "no jti": (signed(body=claims(jti=None)), "jti"),
    "jti of 15 characters": (signed(body=claims(jti="x" * 15)), "jti"),
    "jti of 129 characters": (signed(body=claims(jti="x" * 129)), "jti"),
    "jti is a number": (signed(body=claims(jti=10**20)), "jti"),
    "jti with a line end": (signed(body=claims(jti="x" * 20 + "\n")), "jti"),
    "jti that is not ASCII": (signed(body=claims(jti="é" * 20)), "jti"),
}


@pytest.mark.parametrize("name", ABUSES)
def test_an_abuse_is_refused_for_its_reason(name: str) -> None:
    made, reason = ABUSES[name]
    assert judged(made) == reason


def test_there_are_enough_rows_and_every_reason_has_one() -> None:
    assert len(ABUSES) >= 60
    assert {reason for _, reason in ABUSES.values()} == {each.value for each in Reason} - {
        "replayed"
    }  # the store's: test_grant.py


GOOD: dict[str, str] = {
    "as it should be": assertion(),
    "RS384": assertion(header(alg="RS384", kid="rsa-1")),
    "the token address as audience": assertion(aud=TOKEN_URL),
    "one audience in a list": assertion(aud=[BASE]),
    "no typ": assertion(header(typ=None)),
    "the new typ": assertion(header(typ="client-authentication+jwt")),
    "no iat": assertion(iat=None),
    "at the end of the skew": assertion(exp=INSTANT - 29, iat=None),
    "five minutes and the skew": assertion(exp=INSTANT + 330),
    "a clock that is half a minute ahead": assertion(iat=INSTANT + 30, nbf=INSTANT + 30),
    "the shortest jti": assertion(jti="x" * 16),
    "the longest jti": assertion(jti="x" * 128),
    "a claim that nobody asked for": assertion(extra={"a": [1, 2]}),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_is_taken(name: str) -> None:
    """Sabotage of the table above: a check that refuses everything would pass it."""
    assert judged(GOOD[name]) == "taken"


def test_no_refusal_holds_what_was_sent() -> None:
    for made, reason in ABUSES.values():
        with pytest.raises(AssertionRefused) as refused:
            check(made, find_key=find_key, audiences=(BASE, TOKEN_URL), now=NOW)
        assert str(refused.value) == reason


def private(key: Any) -> dict[str, Any]:
    return dict(key.as_dict(private=True))


BAD_KEYS: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{", "cannot be read"),
    "no keys": (b"{}", "1 to 10 keys"),
    "an empty list": (b'{"keys": []}', "1 to 10 keys"),
    "a member twice": (b'{"keys": [], "keys": [{}]}', "cannot be read"),
    "no key": (b'{"keys": [1]}', "is not a key"),
    "a secret": (b'{"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}]}', "private"),
    "a private EC key": (json.dumps({"keys": [{**private(ec_key()), "kid": "a"}]}).encode(), "private"),
    "a private RSA key": (json.dumps({"keys": [{**private(rsa_key()), "kid": "a"}]}).encode(), "private"),
    "no kid": (json.dumps({"keys": [ec_key().as_dict(private=False)]}).encode(), "kid"),
    "P-256": (
        json.dumps({"keys": [{**ECKey.generate_key("P-256").as_dict(private=False), "kid": "a"}]}).encode(),
        "P-384",
    ),
    "RSA of 1024 bits": (
        json.dumps(
            {"keys": [{"kty": "RSA", "n": b64(b"\xc1" + bytes(126) + b"\x01"), "e": "AQAB", "kid": "a"}]}
        ).encode(),
        "2048",
    ),
    "e = 3": (json.dumps({"keys": [{**rsa_key().as_dict(private=False), "e": "Aw", "kid": "a"}]}).encode(), "65537"),
    "a point off the curve": (
        json.dumps({"keys": [{**ec_key().as_dict(private=False), "x": b64(bytes(47) + b"\x05"), "kid": "a"}]}).encode(),
        "not a public key",
    ),
    "for encryption": (
        json.dumps({"keys": [{**ec_key().as_dict(private=False), "kid": "a", "use": "enc"}]}).encode(),
        "signatures",
    ),
    "for signing": (
        json.dumps({"keys": [{**ec_key().as_dict(private=False), "kid": "a", "key_ops": ["sign"]}]}).encode(),
        "signatures",
    ),
    "another algorithm": (
        json.dumps({"keys": [{**rsa_key().as_dict(private=False), "kid": "a", "alg": "RS256"}]}).encode(),
        "RS384",
    ),
    "the same kid twice": (
        json.dumps(
            {"keys": [{**ec_key(name).as_dict(private=False), "kid": "a"} for name in ("one", "other")]}
        ).encode(),
        "same kid",
    ),
    "OKP": (b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a"}]}', "only kty"),
    "too large": (b" " * 70_000, "larger"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_cannot_be_taken_says_why_and_quotes_nothing(name: str) -> None:
    body, says = BAD_KEYS[name]
    with pytest.raises(ClientError, match=says) as refused:
        read_jwks(body)
    assert private(ec_key())["d"] not in str(refused.value)
