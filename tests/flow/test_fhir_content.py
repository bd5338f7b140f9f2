"""`POST /fhir`: a resource or a Bundle that is no message joins the person's file as a message does; keys, doors and refusals."""

import json
from pathlib import Path
from typing import Any

from adapters.contract import Answer, Arrival
from fhir_profiles import systems
from fhir_profiles.fhir_kinds import AS_MESSAGE, BY_ITSELF
from gateway.clients import add_client
from gateway.store.schema import resource
from tests.builders import METHADONE, adt_a01, adt_a03, fhir_message, medication_request, synthetic_person
from tests.fhir_profiles.fhir_message import golden_pairs
from tests.line import Line, running
from tests.world import check_world

Json = dict[str, Any]
PERSON = synthetic_person(1)
ABOUT = {"identifier": {"system": systems.NHS_NUMBER, "value": PERSON.nhs_number}}
SOURCE = "passing-source"


async def post(
    line: Line,
    content: Json | bytes,
    *,
    key: str | None = None,
    client: str = SOURCE,
    kinds: frozenset[str] = BY_ITSELF,
) -> Answer:
    """One request as `POST /fhir` hands it over."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = await line.gateway.accept(
        Arrival(
            channel="http-fhir",
            client=client,
            body=body,
            content_type="application/fhir+json",
            idempotency_key=key,
            kinds=tuple(sorted(kinds)),
        )
    )
    if answer.status == 202:
        line.accepted.append(body)
        await line.settle()
    return answer


def register(line: Line, name: str = SOURCE, kinds: tuple[str, ...] = ("fhir-resource", "fhir-bundle")) -> None:
    add_client(line.gateway, name=name, kinds=kinds, establishments=("ZFG",))


def prescription(**changes: Any) -> Json:
    made = medication_request(
        METHADONE, resource_id="rx1", authored="2026-01-15", text="40 ml daily", category="discharge"
    )
    return {**made, "subject": ABOUT} | changes


def transaction(*resources: Json, method: str = "PUT", **request: Any) -> Json:
    entries = [
        {
            "fullUrl": f"https://source.example/{each['resourceType']}/{each['id']}",
            "resource": each,
            "request": {
                "method": method,
                "url": f"{each['resourceType']}/{each['id']}" if method == "PUT" else each["resourceType"],
                **request,
            },
        }
        for each in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def outcome(answer: Answer) -> Json:
    found: Json = json.loads(answer.body)["issue"][0]
    return found


async def test_a_single_resource_joins_the_file_of_whom_it_names_and_is_in_the_handover(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        await line.play(adt_a01())
        answer = await post(line, prescription())
        assert answer.status == 202
        assert (line.messages()[1].state, line.messages()[1].kind) == ("released", "fhir-resource")
        assert len({row.person_id for row in line.messages()}) == 1
        await line.play(adt_a03())
        letter = line.neighbours["northfell"].effects[-1].body.decode()
        assert "40 ml daily" in letter
        check_world(line)


async def test_a_transaction_and_a_collection_say_the_same_as_a_message(tmp_path: Path) -> None:
    """The second version of the same resource supersedes the first, whichever Bundle it came in."""
    async with running(tmp_path) as line:
        register(line)
        assert (await post(line, transaction(prescription()))).status == 202
        stopped = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": prescription(status="stopped")}],
        }
        assert (await post(line, stopped)).status == 202
        assert [row.state for row in line.messages()] == ["released", "released"]
        versions = [row.version for row in line.rows(resource, type="MedicationRequest")]
        assert sorted(versions) == [1, 2]
        check_world(line)


async def test_a_document_is_read_for_what_it_holds_and_reaches_who_treats(tmp_path: Path) -> None:
    """A discharge summary: its prescription is asked about as one by itself is, and is in the handover."""
    document = (golden_pairs.FOLDER / "document.message.json").read_bytes()
    async with running(tmp_path) as line:
        register(line)
        await line.play(adt_a01())
        answer = await post(line, document)
        assert answer.status == 202
        assert (line.messages()[1].state, line.messages()[1].kind) == ("released", "fhir-bundle")
        assert len({row.person_id for row in line.messages()}) == 1
        assert {(row.letter, row.recipient_class) for row in line.deliveries()} == {("prescription-copy", "pharmacy")}
        await line.play(adt_a03())
        letter = line.neighbours["northfell"].effects[-1].body.decode()
        assert "40 ml daily, supervised" in letter
        assert (await post(line, document)).headers == answer.headers, "the same document again has the same answer"
        assert len(line.messages()) == 3
        check_world(line)


async def test_two_sources_never_overwrite_each_other(tmp_path: Path) -> None:
    """The same id from another client is another resource: the client is the sender of what names none."""
    async with running(tmp_path) as line:
        register(line)
        register(line, "another-source")
        await post(line, prescription())
        await post(line, prescription(status="stopped"), client="another-source")
        assert [row.version for row in line.rows(resource, type="MedicationRequest")] == [1, 1]
        check_world(line)


async def test_the_key_is_the_clients_and_its_idempotency_key_or_else_the_bytes(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        register(line, "another-source")
        first = await post(line, prescription(), key="k1")
        assert (await post(line, prescription(), key="k1")).headers == first.headers
        reused = await post(line, prescription(status="stopped"), key="k1")
        assert (reused.status, outcome(reused)["code"]) == (409, "duplicate")
        other = await post(line, prescription(status="completed"), key="k1", client="another-source")
        assert other.status == 202
        bare = await post(line, prescription(status="on-hold"))
        assert (await post(line, prescription(status="on-hold"))).headers == bare.headers
        assert len(line.messages(state="released")) == 3
        check_world(line)


async def test_each_content_has_its_door(tmp_path: Path) -> None:
    """A message at POST /fhir is told where to go, and the reverse; neither is kept as received."""
    async with running(tmp_path) as line:
        register(line, kinds=("fhir-message", "fhir-resource", "fhir-bundle"))
        wrong = await post(line, fhir_message())
        assert wrong.status == 422
        assert "$process-message" in outcome(wrong)["details"]["text"]
        other = await post(line, prescription(), kinds=AS_MESSAGE)
        assert other.status == 422
        assert "POST /fhir" in outcome(other)["details"]["text"]
        assert {row.state for row in line.messages()} == {"rejected"}
        check_world(line)


REFUSED: tuple[tuple[Json, str], ...] = (
    (transaction(prescription(), method="DELETE"), "Bundle.entry[0].request.method"),
    (transaction(prescription(), method="PATCH"), "Bundle.entry[0].request.method"),
    (transaction(prescription(), ifMatch='W/"1"'), "Bundle.entry[0].request.ifMatch"),
    (transaction(prescription(), method="POST", ifNoneExist="identifier=1"), "Bundle.entry[0].request.ifNoneExist"),
    (transaction(prescription(), url="MedicationRequest?identifier=1"), "Bundle.entry[0].request.url"),
    (transaction(prescription(), url="MedicationRequest/other"), "Bundle.entry[0].request.url"),
    (
        transaction(prescription(subject={"reference": "Patient?identifier=1"})),
        "Bundle.entry[0].resource.subject.reference",
    ),
    ({**transaction(prescription()), "type": "batch"}, "Bundle.type"),
    ({**transaction(prescription()), "type": "searchset"}, "Bundle.type"),
    ({**transaction(prescription()), "type": "history"}, "Bundle.type"),
    ({"resourceType": "Parameters"}, "Bundle"),
)


async def test_what_is_not_taken_is_refused_at_its_place(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        for content, path in REFUSED:
            answer = await post(line, content)
            assert (answer.status, outcome(answer)["expression"]) == (422, [path])
        assert {row.state for row in line.messages()} == {"rejected"}
        check_world(line)


async def test_sabotage_without_a_door_a_message_would_pass_the_wrong_one(tmp_path: Path) -> None:
    """The test of the doors fails when the way in says no kinds."""
    async with running(tmp_path) as line:
        register(line, kinds=("fhir-message",))
        assert (await post(line, fhir_message(), kinds=frozenset())).status == 202


async def test_a_source_sends_only_what_it_is_registered_for(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line, kinds=("fhir-resource",))
        assert (await post(line, prescription())).status == 202
        assert (await post(line, transaction(prescription()))).status == 403
        check_world(line)


async def test_about_two_people_or_nobody_it_is_held_and_told(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        other = synthetic_person(2)
        elsewhere = prescription(
            id="rx2", subject={"identifier": {"system": systems.NHS_NUMBER, "value": other.nhs_number}}
        )
        await post(line, transaction(prescription(), elsewhere))
        await post(line, prescription(subject={"reference": "Patient/unknown"}))
        assert [row.reason for row in line.messages()] == ["two-people", "no-person"]
        assert {"two-people", "no-person"} <= set(line.told_codes())
        check_world(line)
