"""Who gets in: a one-time link, a password, a code; five failures lock; a session ends; another site's forms are nobody's."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

from gateway.console import staff, totp
from gateway.console.staff import Role, StaffError, add_staff, end_staff
from gateway.ledger import LedgerEvent
from gateway.settings import Console
from gateway.store.schema import ledger_entry, staff_session
from gateway.store.schema import staff as staff_table
from tests.console.site import PASSWORD, Site, rfc6238

CROWD = 40
"""More than there are threads for the line's own work."""


def entries(site: Site, event: str) -> list[dict[str, object]]:
    """The entries of one word, in order."""
    return [each for row in site.rows(ledger_entry) if (each := json.loads(row.body))["event"] == event]


def test_codes_are_those_of_rfc_6238() -> None:
    """Appendix B, SHA-1, the last six of its eight digits; and the oracle of these tests agrees."""
    secret = b"12345678901234567890"
    table = {
        59: "287082",
        1_111_111_109: "081804",
        1_111_111_111: "050471",
        1_234_567_890: "005924",
        2_000_000_000: "279037",
    }
    assert {at: totp.code_at(secret, at // 30) for at in table} == table
    assert {at: rfc6238(secret, at) for at in table} == table


def test_a_link_is_good_once_and_for_a_quarter_of_an_hour(site: Site) -> None:
    path = site.link("nora", Role.AUDITOR)
    page = site.ask("GET", path)
    assert page.status == 200
    assert totp.base32(site.secrets["nora"]) in page.text
    wrong = (
        {"password": PASSWORD, "again": "another", "code": "000000"},
        {"password": "short", "again": "short", "code": site.code("nora")},
        {"password": PASSWORD, "again": PASSWORD, "code": "12345x"},
    )
    for form in wrong:
        answer = site.ask("POST", path, form)
        assert (answer.status, "set-cookie" in answer.headers) == (422, False), form
    good = {"password": PASSWORD, "again": PASSWORD, "code": site.code("nora")}
    assert site.ask("POST", path, good).status == 303
    assert site.ask("POST", path, {**good, "code": site.code("nora")}).status == 404
    late = site.link("nell", Role.AUDITOR)
    site.line.clock.advance(minutes=14)
    assert site.ask("GET", late).status == 200
    site.line.clock.advance(minutes=2)
    assert site.ask("GET", late).status == 404
    assert site.ask("GET", "/console/begin/nothing").status == 404


def test_whatever_is_wrong_is_one_answer_and_five_times_lock(site: Site) -> None:
    """Even the right password and code are not taken while the account is locked; a used code never is."""
    site.begin("lena", Role.AUDITOR)
    code = site.code("lena")
    right = {"name": "lena", "password": PASSWORD, "code": code}
    assert site.ask("POST", "/console/log-in", right).status == 303
    wrong = [
        right,  # the same code once more
        {**right, "name": "nobody", "code": site.code("lena")},
        {**right, "password": f"{PASSWORD}!", "code": site.code("lena")},
        {**right, "code": ""},
        {"name": "lena", "password": "", "code": site.code("lena")},
        {**right, "code": "abcdef"},
    ]
    texts = {site.ask("POST", "/console/log-in", form).text for form in wrong}
    assert len(texts) == 1
    assert "locked" in texts.pop()
    locked = {**right, "code": site.code("lena")}
    assert site.ask("POST", "/console/log-in", locked).status == 422
    site.line.clock.advance(minutes=15)
    assert site.ask("POST", "/console/log-in", {**right, "code": site.code("lena")}).status == 303
    reasons = [each["facts"]["reason"] for each in entries(site, "access-refused") if "reason" in each["facts"]]  # type: ignore[index, operator]  # facts are an object
    assert reasons[-5:] == ["log-in"] * 4 + ["locked"]


def test_a_session_ends_when_idle_when_old_and_when_its_person_leaves(site: Site) -> None:
    cookie = site.begin("sue", Role.IG_OFFICER)

    def status() -> int:
        return site.ask("GET", "/console/work", Cookie=cookie).status

    assert status() == 200
    for _ in range(3):
        site.line.clock.advance(minutes=10)
        assert status() == 200
    site.line.clock.advance(minutes=16)
    assert status() == 303
    cookie = site.log_in("sue")
    for _ in range(48):
        site.line.clock.advance(minutes=10)
        last = status()
    assert last == 303, "eight hours, however busy"
    cookie = site.log_in("sue")
    assert site.ask("POST", "/console/log-out", {"token": site.token(cookie)}, Cookie=cookie).status == 303
    assert status() == 303
    cookie = site.log_in("sue")
    end_staff(site.line.gateway, "sue")
    assert status() == 303
    with pytest.raises(StaffError):
        end_staff(site.line.gateway, "sue")
    with pytest.raises(StaffError):
        add_staff(site.line.gateway, "sue", Role.IG_OFFICER)


def test_a_new_link_ends_the_password_the_second_factor_and_the_sessions(site: Site) -> None:
    """Whoever lost a telephone gets a new link; who found it gets in no more. A role is not changed by it."""
    cookie = site.begin("rita", Role.OPERATOR)
    old = site.secrets["rita"]
    with pytest.raises(StaffError):
        add_staff(site.line.gateway, "rita", Role.IG_OFFICER)
    site.link("rita", Role.OPERATOR)
    assert site.ask("GET", "/console/", Cookie=cookie).status == 303
    assert site.secrets["rita"] != old
    form = {"name": "rita", "password": PASSWORD, "code": rfc6238(old, site.line.clock().timestamp())}
    assert site.ask("POST", "/console/log-in", form).status == 422


def test_nothing_that_lets_in_is_kept_in_clear(site: Site) -> None:
    """Passwords, links, cookies and secrets of second factors: not in any row, nor in any entry."""
    path = site.link("kim", Role.AUDITOR)
    cookie = site.begin("kit", Role.AUDITOR).partition("=")[2]
    rows = [str(row) for table in (staff_table, staff_session, ledger_entry) for row in site.rows(table)]
    secrets = [
        PASSWORD,
        path.rpartition("/")[2],
        cookie,
        totp.base32(site.secrets["kit"]),
        repr(site.secrets["kit"])[2:-1],
    ]
    assert not [(each, secret) for each in rows for secret in secrets if secret in each]
    assert any("$argon2id$v=19$m=19456,t=2,p=1$" in each for each in rows)


def test_forms_of_another_site_and_without_the_token_do_nothing(site: Site) -> None:
    """The token of another session neither. And a cookie alone logs nobody in from elsewhere."""
    cookie, other = site.begin("tess", Role.AUDITOR), site.begin("tom", Role.AUDITOR)
    token = site.token(cookie)
    out = "/console/log-out"
    assert site.ask("POST", out, {}, Cookie=cookie).status == 403
    assert site.ask("POST", out, {"token": site.token(other)}, Cookie=cookie).status == 403
    for headers in (
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        assert site.ask("POST", out, {"token": token}, Cookie=cookie, **headers).status == 403, headers
        form = {"name": "tess", "password": PASSWORD, "code": site.code("tess")}
        assert site.ask("POST", "/console/log-in", form, **headers).status == 403, headers
    assert site.ask("GET", "/console/", Cookie=cookie).status == 200
    own = {"Origin": site.base, "Sec_Fetch_Site": "same-origin"}
    assert site.ask("POST", out, {"token": token}, Cookie=cookie, **own).status == 303


def test_beyond_this_machine_there_is_nothing_unless_it_is_said(site: Site) -> None:
    cookie = site.cookies["ines"]
    for path in ("/console/", "/console/log-in", "/console/work"):
        assert site.ask("GET", path, Cookie=cookie, X_Forwarded_For="127.0.0.1").status == 404, path
    form = {"name": "ines", "password": PASSWORD, "code": "123456"}
    assert site.ask("POST", "/console/log-in", form, Forwarded="for=192.0.2.1").status == 404
    with said(site, console=Console(beyond_this_machine=True)):
        assert site.ask("GET", "/console/log-in", X_Forwarded_For="192.0.2.1").status == 200


def test_under_https_the_cookie_is_for_this_host_alone(site: Site) -> None:
    """Never for a script, never sent by another site, and over https with the prefix that a browser holds to."""
    site.begin("hana", Role.AUDITOR)
    gateway = site.line.gateway.settings.gateway.model_copy(update={"public_url": "https://throughgate.example"})

    def cookie() -> set[str]:
        form = {"name": "hana", "password": PASSWORD, "code": site.code("hana")}
        return {
            each.strip().lower()
            for each in site.ask("POST", "/console/log-in", form).headers["set-cookie"].split(";")[1:]
        }

    assert cookie() == {"httponly", "path=/", "samesite=strict"}
    with said(site, gateway=gateway):
        assert cookie() == {"httponly", "path=/", "samesite=strict", "secure"}
        assert site.log_in("hana").startswith("__Host-")


@contextmanager
def said(site: Site, **settings: object) -> Iterator[None]:
    """The installation says something else for a while."""
    before = site.line.gateway.settings
    site.line.gateway.settings = before.model_copy(update=settings)
    try:
        yield
    finally:
        site.line.gateway.settings = before


def test_every_log_in_and_out_is_an_entry(site: Site) -> None:
    cookie = site.begin("eva", Role.AUDITOR)
    site.ask("POST", "/console/log-out", {"token": site.token(cookie)}, Cookie=cookie)
    (row,) = site.rows(staff_table, name="eva")
    own = [each["event"] for row_ in site.rows(ledger_entry) if (each := json.loads(row_.body))["chain"] == row.id]
    assert own == ["staff-added", "staff-enrolled", "logged-in", "logged-out"]
    assert set(own) <= {each.value for each in LedgerEvent}
    assert staff.FAILURES == 5


def test_a_crowd_at_the_log_in_keeps_no_letter_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every password that is looked at costs a tenth of a second: here each costs for ever, and the line's own threads are free."""
    full = threading.Semaphore(0)
    monkeypatch.setattr(staff, "_AT_ONCE", full)
    body = urlencode({"name": "nobody", "password": PASSWORD, "code": "000000"}).encode()
    head = f"POST /console/log-in HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with contextlib.ExitStack() as stack:
        stack.callback(full.release, CROWD)
        for _ in range(CROWD):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", site.port)))
            one.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert site.ask("GET", "/console/nowhere").status == 404, "the crowd was read before"

        async def a_letter_s_turn() -> str:
            return await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 5)

        assert site.run(a_letter_s_turn()) == "done"
    assert site.ask("POST", "/console/log-in", {"name": "nobody", "password": PASSWORD, "code": "0"}).status == 422
