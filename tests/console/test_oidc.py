"""Log-in by an identity provider over real HTTP: who is proven and has an account gets in; whatever is wrong, nobody does, and nothing is said of it."""

import contextlib
import html
import http.cookies
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from joserfc.jwk import RSAKey
from playwright.sync_api import sync_playwright

from gateway.api import create_app
from gateway.console import add_console, entrance
from gateway.console.staff import Role, StaffError, add_staff, end_staff
from gateway.ledger import LedgerEvent
from gateway.settings import Console, OpenIdConnect
from tests.console.identity_provider import CLIENT, SECRET, STRONG, IdentityProvider
from tests.console.site import Answer, Site, serve
from tests.console.test_browser import PROGRAM, WITHOUT_BROWSER
from tests.console.test_log_in import entries


@dataclass
class Door:
    """A console that knows an identity provider. `jar` is a browser's cookies."""

    site: Site
    provider: IdentityProvider
    base: str
    jar: dict[str, str]

    def ask(self, address: str) -> Answer:
        """One GET with the jar's cookies, which it keeps."""
        where = urlsplit(address)
        site = Site(
            base=self.base,
            port=where.port or urlsplit(self.base).port or 0,
            line=self.site.line,
            app=self.site.app,
            run=self.site.run,
        )
        cookie = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = site.ask("GET", f"{where.path}?{where.query}" if where.query else where.path, Cookie=cookie)
        for line in answer.headers.get("set-cookie", "").splitlines():
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.jar[name] = morsel.value
        return answer

    def come_back(self) -> str:
        """Begin, and be sent back by the provider: the address to return to."""
        self.jar.clear()
        begun = self.ask("/console/oidc/begin")
        assert begun.status == 303, begun.text
        return self.ask(begun.headers["location"]).headers["location"]

    def log_in(self) -> Answer:
        return self.ask(self.come_back())

    def is_in(self) -> bool:
        return self.ask("/console/work").status == 200


@pytest.fixture(scope="module")
def door(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    gateway = site.line.gateway
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text(f"{SECRET}\n")
    provider = IdentityProvider(now=lambda: site.line.clock().timestamp())
    stack = contextlib.AsyncExitStack()

    async def start() -> str:
        runner = web.AppRunner(provider.app())
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        listening = web.TCPSite(runner, "127.0.0.1", 0)
        await listening.start()
        provider.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        app = create_app(gateway)
        base = f"http://127.0.0.1:{await serve(stack, app)}"
        oidc = OpenIdConnect(issuer=provider.base, client_id=CLIENT, client_secret=secret, acr=(STRONG,))
        here = gateway.settings.gateway.model_copy(update={"public_url": base})
        gateway.settings = gateway.settings.model_copy(update={"gateway": here, "console": Console(oidc=oidc)})
        add_console(app, gateway)
        return base

    base = site.run(start())
    add_staff(gateway, "hana", Role.AUDITOR, subject=f"{provider.base} subject-of-hana")
    yield Door(site=site, provider=provider, base=base, jar={})
    site.run(stack.aclose())


def test_who_is_proven_and_has_an_account_gets_in(door: Door) -> None:
    page = door.ask("/console/log-in")
    assert "/console/oidc/begin" in page.text
    before = len(entries(door.site, LedgerEvent.LOGGED_IN))
    answer = door.log_in()
    assert (answer.status, "You are logged in" in answer.text) == (200, True)
    mine, asked = answer.headers["set-cookie"].lower().splitlines()
    assert "samesite=strict" in mine
    assert "httponly" in mine
    assert "max-age=0" in asked, "what was asked is over"
    assert door.is_in()
    assert "hana, auditor" in door.ask("/console/").text
    assert len(entries(door.site, LedgerEvent.LOGGED_IN)) == before + 1
    assert door.provider.asked.count("keys") == 1, "what it says of itself is asked once an hour"


def test_who_the_provider_proves_and_nobody_registered_stays_outside(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door.provider, "subject", "<script>stranger")
    answer = door.log_in()
    assert (answer.status, entrance.NO_ACCOUNT in answer.text, door.is_in()) == (403, True, False)
    assert "&lt;script&gt;stranger" in answer.text
    add_staff(door.site.line.gateway, "gone", Role.AUDITOR, subject=f"{door.provider.base} subject-of-gone")
    end_staff(door.site.line.gateway, "gone")
    monkeypatch.setattr(door.provider, "subject", "subject-of-gone")
    assert (door.log_in().status, door.is_in()) == (403, False)
    # the same word from another provider is somebody else
    add_staff(door.site.line.gateway, "olga", Role.AUDITOR, subject="https://idp.example subject-of-olga")
    monkeypatch.setattr(door.provider, "subject", "subject-of-olga")
    assert (door.log_in().status, door.is_in()) == (403, False)
    with pytest.raises(StaffError, match="another name"):
        add_staff(door.site.line.gateway, "nils", Role.AUDITOR, subject=f"{door.provider.base} subject-of-hana")


CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://idp.example"},
    "another audience": {"aud": "another"},
    "several audiences and no word for whom": {"aud": [CLIENT, "another"]},
    "for another party": {"aud": [CLIENT, "another"], "azp": "another"},
    "too old": {"exp": 1},
    "not yet": {"iat": 4_102_444_800},
    "another log-in's nonce": {"nonce": "0" * 64},
    "one factor": {"acr": "AAL1_USERPASS"},
    "no word of how it was proven": {"acr": None},
    "no subject": {"sub": None},
    "no nonce": {"nonce": None},
    "no end": {"exp": None},
}
SIGNED: dict[str, dict[str, Any]] = {
    "no signature": {"algorithm": "none"},
    "a shared secret's signature": {"algorithm": "HS256"},
    "another key under the same name": {"signs_with": RSAKey.generate_key(2048)},
}


