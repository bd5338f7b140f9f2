"""An identity provider that really answers over HTTP: discovery, authorization, token, keys; and every way in which one can be wrong.

It stands at the edge of the world: it is what an organisation runs. It shares no code with the console.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET, STRONG = "console", "a secret+with/signs", "AAL2_OR_AAL3_ANY"
BASIC = base64.b64encode(b"console:a+secret%2Bwith%2Fsigns").decode()


@dataclass
class IdentityProvider:
    """`spoil` changes the claims of a token before it is signed; `sign_with` and `algorithm` how; `omit_iss` leaves the issuer out."""

    now: Callable[[], float]
    subject: str = "subject-of-hana"
    spoil: Callable[[dict[str, Any]], Any] = lambda _: None
    algorithm: str = "RS256"
    kid: str = "k1"
    answers: int = 200
    base: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}))
    signs_with: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def app(self) -> web.Application:
        made = web.Application()
        made.router.add_get("/.well-known/openid-configuration", self.configuration)
        made.router.add_get("/keys", self.keys)
        made.router.add_get("/authorize", self.authorize)
        made.router.add_post("/token", self.token)
        return made

    async def configuration(self, _request: web.Request) -> web.Response:
        self.asked.append("configuration")
        return web.json_response(
            {
                "issuer": self.base,
                "authorization_endpoint": f"{self.base}/authorize",
                "token_endpoint": f"{self.base}/token",
                "jwks_uri": f"{self.base}/keys",
                "authorization_response_iss_parameter_supported": True,
            },
            status=self.answers,
        )

    async def keys(self, _request: web.Request) -> web.Response:
        self.asked.append("keys")
        return web.json_response({"keys": [{**self.key.as_dict(private=False), "kid": self.kid}]})

    async def authorize(self, request: web.Request) -> web.Response:
        """Somebody who is logged in here already: the browser goes straight back, with a code."""
        asked = dict(request.query)
        assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", CLIENT, "openid")
        assert (asked["code_challenge_method"], asked["acr_values"]) == ("S256", STRONG)
        code = secrets.token_urlsafe(24)
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.base, "session_state": "s"})
        raise web.HTTPFound(f"{asked['redirect_uri']}?{back}")

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=")
        good = (
            asked is not None
            and request.headers["Authorization"] == f"Basic {BASIC}"
            and form["redirect_uri"] == asked["redirect_uri"]
            and challenge.decode() == asked["code_challenge"]
        )
        if not good or asked is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(self.now())
        claims = {
            "iss": self.base, "aud": CLIENT, "sub": self.subject, "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], "acr": STRONG,
        }  # fmt: skip
        self.spoil(claims)
        return web.json_response({"id_token": self.signed(claims), "access_token": "x", "token_type": "Bearer"})

    def signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.kid}
        if self.algorithm == "none":
            unsigned = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
            return f"{unsigned}.{jwt.encode({'alg': 'RS256'}, claims, self.key).split('.')[1]}."
        if self.algorithm == "HS256":  # signed with the public key, as if it were a shared secret
            return jwt.encode(header, claims, OctKey.import_key(self.key.as_pem(private=False)))
        return jwt.encode(header, claims, self.signs_with or self.key)
