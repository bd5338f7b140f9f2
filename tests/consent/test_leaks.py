"""The leak sites of consent.md section 4, each with a canary in it, for every resource type of every letter and every recipient.

A site is planted in eight spellings at once. Positive control first: every canary must stand in the letter before minimisation, or the test is void.
What a recipient may have as free text is not a leak and is listed in its agreement; everything else here never leaves, to anybody.
"""

import base64
import copy
import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from consent.minimise import NothingLeaves, minimise
from consent.paths import compile_paths, permits
from tests.consent.letters import ABOUT_NOBODY, LETTERS, bundle, send
from tests.consent.made import NAMING, agreement, ask, patient, resource

Json = dict[str, Any]
CANARY = "Canaryé9990000018"
SPELLINGS = (
    CANARY,
    CANARY.upper(),
    CANARY[::-1],
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
    CANARY.encode().hex(),
    urllib.parse.quote(CANARY),
    "".join(f"&#{ord(letter)};" for letter in CANARY),
    ".".join(CANARY),
)
PLANTED = " ".join(SPELLINGS)
URL = f"https://{CANARY}.example/x"


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def everywhere(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for item in list(value.values()):
            yield from everywhere(item)
    elif isinstance(value, list):
        for item in value:
            yield from everywhere(item)


def on_resource(key: str, planted: Any) -> Callable[[Json], None]:
    def plant(item: Json) -> None:
        item[key] = copy.deepcopy(planted)

    return plant


def on_meta(key: str, planted: Any) -> Callable[[Json], None]:
    def plant(item: Json) -> None:
        item["meta"] = {**item["meta"], key: copy.deepcopy(planted)}

    return plant


def on_every(chosen: Callable[[Json], bool], key: str, planted: Any) -> Callable[[Json], None]:
    def plant(item: Json) -> None:
        for held in list(everywhere(item)):
            if chosen(held) and key not in held:
                held[key] = copy.deepcopy(planted)

    return plant


def is_coding(held: Json) -> bool:
    return "system" in held and "code" in held


def is_concept(held: Json) -> bool:
    return "coding" in held


def is_reference(held: Json) -> bool:
    return isinstance(held.get("reference"), str)


def is_identifier(held: Json) -> bool:
    return "system" in held and "value" in held and "code" not in held


def is_quantity(held: Json) -> bool:
    return "value" in held and "unit" in held


def is_annotation(held: Json) -> bool:
    return set(held) == {"text"}


def primitives(item: Json) -> None:
    for held in list(everywhere(item)):
        for key in [key for key, value in held.items() if isinstance(value, str) and not key.startswith("_")]:
            held[f"_{key}"] = {"id": PLANTED, "extension": [{"url": URL, "valueString": PLANTED}]}


def references_to(written: str) -> Callable[[Json], None]:
    def plant(item: Json) -> None:
        for held in everywhere(item):
            if is_reference(held):
                held["reference"] = written

    return plant


NARRATIVE = {
    "status": "generated",
    "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><!-- {PLANTED} --><p style="x:{CANARY}">{PLANTED}</p></div>',
}
EXTENSION = [
    {"url": URL, "valueString": PLANTED},
    {"url": "urn:known", "extension": [{"url": "x", "valueReference": {"display": PLANTED}}]},
]
ATTACHMENT = {"data": PLANTED, "url": URL, "title": PLANTED, "hash": PLANTED, "creation": PLANTED}

SITES: dict[str, Callable[[Json], None]] = {
    # F1 to F8
    "F2 meta.source": on_meta("source", URL),
    "F3 meta.tag": on_meta("tag", [{"system": URL, "code": PLANTED, "display": PLANTED}]),
    "F4 meta.profile": on_meta("profile", [URL]),
    "F5 meta.versionId": on_meta("versionId", PLANTED),
    "F5 meta.lastUpdated": on_meta("lastUpdated", PLANTED),
    "F8 language": on_resource("language", PLANTED),
    # F9 to F16
    "F9 narrative": on_resource("text", NARRATIVE),
    "F11 contained": on_resource(
        "contained",
        [{"resourceType": "Patient", "id": PLANTED, "name": [{"family": PLANTED}], "contained": [{"id": PLANTED}]}],
    ),
    "F12 extension": on_resource("extension", EXTENSION),
    "F12 extension everywhere": on_every(
        lambda held: "resourceType" not in held and "extension" not in held, "extension", EXTENSION
    ),
    "F14 primitive extensions": primitives,
    "F16 element id": on_every(lambda held: "resourceType" not in held, "id", PLANTED),
    # F17 to F25
    "F18 reference.identifier": on_every(is_reference, "identifier", {"system": URL, "value": PLANTED}),
    "F20 reference.type": on_every(is_reference, "type", PLANTED),
    "F21 absolute reference": references_to(f"{URL}/Patient/{CANARY}"),
    "F22 reference to a version": references_to(f"Patient/{CANARY}/_history/{CANARY}"),
    "F23 conditional reference": references_to(f"Patient?identifier={CANARY}"),
    "F24 urn of an identity": references_to(f"urn:uuid:{CANARY}"),
    "F17 reference to something else": references_to(f"Observation/{CANARY}"),
    # F26 to F36
    "F26 assigner": on_every(is_identifier, "assigner", {"display": PLANTED, "identifier": {"value": PLANTED}}),
    "F36 attachment": on_resource("presentedForm", [ATTACHMENT]),
    "F36 photo": on_resource("photo", [ATTACHMENT]),
    "F36 content": on_resource("content", [{"attachment": ATTACHMENT}]),
    "F31 annotation author": on_every(is_annotation, "authorString", PLANTED),
    "F31 annotation author reference": on_every(
        is_annotation, "authorReference", {"display": PLANTED, "reference": f"Practitioner/{CANARY}"}
    ),
    "F32 valueString in a component": on_resource("derivedFrom", [{"display": PLANTED}]),
    "F32 device": on_resource("device", {"display": PLANTED, "reference": f"Device/{CANARY}"}),
    "F32 specimen": on_resource("specimen", {"display": PLANTED}),
    "F33 reference range text": on_resource("referenceRange", [{"text": PLANTED}]),
    "F35 quantity with a note": on_every(is_quantity, "comment", PLANTED),
    "F38 signature": on_resource("signature", [{"data": PLANTED, "who": {"display": PLANTED}}]),
    "F39 sampled data": on_resource("valueSampledData", {"data": PLANTED}),
    "F29 chosen by the user": on_every(is_coding, "userSelected", PLANTED),
    # F37, F41 to F53: who, where, and what it hangs on
    "F37 master identifier": on_resource("masterIdentifier", {"system": URL, "value": PLANTED}),
    "F37 context": on_resource(
        "context", {"sourcePatientInfo": {"display": PLANTED}, "related": [{"display": PLANTED}]}
    ),
    "F45 the paper of a consent": on_resource("sourceAttachment", ATTACHMENT),
    "F46 target and entity": on_resource("target", [{"display": PLANTED}]),
    "F47 query": on_resource("entity", [{"query": PLANTED, "detail": [{"type": PLANTED, "valueString": PLANTED}]}]),
    "F49 members and their number": on_resource("member", [{"entity": {"display": PLANTED}}]),
    "F52 collection": on_resource("collection", {"collectedDateTime": PLANTED, "collector": {"display": PLANTED}}),
    "F53 serial number": on_resource("serialNumber", PLANTED),
    "F58 diagnostics": on_resource(
        "issue", [{"diagnostics": PLANTED, "expression": [PLANTED], "details": {"text": PLANTED}}]
    ),
    "F41 performer of the supply": on_resource("performer", [{"display": PLANTED, "actor": {"display": PLANTED}}]),
    "F42 events": on_resource("eventHistory", [{"display": PLANTED}]),
    "F43 care team": on_resource("careTeam", [{"display": PLANTED}]),
    "F46 supporting information": on_resource("supportingInformation", [{"display": PLANTED}]),
    "F50 encounter": on_resource("encounter", {"display": PLANTED, "reference": f"Encounter/{CANARY}"}),
    "F51 location": on_resource("location", [{"location": {"display": PLANTED}, "display": PLANTED}]),
    "F53 recorder": on_resource("recorder", {"display": PLANTED}),
    "F54 endpoint": on_resource("endpoint", [{"display": PLANTED, "reference": f"Endpoint/{CANARY}"}]),
    # F55: what is on a Patient and no agreement names
    "F55 contact": on_resource(
        "contact", [{"name": {"family": PLANTED}, "telecom": [{"value": PLANTED}], "address": {"text": PLANTED}}]
    ),
    "F55 link": on_resource("link", [{"other": {"display": PLANTED, "identifier": {"value": PLANTED}}}]),
    "F55 marital status": on_resource("maritalStatus", {"text": PLANTED}),
    "F55 managing organisation": on_resource("managingOrganization", {"display": PLANTED}),
    "F55 multiple birth": on_resource("multipleBirthInteger", PLANTED),
    # what no standard knows
    "an unknown element": on_resource("wingAndCell", PLANTED),
    "an unknown element with structure": on_resource("notes", [{"text": PLANTED, "deep": [{"er": PLANTED}]}]),
    "recipient": on_resource("recipient", [{"display": PLANTED}]),
    "insurance": on_resource("insurance", [{"display": PLANTED}]),
}


def found(text: str) -> list[str]:
    return [spelling for spelling in SPELLINGS if spelling in text]


ASKED_OF = {("referral", "F41 performer of the supply", "ServiceRequest")}
"""Of whom a referral asks is what it says, and what its recipient must have (tests/consent/test_must_have.py)."""


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_no_canary_leaves(name: str) -> None:
    """Every site in every resource of a letter, one letter each."""
    probes = 0
    for index, original in enumerate(LETTERS[name]):
        for site, plant in SITES.items():
            resources = [*LETTERS[name]]
            resources[index] = copy.deepcopy(original)
            plant(resources[index])
            if resources[index] == original or (name, site, original["resourceType"]) in ASKED_OF:
                continue  # this resource has no such place
            assert found(dumps(resources[index])), f"void: {site} in {original['resourceType']} was not planted"
            try:
                released = send(bundle(*resources), name)
            except NothingLeaves:
                continue
            assert not found(dumps(released.bundle)), f"{site} of {original['resourceType']} left in {name}"
            assert not found(dumps([vars(item) for item in released.withheld])), (
                f"{site} stands in the list of what was withheld"
            )
            probes += len(SPELLINGS)
    assert probes > 100 * len(LETTERS[name])


def plant_at(item: Json, path: str) -> bool:
    """Put the canary into a text element at a path, in a copy of the structure that is there."""
    *way, last = path.split(".")[1:]
    places: list[Any] = [item]
    for step in way:
        below: list[Any] = []
        for place in places:
            value = place.get(step) if isinstance(place, dict) else None
            below += value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        places = below
    for place in places:
        place[last] = PLANTED
    return bool(places)


def text_places(item: Json, path: str) -> Iterator[str]:
    """Everywhere that a display or a text could stand in this resource."""
    for key, value in item.items():
        for held in value if isinstance(value, list) else [value]:
            if isinstance(held, dict):
                below = f"{path}.{key}"
                if is_coding(held) or is_reference(held):
                    yield f"{below}.display"
                elif key != "meta":
                    yield f"{below}.text"
                yield from text_places(held, below)


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_words_leave_only_where_the_agreement_lists_them(name: str) -> None:
    """Displays and texts: each possible place, against the list of the agreement (F19, F27, F28, F31, F40, F43, F48)."""
    root = compile_paths(tuple(item.path for item in agreement(name).fields))
    leaves = stays = 0
    for index, original in enumerate(LETTERS[name]):
        for path in sorted(set(text_places(original, original["resourceType"]))):
            resources = [*LETTERS[name]]
            resources[index] = copy.deepcopy(original)
            assert plant_at(resources[index], path), path
            assert found(dumps(resources[index])), path
            left = bool(found(dumps(send(bundle(*resources), name).bundle)))
            assert left == permits(root, path), path
            leaves, stays = leaves + left, stays + (not left)
    assert stays >= 3
    assert name == "correction" or name.endswith("notice-of-withdrawal") or leaves >= 1


NO_FREE_TEXT = {
    "MeasureReport.group.code.text",
    "MeasureReport.group.stratifier.code.text",
    "MeasureReport.group.stratifier.stratum.value.text",
    "Organization.name",
}


@pytest.mark.parametrize("name", sorted(ABOUT_NOBODY))
def test_nobody_but_care_gets_free_text(name: str) -> None:
    """The words in a report are those of disclosure control and the name of the establishment; nothing that a clinician typed."""
    fields = {item.path for item in agreement(name).fields}
    words = {
        path
        for path in fields
        if path.rsplit(".", 1)[-1] in ("text", "display", "name", "title", "description", "contentString")
    }
    assert words == NO_FREE_TEXT


ELSEWHERE = [
    "Encounter",
    "Consent",
    "Provenance",
    "AuditEvent",
    "RelatedPerson",
    "Location",
    "DocumentReference",
    "List",
    "Group",
    "Specimen",
    "Device",
    "Binary",
    "Immunization",
    "Procedure",
    "Coverage",
]


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("name", sorted(LETTERS))
def test_a_type_that_the_agreement_does_not_name_does_not_leave(name: str, kind: str) -> None:
    """F44 to F53: a consent tells what it conceals, a location the wing; even with a vote they stay."""
    extra = resource(
        kind, "extra", ["N"], title=PLANTED, description=PLANTED, status="active", provision={"display": PLANTED}
    )
    extra.pop("subject")
    composed = bundle(*copy.deepcopy(LETTERS[name]), extra)
    if name in ABOUT_NOBODY:  # about nobody: such a letter is not even decided as a report
        with pytest.raises(NothingLeaves):
            send(composed, name)
        return
    if kind in {
        item.path.partition(".")[0] for item in agreement(name).fields
    }:  # it has its place: what stands in it is planted above
        assert not found(dumps(send(composed, name).bundle).replace('"active"', ""))
        return
    released = send(composed, name).bundle
    assert kind not in {entry["resource"]["resourceType"] for entry in released["entry"]}
    assert not found(dumps(released))


BUNDLE_SITES: dict[str, Json] = {
    "B3 total": {"total": 7, "note": PLANTED},
    "B4 link": {"link": [{"relation": "self", "url": f"{URL}?identifier={CANARY}"}]},
    "B8 identifier": {"identifier": {"system": URL, "value": PLANTED}},
    "B8 timestamp": {"timestamp": PLANTED},
    "B8 signature": {"signature": {"data": PLANTED, "who": {"display": PLANTED}}},
    "meta": {"meta": {"source": URL, "tag": [{"code": PLANTED}]}},
    "id": {"id": PLANTED},
}
ENTRY_SITES: dict[str, Json] = {
    "B1 fullUrl": {"fullUrl": f"{URL}/Patient/{CANARY}"},
    "B5 search": {"search": {"mode": PLANTED}},
    "B6 request": {"request": {"method": "PUT", "url": f"Patient?identifier={CANARY}", "ifMatch": PLANTED}},
    "B7 response": {"response": {"location": URL, "etag": PLANTED, "outcome": {"text": PLANTED}}},
    "link": {"link": [{"url": URL}]},
    "extension": {"extension": EXTENSION},
}


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_nothing_around_the_resources_leaves(name: str) -> None:
    for site, planted in BUNDLE_SITES.items():
        composed = {**bundle(*copy.deepcopy(LETTERS[name])), **planted}
        assert found(dumps(composed)), site
        assert not found(dumps(send(composed, name).bundle)), site
    for site, planted in ENTRY_SITES.items():
        composed = bundle(*copy.deepcopy(LETTERS[name]))
        for entry in composed["entry"]:
            entry.update(planted)
        assert found(dumps(composed)), site
        assert not found(dumps(send(composed, name).bundle)), site


@pytest.mark.parametrize("kind", sorted({item["resourceType"] for item in LETTERS["handover"]}))
def test_a_sender_id_that_is_an_identity_does_not_leave(kind: str) -> None:
    """F1, B1: an NHS number or a name slug as Resource.id, and every reference to it."""
    composed = json.loads(dumps(bundle(*LETTERS["handover"])))
    for entry in composed["entry"]:
        item = entry["resource"]
        if item["resourceType"] == kind:
            old = f"{kind}/{item['id']}"
            text = dumps(composed).replace(f'"{old}"', f'"{kind}/{CANARY}"')
            composed = json.loads(text)
            next(
                held["resource"]
                for held in composed["entry"]
                if f"{held['resource']['resourceType']}/{held['resource']['id']}" == old
            )["id"] = CANARY
            break
    assert found(dumps(composed))
    assert not found(dumps(send(composed, "handover").bundle))


def test_a_modifier_or_an_implicit_rule_keeps_the_resource_back() -> None:
    for key, planted in (("modifierExtension", EXTENSION), ("implicitRules", URL)):
        more: dict[str, Any] = {key: planted}
        one = resource("Flag", "odd", status="active", **more)
        released = send(bundle(patient(active=True), resource(status="final"), one), "handover")
        assert "Flag" not in {entry["resource"]["resourceType"] for entry in released.bundle["entry"]}


def test_labels_do_not_leave() -> None:
    """F6: a label tells the secret that it guards."""
    for name, resources in LETTERS.items():
        assert "SUD" in dumps(resources) or name in ABOUT_NOBODY
        assert '"security"' not in dumps(send(bundle(*copy.deepcopy(resources)), name).bundle)


def test_errors_quote_nothing() -> None:
    composed = bundle({**patient(), "name": [{"family": CANARY}]})
    decision = ask(under="report", resources=[entry["resource"] for entry in composed["entry"]])
    with pytest.raises(NothingLeaves) as told:
        minimise(composed, decision, NAMING)
    assert not found(str(told.value))


def test_the_matrix_can_fail() -> None:
    """Sabotage: an agreement that permits a site lets its canary out, and the scanner sees it in every spelling."""
    for spelling in SPELLINGS:
        assert found(f"... {spelling} ...") == [spelling]
    person = {**patient(active=True), "maritalStatus": {"text": PLANTED}}
    composed = bundle(person, resource(status="final"))
    decision = ask(resources=[person, composed["entry"][1]["resource"]])
    assert not found(dumps(minimise(composed, decision, NAMING).bundle))
    wider = type(decision)(**{**vars(decision), "permitted": (*decision.permitted, "Patient.maritalStatus.text")})
    assert len(found(dumps(minimise(composed, wider, NAMING).bundle))) == len(SPELLINGS)