def nobody_gets_in(door: Door, what: str) -> None:
    answer = door.log_in()
    assert (answer.status, entrance.NOT_PROVEN in html.unescape(answer.text)) == (422, True), what
    assert not door.is_in(), what


def test_a_token_that_proves_less_lets_nobody_in(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for what, changed in CLAIMS.items():

        def spoil(claims: dict[str, Any], changed: dict[str, Any] = changed) -> None:
            claims.update(changed)
            for name in [name for name, value in claims.items() if value is None]:
                del claims[name]

        with monkeypatch.context() as spoilt:
            spoilt.setattr(door.provider, "spoil", spoil)
            nobody_gets_in(door, what)
    for what, how in SIGNED.items():
        with monkeypatch.context() as spoilt:
            for name, value in how.items():
                spoilt.setattr(door.provider, name, value)
            nobody_gets_in(door, what)
    assert door.log_in().status == 200, "the provider itself was good all the time"


def test_an_answer_counts_once_and_in_the_browser_that_asked(door: Door) -> None:
    for spoil in (
        lambda back: back.replace("state=", "state=0"),
        lambda back: re.sub(r"iss=[^&]*", "iss=https%3A%2F%2Fidp.example", back),
        lambda back: re.sub(r"&iss=[^&]*", "", back),
        lambda back: re.sub(r"code=[^&]*", "code=", back),
        lambda back: back + "&error=access_denied",
    ):
        back = door.come_back()
        assert (door.ask(spoil(back)).status, door.is_in()) == (422, False)
    back = door.come_back()
    assert door.ask(back + "&code=another").status == 400
    mine = dict(door.jar)
    door.jar.clear()
    assert (door.ask(back).status, door.is_in()) == (422, False)  # somebody else's browser
    door.jar.update(mine)
    assert door.ask(back).status == 200
    door.jar.clear()
    door.jar.update(mine)
    assert (door.ask(back).status, door.is_in()) == (422, False)  # the same code again


def test_a_provider_that_is_away_is_said_and_a_new_key_is_found(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.site.line.clock.advance(hours=2)
    with monkeypatch.context() as away:
        away.setattr(door.provider, "answers", 503)
        assert door.ask("/console/oidc/begin").status == 422
    assert door.log_in().status == 200
    monkeypatch.setattr(door.provider, "key", RSAKey.generate_key(2048))
    monkeypatch.setattr(door.provider, "kid", "k2")
    nobody_gets_in(door, "a key that the provider did not have a moment ago: it is not asked again yet")
    door.site.line.clock.advance(minutes=2)
    assert door.log_in().status == 200


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason=WITHOUT_BROWSER)
def test_in_a_browser_it_is_one_press(door: Door) -> None:
    """The strict cookie arrives although another site sent the browser here."""
    door.site.line.clock.advance(hours=2)  # the keys of a moment ago are forgotten
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--disable-gpu"])
        page = browser.new_context(base_url=door.base).new_page()
        page.goto("/console/log-in")
        page.get_by_role("link", name="Log in with your organisation's account").click()
        page.wait_for_url("**/console/")
        assert page.get_by_text("hana, auditor").is_visible()
        browser.close()
