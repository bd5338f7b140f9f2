"""The CapabilityStatement is made from the routes and true: what it names answers, what it does not name does not; definitions are served whole."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from fhir_profiles.definitions import DEFINITIONS
from fhir_profiles.examples import EXAMPLES, example
from fhir_profiles.fhir_json import encode
from fhir_profiles.peek_fhir import peek_fhir
from fhir_profiles.shapes import Channel, Envelope, Severity
from fhir_profiles.validate import validate
from gateway.api.capability import SEARCHED_BY, Interaction, capability_statement
from gateway.api.routes import ROUTES
from gateway.steps.acknowledge import Names, fhir_response
from tests.builders import fhir_message
from tests.gateway.api.conftest import Http

OTHERS = ("Patient", "Observation", "CapabilityStatement", "MessageHeader", "CodeSystem", "OperationOutcome")
NO_BODY = {"Content-Type": "application/fhir+json"}


async def stated(http: Http) -> dict[str, Any]:
    status, _, body = await http.ask("GET", "/fhir/metadata")
    assert status == 200
    statement: dict[str, Any] = json.loads(body)
    return statement


def operations(statement: dict[str, Any]) -> set[str]:
    """The paths of every operation that a statement names."""
    rest = statement["rest"][0]
    of_types = {f"/fhir/{one['type']}/${each['name']}" for one in rest["resource"] for each in one.get("operation", ())}
    return of_types | {f"/fhir/${each['name']}" for each in rest["operation"]}


def interactions(statement: dict[str, Any]) -> dict[str, set[str]]:
    return {
        one["type"]: {each["code"] for each in one["interaction"]}
        for one in statement["rest"][0]["resource"]
        if "interaction" in one
    }


async def found(http: Http, path: str) -> tuple[int, Any]:
    status, _, body = await http.ask("GET", path)
    return status, json.loads(body)


async def test_it_is_valid_and_names_the_routes_that_there_are(http: Http) -> None:
    statement = await stated(http)
    assert not [one for one in validate(statement) if one.severity in (Severity.ERROR, Severity.FATAL)]
    assert operations(statement) == {route.path for route in ROUTES if "$" in route.path}
    reads = {route.path.split("/")[2] for route in ROUTES if re.fullmatch(r"/fhir/[A-Z]\w+/\{id\}", route.path)}
    searches = {route.path.split("/")[2] for route in ROUTES if re.fullmatch(r"/fhir/[A-Z]\w+", route.path)}
    assert searches - reads == {"AuditEvent"}
    assert reads - searches == {"Bundle"}
    assert interactions(statement) == {name: {"read", "search-type"} for name in reads} | {
        "AuditEvent": {"search-type"},
        "Bundle": {"read"},
    }
    assert statement["messaging"][0]["reliableCache"] > 1
    assert statement["format"] == ["application/fhir+json"]


async def test_what_it_names_answers_and_nothing_else_does(http: Http) -> None:
    statement = await stated(http)
    for path in operations(statement):
        assert (await http.ask("POST", path, data=b"{}", headers=NO_BODY))[0] == 401, "it is there, and asks who calls"
    assert (await http.ask("GET", "/fhir/AuditEvent"))[0] == 401
    for name, codes in interactions(statement).items():
        if name in ("AuditEvent", "Bundle"):
            continue  # the feed, asked above: who asks has to be registered for it; the examples have a test of their own
        assert codes == {"read", "search-type"}
        status, bundle = await found(http, f"/fhir/{name}")
        assert (status, bundle["total"]) == (200, len(DEFINITIONS[name]))
        assert (await found(http, f"/fhir/{name}/{bundle['entry'][0]['resource']['id']}"))[0] == 200
        for method, path in (("POST", ""), ("PUT", "/notice"), ("DELETE", "/notice"), ("PATCH", "/notice")):
            assert (await http.ask(method, f"/fhir/{name}{path}", data=b"{}", headers=NO_BODY))[0] == 405
        assert (await http.ask("GET", f"/fhir/{name}/x/_history"))[0] == 404
    for name in OTHERS:
        for path in (f"/fhir/{name}", f"/fhir/{name}/1", f"/fhir/{name}?_id=1"):
            assert (await http.ask("GET", path))[0] == 404
    for operation in ("$validate", "Consent/$everything", "Patient/$match"):
        assert (await http.ask("POST", f"/fhir/{operation}", data=b"{}", headers=NO_BODY))[0] in (404, 405)


async def test_what_it_is_searched_by_is_searched_by_and_nothing_else_is(http: Http) -> None:
    for one in (await stated(http))["rest"][0]["resource"]:
        if "searchParam" not in one:
            continue
        assert [each["name"] for each in one["searchParam"]] == ["url"]
        for definition in DEFINITIONS[one["type"]].values():
            _, bundle = await found(http, f"/fhir/{one['type']}?url={quote(definition['url'])}")
            assert [entry["resource"] for entry in bundle["entry"]] == [definition]
        status, nothing = await found(http, f"/fhir/{one['type']}?url=urn:x")
        assert (status, nothing["total"], "entry" in nothing) == (200, 0, False)
        for parameter in ("name", "_id", "url:contains", "_include"):
            assert (await http.ask("GET", f"/fhir/{one['type']}?{parameter}=x"))[0] == 400


async def test_every_definition_that_it_or_another_names_is_served(http: Http) -> None:
    statement = await stated(http)
    everything = json.dumps([statement, [dict(ids) for ids in DEFINITIONS.values()]])
    ours = set(
        re.findall(
            r'"(https://throughgate\.example/(?:\w+Definition|ImplementationGuide|extension)/[^"]+)"', everything
        )
    )
    served = {definition["url"] for ids in DEFINITIONS.values() for definition in ids.values()}
    assert ours == served
    assert {one["definition"] for one in statement["messaging"][0]["supportedMessage"]} <= served
    assert {one["profile"] for one in statement["document"]} <= served


async def test_every_example_that_the_guide_lists_is_served_and_no_other_bundle_is(http: Http) -> None:
    _, guide = await found(http, "/fhir/ImplementationGuide/throughgate")
    listed = [each["reference"]["reference"] for each in guide["definition"]["resource"]]
    examples = [each for each in listed if each.startswith("Bundle/")]
    assert len(examples) == len(EXAMPLES)
    for each in listed:
        assert (await http.ask("GET", f"/fhir/{each}"))[0] == 200
    _, _, body = await http.ask("GET", "/fhir/Bundle/example-engagement")
    assert body == encode(example("example-engagement"))
    for path in (
        "Bundle",
        "Bundle/engagement",
        "Bundle/b6f1d6ad-0c3a-8d6e-9c3b-1f1d5f5a2b11",
        "Bundle?_id=example-engagement",
    ):
        assert (await http.ask("GET", f"/fhir/{path}"))[0] == 404
    assert (await http.ask("PUT", "/fhir/Bundle/example-engagement", data=b"{}", headers=NO_BODY))[0] == 405


async def test_definitions_are_json_only_and_say_nothing_of_what_was_asked(http: Http) -> None:
    path = "/fhir/StructureDefinition/notice"
    assert (await http.ask("GET", path, headers={"Accept": "application/fhir+xml"}))[0] == 406
    status, _, body = await http.ask("GET", "/fhir/StructureDefinition/Zebediah-9990000018")
    assert status == 404
    assert b"Zebediah" not in body


def test_the_response_message_is_the_one_that_is_defined() -> None:
    seen = peek_fhir(Channel(name="x", format="fhir"), fhir_message())
    assert isinstance(seen, Envelope)
    names = Names(accept_id="A" * 20, application_id="B" * 20, time="2026-01-15T12:00:00Z", message_id="C" * 20)
    header = json.loads(fhir_response(seen, names, endpoint="https://x.example/fhir").body)["entry"][0]["resource"]
    assert header["eventUri"] == DEFINITIONS["MessageDefinition"]["response"]["eventUri"]


async def test_sabotage_a_statement_that_says_more_or_less_is_found(http: Http) -> None:
    served = [route.fhir for route in ROUTES if route.fhir is not None]
    settings = http.line.settings
    more = capability_statement(settings, "http://x", [*served, Interaction(code="read", type="Patient")])
    less = capability_statement(settings, "http://x", [one for one in served if one.type != "StructureDefinition"])
    true = interactions(await stated(http))
    assert interactions(more) != true
    assert interactions(less) != true


@pytest.mark.parametrize("interaction", [route.fhir for route in ROUTES if route.fhir is not None], ids=str)
def test_what_a_route_is_searched_by_is_known(interaction: Interaction) -> None:
    assert interaction.parameters <= set(SEARCHED_BY)
