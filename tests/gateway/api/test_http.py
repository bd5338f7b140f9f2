"""HTTP intake over real sockets: custody, duplicates, limits while reading, media types, echoes, and errors without content."""

import asyncio
import base64
import gzip
import json
import re
from typing import Any

import pytest
from sqlalchemy import select

from fhir_profiles.shapes import Severity
from fhir_profiles.validate import validate
from gateway.api.access import Access
from gateway.api.documents import SCOPES, smart_configuration
from gateway.api.reading import invalid
from gateway.api.routes import ROUTES
from gateway.errors import Fault, RequestError
from gateway.scopes import requested
from gateway.settings import Answers, ChannelSettings
from gateway.states import MessageState
from gateway.store import StoreUnavailable
from gateway.store.schema import owed_answer
from tests.builders import adt_a01, fhir_message
from tests.gateway.api.conftest import LETTER, Http
from tests.gateway.receive.line import rows, segments

HL7 = {"Content-Type": "application/hl7-v2+er7"}
FHIR = {"Content-Type": "application/fhir+json"}
PROCESS = "/fhir/$process-message"
CANARY = "Zebediah-Canary-9990000018"


async def post_hl7(http: Http, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return await http.ask("POST", "/hl7v2", data=body, headers={**HL7, **http.bearer(), **headers})


async def post_fhir(http: Http, body: bytes, query: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
    return await http.ask("POST", PROCESS + query, data=body, headers={**FHIR, **http.bearer(), **headers})


def issue(body: bytes) -> dict[str, Any]:
    outcome = json.loads(body)
    assert outcome["resourceType"] == "OperationOutcome"
    assert not [one for one in validate(outcome) if one.severity in (Severity.ERROR, Severity.FATAL)]
    first: dict[str, Any] = outcome["issue"][0]
    return first


# HL7 v2


async def test_an_er7_message_gets_its_acknowledgement(http: Http) -> None:
    status, headers, body = await post_hl7(http, adt_a01())
    assert status == 200
    assert headers["content-type"].startswith("application/hl7-v2+er7")
    assert segments(body)["MSA"] == ["MSA", "AA", "A01-1"]
    assert headers["x-message-id"] == rows(http.line.parts)[0].id


@pytest.mark.parametrize(
    "kind",
    ["application/hl7-v2+er7", "text/plain", "text/plain; charset=utf-8", "Application/HL7-v2+ER7;charset=iso-8859-1"],
)
async def test_media_types_of_er7(http: Http, kind: str) -> None:
    assert (await post_hl7(http, adt_a01(), **{"Content-Type": kind}))[0] == 200


async def test_a_duplicate_is_answered_byte_for_byte(http: Http) -> None:
    first = await post_hl7(http, adt_a01())
    again = await post_hl7(http, adt_a01())
    assert again[2] == first[2]
    assert again[1]["x-message-id"] == first[1]["x-message-id"]


async def test_a_reused_id_is_409_and_ar(http: Http) -> None:
    await post_hl7(http, adt_a01())
    status, _, body = await post_hl7(http, adt_a01(at="20260116120000+0000"))
    assert status == 409
    assert segments(body)["MSA"][1] == "AR"
    assert "205^" in body.decode()


# FHIR messages


async def test_a_message_processed_in_time_gets_the_response_message(http: Http) -> None:
    status, headers, body = await post_fhir(http, fhir_message())
    assert status == 200
    assert headers["content-type"].startswith("application/fhir+json")
    response = json.loads(body)
    assert response["type"] == "message"
    header = response["entry"][0]["resource"]
    assert header["response"]["identifier"] == json.loads(fhir_message())["entry"][0]["resource"]["id"]
    assert not [one for one in validate(response) if one.severity in (Severity.ERROR, Severity.FATAL)]
    assert (await post_fhir(http, fhir_message()))[2] == body


@pytest.mark.parametrize("state", [MessageState.RECEIVED, MessageState.HELD, MessageState.PARKED])
async def test_a_message_not_processed_in_time_is_custody(http: Http, state: MessageState) -> None:
    http.line.state = state
    status, _, body = await post_fhir(http, fhir_message())
    assert status == 202
    assert issue(body)["severity"] == "information"
    assert (await post_fhir(http, fhir_message()))[2] == body
    http.line.state = MessageState.RELEASED
    assert (await post_fhir(http, fhir_message()))[0] == 200


@pytest.mark.parametrize("more", [("?async=true", {}), ("", {"Prefer": "respond-async"})])
async def test_async_does_not_wait(http: Http, more: tuple[str, dict[str, str]]) -> None:
    status, _, _ = await post_fhir(http, fhir_message(), more[0], **more[1])
    assert status == 202


@pytest.mark.parametrize("query", ["?response-url=https://attacker.example/", "?async=yes", "?surprise=1", "?_id=1"])
async def test_unknown_and_dangerous_parameters_are_refused(http: Http, query: str) -> None:
    status, _, body = await post_fhir(http, fhir_message(), query)
    assert status == 400
    assert issue(body)["code"] == "invalid"
    assert "attacker" not in body.decode()
    assert http.line.arrivals == []


REGISTERED = "https://ehr.example/answers"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"?async=true&response-url={REGISTERED}", 202),
        (f"?async=true&response-url={REGISTERED}/", 400),
        ("?async=true&response-url=https%3A%2F%2Fattacker.example%2F", 400),
        ("?async=true&response-url=", 400),
        ("?async=true", 202),
    ],
)
async def test_a_response_url_is_the_registered_address_or_refused(http: Http, query: str, status: int) -> None:
    channel = ChannelSettings(
        name="answered",
        adapter="http",
        client="zfg-ehr",
        format="fhir",
        answers=Answers(adapter="fhir_http", adapter_settings={"url": REGISTERED}),
    )
    settings = http.line.settings
    http.line.settings = settings.model_copy(update={"channels": (*settings.channels, channel)})
    http.line.parts.settings = http.line.settings
    said, _, body = await post_fhir(http, fhir_message(), query)
    assert said == status
    assert b"attacker" not in body
    assert [one.answer_later for one in http.line.arrivals] == [True] * (status == 202)
    with http.line.store.read() as c:
        assert len(c.execute(select(owed_answer)).all()) == (status == 202)


