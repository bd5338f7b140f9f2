"""The token endpoint over HTTP: RFC 6749's words for every error, nothing of what was sent, and a bearer that opens what it says."""

import json
from typing import Any

import pytest

from gateway.clients import end_client
from gateway.smart.keys import add_keys
from tests.builders import adt_a01, fhir_message
from tests.gateway.api.conftest import Http
from tests.gateway.smart.signer import assertion, both_keys, claims, ec_key, form, jwks, public

CANARY = "Zebediah-Canary-9990000018"
HL7 = {"Content-Type": "application/hl7-v2+er7"}
FHIR = {"Content-Type": "application/fhir+json"}


@pytest.fixture
def keyed(http: Http) -> Http:
    add_keys(http.line.parts, "zfg-ehr", both_keys())
    add_keys(http.line.parts, "pharmacy", jwks(public(ec_key(), "key-1")))
    return http


async def token(http: Http, **more: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    status, headers, body = await http.ask("POST", "/oauth2/token", **more)
    return status, headers, json.loads(body)


async def bearer(http: Http, scope: str, number: int, client: str = "zfg-ehr") -> dict[str, str]:
    signed = assertion(jti=f"a-jti-of-its-own-{number}", iss=client, sub=client)
    status, _, answer = await token(http, data=form(signed, scope))
    assert status == 200
    return {"Authorization": f"Bearer {answer['access_token']}"}


async def test_an_assertion_becomes_a_bearer_that_sends(keyed: Http) -> None:
    status, headers, answer = await token(keyed, data=form(assertion()))
    assert status == 200
    assert headers["cache-control"] == "no-store"
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 300)
    assert answer["scope"] == "system/Binary.c system/Bundle.c"
    sent = {"Authorization": f"Bearer {answer['access_token']}"}
    assert (await keyed.ask("POST", "/hl7v2", data=adt_a01(), headers={**HL7, **sent}))[0] == 200
    keyed.line.store.write(lambda c: end_client(c, keyed.line.parts, "zfg-ehr"))
    assert (await keyed.ask("POST", "/hl7v2", data=adt_a01(), headers={**HL7, **sent}))[0] == 401


async def test_a_bearer_does_what_its_scope_says_and_no_more(keyed: Http) -> None:
    only_fhir = await bearer(keyed, "system/Bundle.c", 1)
    process = "/fhir/$process-message"
    assert (await keyed.ask("POST", process, data=fhir_message(), headers={**FHIR, **only_fhir}))[0] == 200
    status, headers, _ = await keyed.ask("POST", "/hl7v2", data=adt_a01(), headers={**HL7, **only_fhir})
    assert status == 403
    assert 'error="insufficient_scope", scope="system/Binary.c"' in headers["www-authenticate"]
    only_list = await bearer(keyed, "system/Bundle.s", 2, "pharmacy")
    assert (await keyed.ask("GET", "/mailbox", headers=only_list))[0] == 200
    assert (await keyed.ask("GET", "/mailbox/0123456789ABCDEFGHJK", headers=only_list))[0] == 403


GOOD = form("x")
ERRORS: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({}, 400, "invalid_request"),
    "no grant type": ({"data": {**GOOD, "grant_type": ""}}, 400, "invalid_request"),
    "another grant": ({"data": {**GOOD, "grant_type": "authorization_code"}}, 400, "unsupported_grant_type"),
    "password": ({"data": {"grant_type": "password"}}, 400, "unsupported_grant_type"),
    "no assertion": ({"data": {"grant_type": "client_credentials"}}, 400, "invalid_request"),
    "another assertion type": ({"data": {**GOOD, "client_assertion_type": "saml"}}, 400, "invalid_request"),
    "a secret beside it": ({"data": {**GOOD, "client_secret": "s"}}, 400, "invalid_request"),
    "a field twice": ({"data": [*GOOD.items(), ("scope", "system/*.cruds")]}, 400, "invalid_request"),
    "basic beside it": ({"data": GOOD, "headers": {"Authorization": "Basic eDp5"}}, 400, "invalid_request"),
    "JSON": ({"json": GOOD}, 400, "invalid_request"),
    "compressed": ({"data": GOOD, "headers": {"Content-Encoding": "gzip"}}, 400, "invalid_request"),
    "too large": ({"data": {**GOOD, "x": "y" * 20_000}}, 413, "invalid_request"),
    "many fields": ({"data": [(f"f{number}", "1") for number in range(30)]}, 400, "invalid_request"),
    "not a form": (
        {"data": "nonsense", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        400,
        "invalid_request",
    ),
    "no signature": ({"data": GOOD}, 401, "invalid_client"),
    "canaries": (
        {"data": {**GOOD, "scope": CANARY, "client_assertion": CANARY, "client_id": CANARY}},
        401,
        "invalid_client",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_is_a_word_and_a_fixed_sentence(
    keyed: Http, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more, status, word = ERRORS[name]
    found, headers, answer = await token(keyed, **more)
    assert (found, answer["error"]) == (status, word)
    assert set(answer) == {"error", "error_description"}
    assert headers["cache-control"] == "no-store"
    assert CANARY not in json.dumps(answer) + str(headers) + "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "scope", ["", "system/Patient.r", "system/Bundle.read", "openid", "system/Bundle.c  system/Binary.c"]
)
async def test_a_scope_that_is_not_registered_or_not_one_is_invalid(keyed: Http, scope: str) -> None:
    status, _, answer = await token(keyed, data=form(assertion(), scope))
    assert (status, answer["error"]) == (400, "invalid_scope")


async def test_every_bad_assertion_has_the_same_answer_and_its_own_reason_in_the_log(
    keyed: Http, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, reasons = set(), set()
    for more in (
        {"sub": "nobody"},
        {"iss": "nobody", "sub": "nobody"},
        {"exp": 1},
        {"aud": "https://other.example"},
        {"jti": "x"},
    ):
        status, _, answer = await token(keyed, data=form(assertion(**more)))
        answers.add((status, json.dumps(answer)))
        reasons.add(json.loads(capsys.readouterr().err.splitlines()[-1])["reason"])
    assert len(answers) == 1
    assert reasons == {"subject", "client-unknown", "expired", "audience", "jti"}
    assert await token(keyed, data=form(assertion()))
    status, _, answer = await token(keyed, data=form(assertion()))
    assert (status, json.dumps(answer)) in answers
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["reason"] == "replayed"


@pytest.mark.parametrize("path", ["/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"])
async def test_the_smart_document_says_what_is_so(keyed: Http, path: str) -> None:
    _, _, body = await keyed.ask("GET", path)
    document = json.loads(body)
    assert document["grant_types_supported"] == ["client_credentials"]
    assert document["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
    assert document["issuer"] == claims()["aud"]
    signed = assertion(aud=document["token_endpoint"])
    status, _, _ = await token(keyed, data=form(signed, " ".join(document["scopes_supported"])))
    assert status == 200
