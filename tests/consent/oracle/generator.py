"""Questions from a seed: small vocabularies, so that elements meet, and every edge of a period has an `as_of` on either side of it.

It MUST NOT look at what either reader answers, and it holds synthetic things only.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

from tests.consent.oracle.oracle import Question, span

Json = dict[str, Any]
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
TYPES = "http://hl7.org/fhir/resource-types"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"
CANONICAL = "urn:ietf:rfc:3986"
CLASS = "https://throughgate.example/code/recipient-class"
PROFILES = ("urn:example:profile-one", "urn:example:profile-two")
SNOMED = "http://snomed.info/sct"
KINDS = ("Observation", "MedicationRequest", "DocumentReference")
CODES = ("1000", "1001", "1002", "1003", "9999")
SENSITIVE = ("SUD", "OPIOIDUD", "HIV", "PSY", "ODDLABEL")
BELOW = {("1000", "1001"), ("SUD", "OPIOIDUD")}
NOT_KNOWN = {("1000", "1002")}
STRANGE = {"9999", "ODDLABEL"}
MOMENTS = (
    "2026-01-15T12:00:00Z",
    "2026-01-15T11:59:59Z",
    "2026-01-15T12:00:01Z",
    "2026-01-15T00:00:00Z",
    "2026-01-14T23:59:59Z",
    "2026-06-30T22:59:59Z",
    "2026-06-30T23:00:00Z",
    "2026-06-29T23:00:00Z",
    "2026-12-31T23:59:59+00:00",
    "2027-01-01T00:00:00+00:00",
    "2026-03-01T01:00:00+02:00",
    "2026-02-28T23:59:59Z",
)
DATES = (
    "2026",
    "2025",
    "2026-01",
    "2026-02",
    "2026-06",
    "2026-01-15",
    "2026-01-14",
    "2026-06-30",
    "2026-07-01",
    "2026-01-15T12:00:00Z",
    "2026-01-15T14:00:00+02:00",
)


def _organization(name: str, ods: str) -> Json:
    return {"resourceType": "Organization", "id": name, "identifier": [{"system": ODS, "value": ods}]}


def _group(name: str, *members: Json) -> Json:
    return {"resourceType": "Group", "id": name, "type": "practitioner", "actual": True, "member": list(members)}


def _team(name: str, status: str, *members: str) -> Json:
    people = [{"member": {"reference": one}} for one in members]
    return {"resourceType": "CareTeam", "id": name, "status": status, "participant": people}


def _member(reference: str, **more: Any) -> Json:
    return {"entity": {"reference": reference}, **more}


DIRECTORY = (
    _organization("us", "RXA01"),
    _organization("them", "RXA02"),
    _group("ours", _member("Organization/them"), _member("Organization/us")),
    _group("theirs", _member("Organization/them"), _member("Organization/us", inactive=True)),
    _group("gone", _member("Organization/them"), _member("Organization/nowhere")),
    _group("around", _member("Group/ours")),
    _group("spring", _member("Organization/us", period={"start": "2026-01-15", "end": "2026-06-30"})),
)
ACTORS = (
    *({"identifier": {"system": ODS, "value": value}} for value in ("RXA01", "RXA01", "RXA02")),
    *({"reference": f"{item['resourceType']}/{item['id']}"} for item in DIRECTORY),
    {"reference": "Organization/missing"},
)


def table() -> Mapping[tuple[str, str], bool]:
    """What the terminology files answer; a pair that is left out is unknown."""
    answers = {}
    for system, names in ((SNOMED, CODES), (ACT, SENSITIVE)):
        for one in names:
            for other in names:
                if one != other and (one, other) not in NOT_KNOWN and not {one, other} & STRANGE:
                    answers[f"{system}|{one}", f"{system}|{other}"] = (one, other) in BELOW
    return answers


TABLE = table()


def question(seed: int, *, wide: bool = False, odd: bool = False, unread: bool = False) -> Question:
    """One question; the same seed gives the same question. `wide` adds more of R4 to it, `odd` what R4 allows and few write, `unread` content of
    which nobody knows what it is about.
    """
    asked = _plain(seed)
    asked = _widened(asked, Random(f"wide {seed}")) if wide or odd else asked
    asked = _odd(asked, Random(f"odd {seed}")) if odd else asked
    return _unread(asked, Random(f"unread {seed}")) if unread else asked


def _plain(seed: int) -> Question:
    random = Random(seed)
    resources = ({"resourceType": "Patient", "id": "patient", "meta": {"security": [_label("N")]}}, *_letter(random))
    count = random.choice((0, 1, 1, 1, 1, 1, 2, 2, 3)) if seed % 50 else 0
    consents = tuple(_consent(random, number) for number in range(count))
    withdrawn = frozenset(
        number for number, item in enumerate(consents) if item["status"] == "inactive" and random.random() < 0.5
    )
    return Question(
        recipient=frozenset({(ODS, "RXA01")}),
        recipient_class="gp",
        roles=random.choice(((), ("PROV",))),
        purposes=random.choice((("TREAT",), ("TREAT",), ("ETREAT",), ("BTG",), ("HRESCH",), ("TREAT", "HRESCH"))),
        action="disclose",
        as_of=datetime.fromisoformat(random.choice(MOMENTS)),
        default=random.choice(("permit", "deny")),
        resources=resources,
        consents=consents,
        withdrawn=withdrawn,
        directory={f"{item['resourceType']}/{item['id']}": item for item in DIRECTORY},
        subsumes=TABLE,
    )


WHOLE = {"reference": "Organization/trust"}
WIDE_DIRECTORY = (
    {**_organization("us", "RXA01"), "partOf": WHOLE},
    {**_organization("trust", "RXA09"), "partOf": {"reference": "Organization/system"}},
    _organization("system", "RXA10"),
    {**_group("closed", _member("Organization/us")), "active": False},
    _team("team", "active", "Organization/them", "Organization/us"),
    _team("theirs", "active", "Organization/them"),
    _team("stopped", "suspended", "Organization/us"),
    {**_team("spring", "active", "Organization/us"), "period": {"start": "2026-01-15", "end": "2026-06-30"}},
    _team("trusted", "active", "Organization/trust"),
)
WIDE_ACTORS = (
    *({"reference": f"{item['resourceType']}/{item['id']}"} for item in WIDE_DIRECTORY),
    *({"identifier": {"system": ODS, "value": value}} for value in ("RXA09", "RXA10")),
)


def _widened(asked: Question, random: Random) -> Question:
    """The same question with what R4 has besides: sources that may only narrow, categories, profiles and documents, teams and wholes,
    consents that say what nobody understands, and consents that carry the names of two.
    """
    directory = {**asked.directory, **{f"{item['resourceType']}/{item['id']}": item for item in WIDE_DIRECTORY}}
    resources = [_resource_widened(random, item) for item in asked.resources]
    if random.random() < 0.4:
        document = {"resourceType": "Composition", "id": "letter", "subject": {"reference": "Patient/patient"}}
        resources.append(
            {
                **document,
                "meta": {"security": [_label("R")]},
                "type": _concept(random.choice(CODES)),
                "date": random.choice(DATES),
                "author": [{"reference": "Organization/us"}],
            }
        )
    return replace(
        asked,
        roles=random.choice((asked.roles, (f"{PARTICIPATION}|PROV",), (f"{PARTICIPATION}|AUT",))),
        directory=directory,
        resources=tuple(resources),
        consents=tuple(_consent_widened(random, item) for item in asked.consents),
        narrowing=frozenset(number for number in range(len(asked.consents)) if random.random() < 0.3),
    )


def _resource_widened(random: Random, item: Json) -> Json:
    made = dict(item)
    if item["resourceType"] == "Patient":
        return made
    if random.random() < 0.4:
        made["meta"] = {**made.get("meta", {}), "profile": [random.choice((PROFILES[0], f"{PROFILES[1]}|1.0"))]}
    if item["resourceType"] == "DocumentReference" and random.random() < 0.6:
        made["type"] = _concept(random.choice(CODES))
    return made


def _consent_widened(random: Random, item: Json) -> Json:
    made = dict(item)
    if random.random() < 0.3:
        made["category"] = [{"coding": [random.choice(_CATEGORIES)]} for _ in range(random.choice((1, 1, 2)))]
    if random.random() < 0.15:
        values = random.choice(("x", "y", "xy"))
        made["identifier"] = [{"system": "urn:example:lineage", "value": value} for value in values]
    if random.random() < 0.05:
        made["implicitRules"] = "urn:example:rules"
    if random.random() < 0.1:
        made["verification"] = [{"verified": random.random() < 0.5}]
    for node in _nodes(made):
        _node_widened(random, node)
    return made


_CATEGORIES = (
    *({"system": CATEGORIES, "code": code} for code in ("research", "emrgonly", "dnr", "npp", "rsdid")),
    *({"system": ACT, "code": code} for code in ("RESEARCH", "RSREID", "IDSCL", "INFA")),
)


def _nodes(holder: Json) -> Iterator[Json]:
    below = holder.get("provision", [])
    for node in below if isinstance(below, list) else [below]:
        yield node
        yield from _nodes(node)


def _node_widened(random: Random, node: Json) -> None:
    if random.random() < 0.15:
        node["class"] = [*node.get("class", []), random.choice(_CLASSES)]
    if random.random() < 0.15:
        role = random.choice(
            ({"system": PARTICIPATION, "code": "IRCP"},) * 3
            + ({"system": CLASS, "code": "gp"}, {"system": CLASS, "code": "pharmacy"})
        )
        node["actor"] = [*node.get("actor", []), {"role": {"coding": [role]}, "reference": random.choice(WIDE_ACTORS)}]
    if random.random() < 0.02:
        node["modifierExtension"] = [{"url": "urn:example:odd", "valueBoolean": True}]


UNREAD = {"system": "https://throughgate.example/code/content", "code": "unrecognised"}
"""What the intake adds to what a sender says of content that it knows nothing of: beside those labels, and never alone; alone it may be too."""


def _unread(asked: Question, random: Random) -> Question:
    """The same question with content of which nobody knows what it is about, whatever its sender said of it."""
    return replace(
        asked, resources=tuple(_marked(random, each) if random.random() < 0.35 else each for each in asked.resources)
    )


def _marked(random: Random, resource: Json) -> Json:
    held = [*resource.get("meta", {}).get("security", [])]
    held.insert(random.randrange(len(held) + 1), dict(UNREAD))
    return {**resource, "meta": {**resource.get("meta", {}), "security": held}}


FRACTIONS = ("2026-01-15T12:00:00.500Z", "2026-01-15T12:00:00.25+00:00")
ODD_MOMENTS = ("2026-01-15T12:00:00.500Z", "2026-01-15T12:00:00.501Z", "2026-01-15T12:00:00.255Z")
ODD_DIRECTORY = (
    {"resourceType": "Group", "id": "officers", "type": "practitioner", "actual": False},
    {"resourceType": "Group", "id": "unlisted", "type": "practitioner", "actual": True},
    _group("nobody", _member("Group/officers"), _member("Organization/them")),
)
RULES = ("OPTIN", "OPTOUT", "IMPLIED", "IMPLIEDD", "OPTINR", "OPTOUTE")


def _odd(asked: Question, random: Random) -> Question:
    """The same question about kinds of resource that say elsewhere who wrote them, when and about what; asked for several purposes; fractions of a
    second; groups that nobody listed; nested provisions without their type; policies that have no word of their own.
    """
    resources = [_odd_resource(random, item) for item in asked.resources]
    if random.random() < 0.3:
        resources.append({"resourceType": "Medication", "id": "m", "code": _concept(random.choice(CODES))})
    as_of = datetime.fromisoformat(random.choice(ODD_MOMENTS)) if random.random() < 0.1 else asked.as_of
    purposes = asked.purposes
    if random.random() < 0.2:
        purposes = tuple(random.sample(("TREAT", "ETREAT", "HRESCH", "COVAUTH"), k=2))
    return replace(
        asked,
        as_of=as_of,
        purposes=purposes,
        resources=tuple(resources),
        directory={**asked.directory, **{f"{item['resourceType']}/{item['id']}": item for item in ODD_DIRECTORY}},
        consents=tuple(_odd_consent(random, item) for item in asked.consents),
    )


def _odd_consent(random: Random, item: Json) -> Json:
    made = deepcopy(item)
    if "policyRule" in made and random.random() < 0.3:
        made["policyRule"]["coding"][0]["code"] = random.choice(RULES)
    if random.random() < 0.05:
        made["category"] = [{"coding": [{"system": CATEGORIES, "code": random.choice(("hcd", "polst", "acd"))}]}]
    if random.random() < 0.05:
        made["dateTime"] = random.choice(FRACTIONS)
    for node in _nodes(made):
        _odd_node(random, node)
        if "type" in node and node is not made["provision"] and random.random() < 0.06:
            del node["type"]
    return made


def _odd_node(random: Random, node: Json) -> None:
    if random.random() < 0.06:
        group = random.choice(ODD_DIRECTORY)
        role = {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]}
        node["actor"] = [*node.get("actor", []), {"role": role, "reference": {"reference": f"Group/{group['id']}"}}]
    if random.random() < 0.06:
        node["period"] = {random.choice(("start", "end")): random.choice(FRACTIONS)}
    if random.random() < 0.06:
        node["dataPeriod"] = {random.choice(("start", "end")): random.choice(FRACTIONS)}
    if random.random() < 0.1:
        node["code"] = [_concept(random.choice(CODES))]
    if random.random() < 0.1:
        author = {"reference": random.choice(("Organization/us", "Organization/them"))}
        node["data"] = [{"meaning": "authoredby", "reference": author}]


def _odd_resource(random: Random, item: Json) -> Json:
    made = dict(item)
    author = {"reference": random.choice(("Organization/us", "Organization/them"))}
    when = random.choice((*DATES, *FRACTIONS))
    if item["resourceType"] == "MedicationRequest" and random.random() < 0.4:
        del made["medicationCodeableConcept"]
        made["medicationReference"] = {"reference": "Medication/m"}
    if item["resourceType"] == "MedicationRequest" and random.random() < 0.4:
        made["requester"] = author
    if item["resourceType"] != "Observation" or random.random() < 0.5:
        return made
    bare: dict[str, Any] = {name: item[name] for name in ("id", "subject", "meta", "code") if name in item}
    dispensed = {**{name: bare[name] for name in bare if name != "code"}, "medicationReference": _MEDICATION}
    return random.choice(
        (
            {**item, "effectiveInstant": FRACTIONS[0]},
            {**bare, "resourceType": "Condition", "onsetDateTime": when, "recorder": author},
            {**bare, "resourceType": "Condition", "onsetPeriod": _period(random), "recordedDate": when},
            {**bare, "resourceType": "Procedure", "performedPeriod": _period(random)},
            {**bare, "resourceType": "Procedure", "performedDateTime": when, "recorder": author},
            {**dispensed, "resourceType": "MedicationDispense", "whenHandedOver": when},
            {**bare, "resourceType": "Specimen", "collection": {"collectedDateTime": when}},
            {**bare, "resourceType": "Encounter", "type": [bare["code"]], "period": _period(random)},
        )
    )


_MEDICATION = {"reference": "Medication/m"}
_CLASSES = (
    *({"system": CANONICAL, "code": code} for code in (PROFILES[0], f"{PROFILES[1]}|2.0", "urn:example:profile-three")),
    *({"system": SNOMED, "code": code} for code in CODES),
    {"system": TYPES, "code": "Resource"},
    {"system": TYPES, "code": "Composition"},
)


def _label(code: str) -> Json:
    return {"system": CONF if code in "ULMNRV" else ACT, "code": code}


def _concept(code: str) -> Json:
    return {"coding": [{"system": SNOMED, "code": code}]}


def _period(random: Random) -> Json:
    made = {}
    if random.random() < 0.7:
        made["start"] = random.choice(DATES)
    if random.random() < 0.7 or not made:
        made["end"] = random.choice(DATES)
    upside_down = len(made) == 2 and span(made["start"])[0] > span(made["end"])[0]  # R4 per-1
    return {"start": made["end"], "end": made["start"]} if upside_down else made


def _letter(random: Random) -> list[Json]:
    return [_resource(random, kind, f"r{number}") for number, kind in enumerate(random.choices(KINDS, k=3))]


def _resource(random: Random, kind: str, name: str) -> Json:
    labels = [random.choice("NNRRVL"), *random.sample(SENSITIVE, random.choice((0, 0, 1, 1, 2)))]
    made: Json = {"resourceType": kind, "id": name, "subject": {"reference": "Patient/patient"}}
    if random.random() < 0.9:
        made["meta"] = {"security": [_label(code) for code in labels]}
    if kind == "Observation":
        made["code"] = _concept(random.choice(CODES))
        if random.random() < 0.3:
            made["valueCodeableConcept"] = _concept(random.choice(CODES))
        if random.random() < 0.3:
            made["component"] = [{"code": _concept(random.choice(CODES))}]
        if random.random() < 0.6:
            made["effectiveDateTime"] = random.choice(DATES)
        if random.random() < 0.3:
            made["issued"] = "2026-01-15T12:00:00Z"
    elif kind == "MedicationRequest":
        made["medicationCodeableConcept"] = _concept(random.choice(CODES))
        if random.random() < 0.6:
            made["authoredOn"] = random.choice(DATES)
        if random.random() < 0.3:
            made["reasonCode"] = [_concept(random.choice(CODES))]
        if random.random() < 0.4:
            made["supportingInformation"] = [{"reference": "Observation/r0"}]
    else:
        made["author"] = [{"reference": random.choice(("Organization/us", "Organization/them"))}]
    return made


def _consent(random: Random, number: int) -> Json:
    name = random.choice(("a", "a", f"c{number}"))
    named = name != "a" and random.random() < 0.6
    alone = name != "a" and not named
    root = provision(random, depth=random.choice((0, 1, 1, 2, 3)))
    made: Json = {
        "resourceType": "Consent",
        "id": name,
        "meta": {"versionId": str(number + 1)},
        "status": random.choice(
            ("active",) * 9 + ("inactive", "inactive", "rejected", "rejected", "entered-in-error", "draft")
        ),
        "scope": {
            "coding": [
                {
                    "system": SCOPE,
                    "code": random.choice(("patient-privacy",) * 7 + ("research", "treatment"))
                    if alone
                    else "patient-privacy",
                }
            ]
        },
        "category": [{"coding": [{"system": ACT, "code": "INFA"}]}],
        "patient": {
            "reference": random.choice(("Patient/patient",) * 7 + ("Patient/stranger",)) if alone else "Patient/patient"
        },
        "dateTime": random.choice(("2025-11-01", "2025-12-01", "2025-12-01", "2026-01-10", "2026-01-15T12:00:00Z")),
    }
    if named:
        made["identifier"] = [{"system": "urn:example:lineage", "value": random.choice("xy")}]
    if random.random() < 0.03:
        made["modifierExtension"] = [{"url": "urn:example:odd", "valueBoolean": True}]
    dialect = random.choice(("core",) * 6 + ("pcf",) * 6 + ("both", "neither"))
    if dialect in ("pcf", "both"):
        root = {"type": random.choice(("permit", "deny")), **root}
    if dialect in ("core", "both"):
        made["policyRule"] = {"coding": [{"system": ACT, "code": random.choice(("OPTIN", "OPTOUT"))}]}
    if root:  # an element without content is no FHIR (ele-1)
        made["provision"] = root
    return made


def provision(random: Random, *, depth: int) -> Json:
    """A provision without a type, with provisions below it to `depth`."""
    made: Json = {}
    for element, chance in _CHANCES.items():
        if random.random() < chance:
            made[element] = _element(random, element)
    if depth:
        made["provision"] = [
            {"type": random.choice(("permit", "deny")), **provision(random, depth=depth - 1)}
            for _ in range(random.choice((1, 1, 2)))
        ]
    return made


_CHANCES = {
    "period": 0.12,
    "actor": 0.25,
    "action": 0.08,
    "purpose": 0.2,
    "securityLabel": 0.2,
    "class": 0.12,
    "code": 0.15,
    "data": 0.1,
    "dataPeriod": 0.1,
}


def _element(random: Random, element: str) -> Any:
    if element in ("period", "dataPeriod"):
        return _period(random)
    several = random.choice((1, 1, 2))
    return [_ONE[element](random) for _ in range(several)]


def _actor(random: Random) -> Json:
    role = random.choice(("IRCP",) * 6 + ("PROV",))
    return {"role": {"coding": [{"system": PARTICIPATION, "code": role}]}, "reference": random.choice(ACTORS)}


def _data(random: Random) -> Json:
    references = ("Observation/r0", "MedicationRequest/r1", "DocumentReference/r2", "MedicationRequest/r2")
    meaning = random.choice(("instance", "related", "dependents", "authoredby"))
    authors = ("Organization/us", "Organization/them")
    return {
        "meaning": meaning,
        "reference": {"reference": random.choice(authors if meaning == "authoredby" else references)},
    }


_ONE = {
    "actor": _actor,
    "action": lambda random: {
        "coding": [{"system": ACTION, "code": random.choice(("disclose", "disclose", "collect"))}]
    },
    "purpose": lambda random: {"system": REASON, "code": random.choice(("TREAT", "TREAT", "ETREAT", "BTG", "HRESCH"))},
    "securityLabel": lambda random: _label(random.choice((*"NRRVU", *SENSITIVE))),
    "class": lambda random: {"system": TYPES, "code": random.choice(KINDS)},
    "code": lambda random: _concept(random.choice(CODES)),
    "data": _data,
}