async def test_what_is_no_message_is_an_outcome_with_a_place(http: Http) -> None:
    status, _, body = await post_fhir(http, b'{"resourceType":"Bundle","type":"batch","entry":[]}')
    assert status == 422
    assert issue(body)["expression"] == ["Bundle.type"]


# what is not taken


@pytest.mark.parametrize(
    "kind",
    [
        "application/fhir+xml",
        "application/xml",
        "text/xml",
        "application/fhir+json; charset=latin-1",
        "text/plain",
        "",
        "nonsense",
    ],
)
async def test_only_json_is_taken_for_fhir(http: Http, kind: str) -> None:
    status, _, body = await post_fhir(http, b"<Bundle/>", **{"Content-Type": kind})
    assert status == 415
    assert issue(body)["code"] == "not-supported"
    assert http.line.arrivals == []


@pytest.mark.parametrize("kind", ["application/fhir+json", "application/hl7-v2+xml", "application/xml"])
async def test_only_er7_is_taken_for_hl7(http: Http, kind: str) -> None:
    assert (await post_hl7(http, adt_a01(), **{"Content-Type": kind}))[0] == 415


@pytest.mark.parametrize("accept", ["application/fhir+xml", "text/html", "application/xml, text/xml;q=0.5"])
async def test_only_json_is_served(http: Http, accept: str) -> None:
    assert (await post_fhir(http, fhir_message(), Accept=accept))[0] == 406
    assert (await http.ask("GET", "/fhir/metadata", headers={"Accept": accept}))[0] == 406
    assert (await http.ask("GET", "/fhir/metadata?_format=xml"))[0] == 406
    assert (await http.ask("GET", "/fhir/metadata?_format=json"))[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
async def test_compressed_bodies_are_refused(http: Http, encoding: str) -> None:
    bomb = gzip.compress(b"0" * 1_000_000)
    status, _, body = await post_fhir(http, bomb, **{"Content-Encoding": encoding})
    assert status == 415
    assert "Content-Encoding" in issue(body)["details"]["text"]
    assert http.line.arrivals == []


async def test_a_declared_size_beyond_the_limit_is_refused_unread(http: Http) -> None:
    status, headers, body = await post_hl7(http, b"x" * 200_001)
    assert status == 413
    assert headers["connection"] == "close"
    assert issue(body)["code"] == "too-long"


async def test_the_limit_holds_while_reading_a_body_of_no_declared_size(http: Http) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            yield b"x" * 10_000
            sent += 10_000

    try:
        status, _, _ = await http.ask("POST", "/hl7v2", data=endless(), headers={**HL7, **http.bearer()})
        assert status == 413
    except ConnectionError:
        pass
    assert sent < 20_000_000
    assert http.line.arrivals == []


async def test_exactly_the_limit_is_taken(http: Http) -> None:
    body = adt_a01()
    padded = body + b"NTE|1||" + b"x" * (200_000 - len(body) - 8) + b"\r"
    assert len(padded) == 200_000
    assert (await post_hl7(http, padded))[0] == 200
    assert (await post_hl7(http, padded + b"x"))[0] == 413


async def raw(http: Http, request: bytes, seconds: float = 3) -> bytes:
    """Say bytes; answer the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(request)
    async with asyncio.timeout(seconds):
        line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_a_body_that_dribbles_is_408(http: Http) -> None:
    head = f"POST /hl7v2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nAuthorization: Bearer {http.token()}\r\n"
    assert b" 408 " in await raw(http, head.encode() + b"Content-Length: 1000\r\n\r\nMSH|")
    assert http.line.arrivals == []


async def test_a_caller_that_goes_away_leaves_nothing(http: Http) -> None:
    head = f"POST /hl7v2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nAuthorization: Bearer {http.token()}\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(head.encode() + b"Content-Length: 1000\r\n\r\nMSH|")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.1)
    assert http.line.arrivals == []
    assert rows(http.line.parts) == []


@pytest.mark.parametrize("key", ["has space", "x" * 256])
async def test_an_idempotency_key_has_a_form(http: Http, key: str) -> None:
    assert (await post_hl7(http, adt_a01(), **{"Idempotency-Key": key}))[0] == 400
    assert (await post_hl7(http, adt_a01(), **{"Idempotency-Key": "good-1"}))[0] == 200
    assert http.line.arrivals[-1].idempotency_key == "good-1"


# failures


async def test_a_store_that_is_down_is_503_with_retry_after(http: Http) -> None:
    headers = {**FHIR, **http.bearer()}

    class Down:
        async def write_async(self, work: Any) -> Any:
            raise StoreUnavailable("disk full")

    http.line.parts.store = Down()  # type: ignore[assignment]  # sabotage of the store
    status, answered, body = await http.ask("POST", PROCESS, data=fhir_message(), headers=headers)
    assert status == 503
    assert int(answered["retry-after"]) > 0
    assert issue(body)["code"] == "transient"


async def test_an_unexpected_failure_says_nothing_and_logs_its_type_only(
    http: Http, capsys: pytest.CaptureFixture[str]
) -> None:
    http.line.fails = RuntimeError(CANARY)
    status, _, body = await post_hl7(http, adt_a01())
    assert status == 500
    assert issue(body)["code"] == "exception"
    written = "".join(capsys.readouterr())
    assert CANARY not in body.decode() + written
    assert '"error":"RuntimeError"' in written


CANARY_REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/hl7v2", {"data": CANARY, "headers": HL7}),
    ("POST", "/hl7v2", {"data": adt_a01().replace(b"ADT^A01", CANARY.encode()), "headers": HL7}),
    ("POST", "/hl7v2", {"data": adt_a01().partition(b"\rPV1")[0] + b"\rNTE|" + CANARY.encode() + b"\r", "headers": HL7}),
    ("POST", "/hl7v2", {"data": CANARY, "headers": {**HL7, "Content-Type": CANARY}}),
    ("POST", PROCESS, {"data": f'{{"{CANARY}": NaN}}', "headers": FHIR}),
    ("POST", PROCESS, {"data": f'{{"{CANARY}": 1, "{CANARY}": 2}}', "headers": FHIR}),
    ("POST", PROCESS, {"data": f'{{"resourceType": "{CANARY}"}}', "headers": FHIR}),
    ("POST", PROCESS, {"data": json.dumps({"resourceType": "Bundle", "type": CANARY, "id": CANARY}), "headers": FHIR}),
    ("POST", PROCESS + f"?{CANARY}={CANARY}", {"data": "{}", "headers": FHIR}),
    ("POST", PROCESS, {"data": "{}", "headers": {**FHIR, "Content-Encoding": CANARY}}),
    ("POST", PROCESS, {"data": "{}", "headers": {**FHIR, "Accept": CANARY}}),
    ("POST", PROCESS, {"data": "{}", "headers": {**FHIR, "Idempotency-Key": CANARY + " x"}}),
    ("GET", f"/mailbox/{CANARY}", {}),
    ("GET", f"/{CANARY}", {}),
    ("PATCH", f"/mailbox?{CANARY}", {"data": CANARY}),
    ("POST", "/oauth2/token", {"data": f"grant_type={CANARY}&client_id={CANARY}"}),
]  # fmt: skip


@pytest.mark.parametrize("client", [None, "zfg-ehr", "pharmacy"])
async def test_no_error_body_header_or_log_line_holds_what_was_sent(
    http: Http, client: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    bearer = http.bearer(client) if client else {}
    for method, path, more in CANARY_REQUESTS:
        headers = {**more.get("headers", {}), **bearer, "X-Request-ID": CANARY + "!"}
        status, answered, body = await http.ask(method, path, **{**more, "headers": headers})
        assert status >= 400
        shown = body.decode() + str(answered) + "".join(capsys.readouterr())
        assert CANARY not in shown
        assert "9990000018" not in shown


async def test_sabotage_a_text_that_quotes_would_be_seen(http: Http) -> None:
    """The search above finds a canary when an error does quote what was sent."""
    http.line.fails = RequestError(Fault.REQUEST_INVALID, invalid(CANARY))
    _, _, body = await post_hl7(http, adt_a01())
    assert CANARY in body.decode()


# headers


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health/live"), ("GET", "/mailbox"), ("GET", "/none"), ("HEAD", "/mailbox")]
)
async def test_ids_come_back_and_nothing_is_stored_by_a_cache(http: Http, method: str, path: str) -> None:
    ids = {"X-Request-ID": "6a3f0b8e-1111-4c1c-9d5f-222222222222", "X-Correlation-ID": "corr-1"}
    _, headers, _ = await http.ask(method, path, headers=ids)
    assert headers["x-request-id"] == ids["X-Request-ID"]
    assert headers["x-correlation-id"] == "corr-1"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    _, headers, _ = await http.ask(method, path, headers={"X-Request-ID": "a b<script>"})
    assert "x-request-id" not in headers


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("HEAD", "/mailbox", "GET"), ("HEAD", f"/mailbox/{LETTER.delivery_id}", "GET"), ("DELETE", "/mailbox", "GET"), ("GET", "/hl7v2", "POST"),
     ("HEAD", "/health/live", "GET"), ("GET", PROCESS, "POST"), ("POST", f"/mailbox/{LETTER.delivery_id}/acknowledged", "PUT")],
)  # fmt: skip
async def test_another_method_is_405(http: Http, method: str, path: str, allow: str) -> None:
    status, headers, body = await http.ask(method, path, headers=http.bearer("pharmacy"))
    assert (status, headers["allow"]) == (405, allow)
    if method != "HEAD":
        assert issue(body)["code"] == "not-supported"


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/redoc", "/openapi.json", "/fhir/", "/fhir/Patient", "/hl7v2/", "/mailbox/", "/admin"]
)
async def test_nothing_else_is_served(http: Http, path: str) -> None:
    status, _, body = await http.ask("GET", path, headers=http.bearer())
    assert status == 404
    assert issue(body)["code"] == "not-found"


# the mailbox


async def test_a_mailbox_is_listed_opened_and_acknowledged(http: Http) -> None:
    headers = http.bearer("pharmacy")
    _, _, body = await http.ask("GET", "/mailbox", headers=headers)
    assert json.loads(body) == {"letters": [{"id": LETTER.delivery_id, "queued_at": "2026-01-15T12:00:00.000000Z"}]}
    status, answered, body = await http.ask("GET", f"/mailbox/{LETTER.delivery_id}", headers=headers)
    assert (status, answered["content-type"], body) == (200, "application/fhir+json", LETTER.body)
    assert answered["cache-control"] == "no-store"
    status, answered, body = await http.ask("PUT", f"/mailbox/{LETTER.delivery_id}/acknowledged", headers=headers)
    assert (status, body) == (204, b"")
    assert base64.b64decode(answered["ledger-checkpoint"]) == b"origin\n1\nroot\n"
    assert http.line.acknowledged == [LETTER.delivery_id]


@pytest.mark.parametrize(
    "name", ["0" * 20, LETTER.delivery_id.lower(), "x", "..%2F..", LETTER.delivery_id + "A", "%00"]
)
async def test_any_other_letter_is_the_same_404(http: Http, name: str) -> None:
    headers = http.bearer("pharmacy")
    answers = {
        (await http.ask("GET", f"/mailbox/{name}", headers=headers))[2],
        (await http.ask("PUT", f"/mailbox/{name}/acknowledged", headers=headers))[2],
    }
    status, _, body = await http.ask("GET", "/mailbox/" + "1" * 20, headers=headers)
    assert status == 404
    assert answers == {body}


# what it says about itself


async def test_documents_name_only_routes_that_are_served(http: Http) -> None:
    statement = json.loads((await http.ask("GET", "/fhir/metadata"))[2])
    documents = [statement, smart_configuration(http.line.settings)]
    base = f"http://127.0.0.1:{http.line.settings.gateway.http_port}"
    addresses = re.findall(re.escape(base) + r"(/[^\"']*)", json.dumps(documents))
    assert addresses
    assert set(addresses) - {"/fhir"} <= {route.path for route in ROUTES}
    asked_for = {route.permission for route in ROUTES if route.access is Access.CLIENT}
    assert requested(SCOPES) == asked_for


async def test_probes(http: Http) -> None:
    assert (await http.ask("GET", "/health/live"))[0] == 200
    assert (await http.ask("GET", "/health/ready"))[0] == 200
    http.line.is_ready = False
    assert (await http.ask("GET", "/health/ready"))[0] == 503
    assert (await http.ask("GET", "/health/live"))[0] == 200


async def test_many_callers_at_once(http: Http) -> None:
    headers = {**HL7, **http.bearer()}
    bodies = [adt_a01(message_id=f"M-{number}") for number in range(60)]
    answers = await asyncio.gather(*(http.ask("POST", "/hl7v2", data=body, headers=headers) for body in bodies))
    assert [segments(answer[2])["MSA"][1:3] for answer in answers] == [["AA", f"M-{number}"] for number in range(60)]
    assert len(rows(http.line.parts)) == 60
