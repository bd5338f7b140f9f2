"""A second reading of FHIR R4 Consent and IHE PCF, to disagree with the engine where one of the two is wrong.

Written from the texts and the rulings (consent/README.md), and read against the texts a second time by somebody who had not seen the engine: each
rule names its source, "PCF" for IHE ITI Privacy Consent on FHIR, a bare element for its definition in FHIR R4 Consent. Plain, slow and obvious:
every unknown is a question that is answered yes and answered no, and the whole Consent is read again for each set of answers. It MUST NEVER
import anything of `consent`, and it is never used to decide what leaves.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

Json = dict[str, Any]
Read = TypeVar("Read")
Span = tuple[datetime, datetime]
LONDON = ZoneInfo("Europe/London")
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
CONFIDENTIAL = "ULMNRV"
TYPES = "http://hl7.org/fhir/resource-types"
CANONICAL = "urn:ietf:rfc:3986"
CLASS = "https://throughgate.example/code/recipient-class"
PARENT = {"ETREAT": "TREAT", "BTG": "ETREAT", "COVAUTH": "HPAYMT", "CLMATTCH": "HPAYMT", "THREAT": "PUBHLTH"}
"""v3-ActReason: the codes that the generator uses, and what they are under."""
POLICY = {"OPTIN": "permit", "OPTINR": "permit", "OPTOUT": "deny", "OPTOUTE": "deny"}
SILENT = ("IMPLIED", "IMPLIEDD")
"""Policies that have no word of their own: what the agreement says holds (v3-ActCode, ActConsentDirective)."""
RECEIVING = ("IRCP", "PRCP")
UNCODED = ("Observation", "MedicationRequest", "MedicationDispense", "DocumentReference")
"""Without a code it is not known what these are about; a Patient is about no code."""
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
CODED = ("valueCodeableConcept", "category", "reasonCode")
AUTHORS = ("author", "requester", "recorder")
"""The elements that R4 maps to FiveWs.author."""
AT: tuple[str, ...] = (
    "effectiveDateTime",
    "effectiveInstant",
    "issued",
    "authoredOn",
    "recordedDate",
    "date",
    "performedDateTime",
)
AT += (
    "onsetDateTime",
    "abatementDateTime",
    "occurrenceDateTime",
    "whenPrepared",
    "whenHandedOver",
    "collectedDateTime",
)
DURING = ("effectivePeriod", "performedPeriod", "onsetPeriod", "period")
"""Where R4 says when something was, or was written down (FiveWs.init, done, recorded)."""
SPEAKING = ("active", "inactive", "rejected", "entered-in-error")
ONLY_FOR = {
    **dict.fromkeys(("research", "rsdid", "rsreid", "RESEARCH", "RSDID", "RSREID"), "HRESCH"),
    "emrgonly": "ETREAT",
}
"""Categories (R4 value set consent-category) that are about one purpose."""
LAW = "https://throughgate.example/code/protected-by-law"
UNREAD = ("https://throughgate.example/code/content", "unrecognised")
"""What the intake adds to the labels of content that it cannot classify."""
TREATING = ("care-team", "community-provider", "gp", "pharmacy", "receiving-prison")
_TO_BE_DONE = (
    "ObligationPolicy ANONY AOD AUDIT AUDTR CPLYCC CPLYCD CPLYJPP CPLYOPP CPLYOSP CPLYPOL DECLASSIFYLABEL DEID DELAU DOWNGRDLABEL DRIVLABEL "
    "ENCRYPT ENCRYPTR ENCRYPTT ENCRYPTU HUAPRV LABEL MASK MINEC PERSISTLABEL PRIVMARK PSEUD REDACT UPGRDLABEL "
    "RefrainPolicy NOAUTH NOCOLLECT NODSCLCD NODSCLCDS NOINTEGRATE NOLIST NOMOU NOORGPOL NOPAT NOPERSISTP NORDSCLCD NORDSCLCDS NORDSCLW "
    "NORELINK NOREUSE NOVIP ORCON"
)
TO_BE_DONE = frozenset(_TO_BE_DONE.split())
"""v3-ActCode of FHIR R4: ObligationPolicy, RefrainPolicy and all that is below them."""
DONE_ANYWAY = frozenset(("AOD", "AUDIT", "AUDTR", "CPLYCC", "CPLYCD", "MINEC"))
"""Accounting of disclosures, consents obeyed, the least that serves: every letter (docs/decisions/0044)."""
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
NOT_SHARING = ("acd", "dnr", "hcd", "polst", "npp")
"""And those that are about something else: what is to be done, or a notice that was read."""


class UnansweredError(Exception):
    """A question that this world has no answer to yet."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Plain data: who asks, when, and everything that may be looked at. `subsumes` is keyed by (`system|general`, `system|specific`)."""

    recipient: frozenset[tuple[str, str]]
    recipient_class: str
    roles: tuple[str, ...]
    purposes: tuple[str, ...]
    action: str
    as_of: datetime
    default: str
    resources: tuple[Json, ...]
    consents: tuple[Json, ...]
    same_everywhere: bool = False
    """Has one unknown one answer wherever it comes up? Not where each provision is read on its own, as consent/README.md describes."""
    withdrawn: frozenset[int] = frozenset()
    """Which consents, by place, the person took back."""
    narrowing: frozenset[int] = frozenset()
    """Which consents, by place, come from a source that may narrow and never widen."""
    directory: Mapping[str, Json] = field(default_factory=dict)
    subsumes: Mapping[tuple[str, str], bool] = field(default_factory=dict)


class World:
    """One set of answers to what is unknown; or, `known_only`, the world in which nothing unknown matches."""

    def __init__(self, asked: Question, answers: Mapping[object, bool], *, known_only: bool = False) -> None:
        self.asked = asked
        self.answers = answers
        self.known_only = known_only
        self.place: object = None

    def unknown(self, key: object) -> bool:
        key = key if self.asked.same_everywhere else (self.place, key)
        if self.known_only:
            return False
        if key not in self.answers:
            raise UnansweredError(key)
        return self.answers[key]


def vote(asked: Question, resource: Json) -> str:
    """Several purposes are several questions: a permit must cover all, a deny needs one (consent/README.md)."""
    alone = {_vote(replace(asked, purposes=(purpose,)), resource) for purpose in asked.purposes}
    return next(one for one in ("deny", "hold", "permit") if one in alone)


def _vote(asked: Question, resource: Json) -> str:
    """`permit` if every world permits; `hold` if what is known permits and some world does not; else `deny` (consent.md 3.4b 8)."""
    verdicts = set(_all_worlds(asked, lambda world: _verdict(world, resource)))
    if len(verdicts) == 1:
        return verdicts.pop()
    known = _verdict(World(asked, {}, known_only=True), resource)
    return "hold" if known == "permit" else "deny"


def _all_worlds(asked: Question, read: Callable[[World], Read]) -> Iterator[Read]:
    waiting: list[dict[object, bool]] = [{}]
    while waiting:
        answers = waiting.pop()
        try:
            yield read(World(asked, answers))
        except UnansweredError as missing:
            waiting += [{**answers, missing.args[0]: True}, {**answers, missing.args[0]: False}]


def _verdict(world: World, resource: Json) -> str:
    """Between lineages a deny overrides; where none speaks, the default."""
    said = [_lineage(world, numbers, resource) for numbers in _lineages(world.asked)]
    if "deny" in said:
        return "deny"
    if "permit" in said:
        return "permit"
    return world.asked.default


# ---- the privacy notice


def notice_is_missing(asked: Question) -> bool:
    """Nobody is sure to have given this person a notice (R4 consent-category `npp`; specification A 5.13; docs/decisions/0038).

    An authority's word that one was given counts where it is readable, surely about this person, and after every word that there was none.
    """
    said = [number for number in range(len(asked.consents)) if _speaks(asked, number) and _is_notice(asked, number)]
    yes = [number for number in said if _gives(asked, number)]
    no = [number for number in said if asked.consents[number]["status"] != "active" and _may_be_theirs(asked, number)]
    return not [one for one in yes if all(_newer(asked.consents[one], asked.consents[other]) for other in no)]


def _is_notice(asked: Question, number: int) -> bool:
    return {item["coding"][0]["code"] for item in asked.consents[number]["category"]} == {"npp"}


def _gives(asked: Question, number: int) -> bool:
    consent = asked.consents[number]
    plain = "implicitRules" not in consent and not _modified(consent)
    plain = plain and all(item["verified"] for item in consent.get("verification", []))
    surely = consent["patient"]["reference"] == "Patient/patient"
    return consent["status"] == "active" and number not in asked.narrowing and plain and surely


def _may_be_theirs(asked: Question, number: int) -> bool:
    return any(_all_worlds(asked, lambda world: _whose(world, asked.consents[number])))


# ---- what a statute forbids


def is_forbidden(asked: Question, resource: Json, opened: frozenset[str]) -> bool:
    """Gender Recognition Act 2004 section 22 and SI 2005/916 article 5: to who treats, for treatment, where the person surely agreed; no other
    law of ours has such a door, and one that nobody knows has none.
    """
    laws = _laws(resource)
    if not laws:
        return False
    treats = asked.recipient_class in TREATING and all(_is_under(one, "TREAT") for one in asked.purposes)
    return not treats or not laws <= opened or vote(replace(asked, default="deny"), resource) != "permit"


# ---- what has to be done with what leaves


def leaves(asked: Question, resource: Json) -> str:
    """The vote; or `owed`, where it permits and something has to be done that nobody would do (consent.md 3.3, layer 7; docs/decisions/0044).

    Without consent nothing that bears no label leaves, nor what nobody can classify (consent.md 3.4b 1: it counts as bearing every label).
    """
    said = vote(asked, resource)
    if said == "permit" and asked.default == "deny" and _bears_every(resource):
        return "deny"
    return "owed" if said == "permit" and _owed(asked, resource) else said


def _owed(asked: Question, resource: Json) -> set[str]:
    """The obligations of all that permit it are one (consent.md 3.4 f), with those of the resource; what is done anyway is not among them."""
    labels = [*_bound(resource)]
    for purpose in asked.purposes:
        for consent in _permitting(replace(asked, purposes=(purpose,)), resource):
            labels += _conditions(consent.get("provision", {}), _policy(consent))
    return {one["code"] for one in labels if one["system"] == ACT and one["code"] in TO_BE_DONE - DONE_ANYWAY}


def _bound(resource: Json) -> Iterator[Json]:
    """What the labels of a resource say, and of what it contains, which leaves with it."""
    yield from resource.get("meta", {}).get("security", [])
    for inner in resource.get("contained", []):
        yield from _bound(inner)


def _permitting(asked: Question, resource: Json) -> Iterator[Json]:
    """The versions by whose word it may leave: an unknown fires no permit."""
    world = World(asked, {}, known_only=True)
    for numbers in _lineages(asked):
        if _lineage(world, numbers, resource) == "permit":
            ruling, adding = _voices(asked, numbers)
            yield from (asked.consents[one] for one in _newest(asked, ruling) + _newest(asked, adding))


def _conditions(item: Json, kind: str | None) -> Iterator[Json]:
    """The labels of what is no denial; in a denial a label says what it is about. A root has the type of its dialect."""
    if item.get("type", kind) != "deny":
        yield from item.get("securityLabel", [])
    for below in item.get("provision", []):
        yield from _conditions(below, None)


# ---- several consents


def _lineages(asked: Question) -> list[list[int]]:
    """Consents of one id or one identifier belong together.

    Two that are apart are joined by an authority that does not refuse, and by nobody else: who else names both speaks in both.
    """
    spoken = [number for number in range(len(asked.consents)) if _speaks(asked, number)]
    joining = [number for number in spoken if number not in asked.narrowing and not _refuses(asked, number)]
    groups = _together(asked, joining)
    strangers = []
    for number in spoken:
        if number in joining:
            continue
        named = [group for names, group in groups if names & _names_of(asked.consents[number])]
        for group in named:
            group.append(number)
        strangers += [] if named else [number]
    return [sorted(numbers) for _, numbers in groups + _together(asked, strangers)]


def _speaks(asked: Question, number: int) -> bool:
    consent = asked.consents[number]
    return consent["status"] in SPEAKING and span(consent["dateTime"])[0] <= asked.as_of


def _refuses(asked: Question, number: int) -> bool:
    status = asked.consents[number]["status"]
    return status == "rejected" or (status == "inactive" and number in asked.withdrawn)


def _names_of(consent: Json) -> set[str]:
    return {"id " + str(consent["id"])} | {
        f"identifier {item['system']}|{item['value']}" for item in consent.get("identifier", [])
    }


def _together(asked: Question, wanted: list[int]) -> list[tuple[set[str], list[int]]]:
    groups: list[tuple[set[str], list[int]]] = []
    for number in wanted:
        names, numbers, apart = _names_of(asked.consents[number]), [number], []
        for other_names, other_numbers in groups:
            if names & other_names:
                names, numbers = names | other_names, other_numbers + numbers
            else:
                apart.append((other_names, other_numbers))
        groups = [*apart, (names, numbers)]
    return groups


def _newer(one: Json, other: Json) -> bool:
    """Versions of one resource by versionId, otherwise by dateTime; dates that overlap are a tie."""
    if one["id"] == other["id"] and one["meta"]["versionId"] != other["meta"]["versionId"]:
        return int(one["meta"]["versionId"]) > int(other["meta"]["versionId"])
    return span(one["dateTime"])[0] >= span(other["dateTime"])[1]


def _lineage(world: World, numbers: list[int], resource: Json) -> str | None:
    """The newest of the authorities speaks; any other source adds its word, unless an authority spoke after it: any denial denies.

    A source that may only narrow permits only what an authority permits too, and cannot take its own denial back.
    """
    asked = world.asked
    ruling, adding = _voices(asked, numbers)
    said = [_says(world, number, numbers, resource) for number in _newest(asked, ruling) + _newest(asked, adding)]
    denied = [_says(world, number, numbers, resource) == "deny" for number in adding]
    if "deny" in said or any(denied):
        return "deny"
    return "permit" if ruling and all(item == "permit" for item in said) else None


def _voices(asked: Question, numbers: list[int]) -> tuple[list[int], list[int]]:
    """Authorities, and whoever else spoke after none of them."""
    ruling = [number for number in numbers if number not in asked.narrowing]
    adding = [
        number
        for number in numbers
        if number in asked.narrowing and not any(_newer(asked.consents[one], asked.consents[number]) for one in ruling)
    ]
    return ruling, adding


def _newest(asked: Question, numbers: list[int]) -> list[int]:
    """Those that no other is newer than. Where each is older than some other, as in a ring, nobody knows which is: all tie."""
    heads = [
        one
        for one in numbers
        if not any(_newer(asked.consents[other], asked.consents[one]) for other in numbers if other != one)
    ]
    return heads or numbers


def _says(world: World, number: int, numbers: list[int], resource: Json) -> str | None:
    """An active version says what it states; what was entered in error never was, yet bars older permits; a refusal only adds."""
    asked = world.asked
    consent = asked.consents[number]
    older = [other for other in numbers if _newer(consent, asked.consents[other])]
    if consent["status"] == "active":
        return consent_says(world, consent, resource) if _is_about_sharing(world, consent) else None
    if consent["status"] == "entered-in-error":
        return "deny" if _stood(world, consent, older, resource) else None
    if not _refuses(asked, number):
        return None
    if _lineage(world, older, resource) == "deny":
        return "deny"
    return (
        "deny"
        if any(_is_refused(world, asked.consents[one], resource) for one in _about(asked, number, older))
        else None
    )


def _stood(world: World, error: Json, older: list[int], resource: Json) -> bool:
    """A denial before the error stands. Where the whole record is in error, each of its earlier denials does."""
    asked = world.asked
    stood = [number for number in older if asked.consents[number]["status"] != "entered-in-error"]
    while stood:
        if _lineage(world, stood, resource) == "deny":
            return True
        heads = _newest(asked, stood)
        if any(asked.consents[one]["id"] != error["id"] for one in heads):
            return False
        stood = [number for number in stood if number not in heads]
    return False


def _about(asked: Question, number: int, older: list[int]) -> list[int]:
    """What a refusal is about: the last active versions, an authority's and anybody's; and what it states itself."""
    active = [other for other in older if asked.consents[other]["status"] == "active"]
    last = _newest(asked, active) + _newest(asked, [other for other in active if other not in asked.narrowing])
    own_words = asked.consents[number]["status"] == "rejected" and "provision" in asked.consents[number]
    return last + ([number] if own_words or not last else [])


def _is_refused(world: World, consent: Json, resource: Json) -> bool:
    return _is_about_sharing(world, consent) and _whose(world, consent) and _covers(world, consent, resource)


def _is_about_sharing(world: World, consent: Json) -> bool:
    """Its scope is privacy; and one of its categories is about sharing for a purpose that was asked."""
    if consent["scope"]["coding"][0]["code"] != "patient-privacy":
        return False
    codes = [item["coding"][0]["code"] for item in consent["category"]]
    return any(_is_category(world.asked, code) for code in codes)


def _is_category(asked: Question, code: str) -> bool:
    if code in ONLY_FOR:
        return any(_is_under(purpose, ONLY_FOR[code]) for purpose in asked.purposes)
    return code not in NOT_SHARING


def _covers(world: World, consent: Json, resource: Json) -> bool:
    """A refusal is about the recipients, purposes and data of its root, read as a deny and, where it was a permit, as that too. It does not end.

    A PCF permit was about all data: those that it named, and that no others may go. One without any words of its own is about what is nested;
    where that was in force, nobody knows what else its rule, which nobody can read, was about.
    """
    root = consent.get("provision", {})
    words = {root.get("type"), _policy(consent)} - {None}
    kind = "deny" if words == {"deny"} else "either"
    all_data = "type" in root and "permit" in words
    if not _names(world, root, kind, resource, pcf="type" in root, all_data=all_data):
        return False
    nested = root["provision"] if not words and set(root) == {"provision"} else []
    if nested and consent["status"] == "active" and world.unknown(("rule of", id(consent))):
        return True
    return not nested or any(
        _names(world, item, "deny" if item.get("type") == "deny" else "either", resource, pcf=False) for item in nested
    )


def _names(world: World, item: Json, kind: str, resource: Json, *, pcf: bool, all_data: bool = False) -> bool:
    world.place = ("refusal", id(item))
    lasting = {name: value for name, value in item.items() if name != "period"}
    return _context(world, lasting) and (all_data or _data(world, lasting, kind, resource, pcf=pcf))


def _policy(consent: Json) -> str | None:
    """An opt-in with restrictions that states none: they are on paper, and nobody knows them (v3-ActCode OPTINR)."""
    restricts = set(consent.get("provision", {})) - {"type"}
    return POLICY.get(_rule(consent)) if _rule(consent) != "OPTINR" or restricts else None


def _rule(consent: Json) -> str:
    return str(consent["policyRule"]["coding"][0]["code"]) if "policyRule" in consent else ""


# ---- one consent


def consent_says(world: World, consent: Json, resource: Json) -> str | None:
    """permit, deny, or None: it says nothing. Not sure whose it is, or changed by something we do not know: it permits nothing."""
    said = _states(world, consent, resource)
    if not _whose(world, consent):
        return None
    barred = (
        consent["patient"]["reference"] != "Patient/patient"
        or "implicitRules" in consent
        or _modified(consent)
        or not all(item["verified"] for item in consent.get("verification", []))
    )
    return None if said == "permit" and barred else said


def _modified(value: Any) -> bool:
    if isinstance(value, list):
        return any(_modified(item) for item in value)
    return isinstance(value, dict) and ("modifierExtension" in value or any(_modified(item) for item in value.values()))


def _whose(world: World, consent: Json) -> bool:
    world.place = id(consent)
    whose = consent["patient"]["reference"]
    return whose == "Patient/patient" or world.unknown(("is the patient", whose))


def _states(world: World, consent: Json, resource: Json) -> str | None:
    root: Json = consent.get("provision", {})
    base = _policy(consent)
    stated = root.get("type")
    if stated is None and _rule(consent) in SILENT:
        return _provision(world, root, None, resource, pcf=False)
    # an opt-in is none of a refusal, whatever it restricts
    ruled = base if stated is None else POLICY.get(_rule(consent), stated)
    if ruled is None or (stated is not None and stated != ruled):
        return _no_dialect(world, consent, root, resource)
    if base is not None and stated is None:
        return _provision(world, root, base, resource, pcf=False)
    if stated == "permit":
        return _nothing_but(world, root, resource)
    return _provision(world, root, "deny", resource, pcf=True)


def _no_dialect(world: World, consent: Json, root: Json, resource: Json) -> str | None:
    """Neither dialect, or both and opposed: it permits nothing, a nested deny that matches stands, otherwise nobody knows."""
    world.place = id(consent)
    if not _context(world, root):
        return None
    if "type" not in root and not _data(world, root, "either", resource, pcf=False):
        return None
    nested = _below(world, root, resource, pcf="type" in root)
    world.place = id(consent)
    if "deny" in nested or world.unknown(("dialect", consent["id"], consent["meta"]["versionId"])):
        return "deny"
    return None


def _nothing_but(world: World, root: Json, resource: Json) -> str | None:
    """PCF, root permit: the nested are exceptions and may go beyond the root's data; other data is forbidden."""
    world.place = id(root)
    if not _context(world, root):
        return None
    nested = _below(world, root, resource, pcf=True)
    if "deny" in nested:
        return "deny"
    if "permit" in nested:
        return "permit"
    world.place = id(root)
    if _data(world, root, "permit", resource, pcf=True):
        return "permit" if _agreed(root, resource) else None
    if world.known_only and any(
        _all_worlds(world.asked, lambda other: _data(other, root, "permit", resource, pcf=True))
    ):
        return None  # what is known does not say that it is other data
    return "deny"


def _provision(world: World, item: Json, kind: str | None, resource: Json, *, pcf: bool) -> str | None:
    """The deepest that matches on a path, by its stated type (provision.type); among paths a deny overrides.

    What is denied inside a permit is denied wherever the permit touches the resource: a second label, time or code that the permit does not
    cover takes the permit away and never the denial (consent.md 3.6, a label more never adds).
    """
    world.place = id(item)
    if not (_context(world, item) and _data(world, item, "deny" if kind == "deny" else "either", resource, pcf=pcf)):
        return None
    nested = _below(world, item, resource, pcf=pcf)
    if "deny" in nested:
        return "deny"
    world.place = id(item)
    if kind != "deny" and not _data(world, item, "permit", resource, pcf=pcf):
        return None
    if "permit" in nested:
        return "permit"
    return None if kind == "permit" and not _agreed(item, resource) else kind


def _agreed(item: Json, resource: Json) -> bool:
    """What a law protects is agreed to in so many words: this law, and to whom, in one provision (docs/decisions/0045)."""
    said = {one["code"] for one in item.get("securityLabel", []) if one["system"] == LAW}
    return not _laws(resource) or ("actor" in item and _laws(resource) <= said)


def _laws(resource: Json) -> set[str]:
    return {one["code"] for one in resource.get("meta", {}).get("security", []) if one["system"] == LAW}


def _below(world: World, item: Json, resource: Json, *, pcf: bool) -> list[str | None]:
    return [
        _provision(world, one, one["type"], resource, pcf=pcf)
        if "type" in one
        else _untyped(world, one, resource, pcf=pcf)
        for one in item.get("provision", [])
    ]


def _untyped(world: World, item: Json, resource: Json, *, pcf: bool) -> str | None:
    """A nested provision must say its type (provision.type). One that does not permits nothing, and may be a deny; what is nested in it speaks."""
    world.place = id(item)
    if not (_context(world, item) and _data(world, item, "either", resource, pcf=pcf)):
        return None
    nested = _below(world, item, resource, pcf=pcf)
    if "deny" in nested or "permit" in nested:
        return "deny" if "deny" in nested else "permit"
    world.place = id(item)
    return "deny" if world.unknown("type") else None


# ---- elements: AND across, OR inside, absent is any


def _context(world: World, item: Json) -> bool:
    asked = world.asked
    if "period" in item and not _within(asked.as_of, item["period"]):
        return False
    if "actor" in item and not any(
        _is_actor(world, one["reference"]) and _in_role(world, one["role"]) for one in item["actor"]
    ):
        return False
    if "action" in item and asked.action not in [coding["code"] for one in item["action"] for coding in one["coding"]]:
        return False
    return "purpose" not in item or any(_is_under(asked.purposes[0], one["code"]) for one in item["purpose"])


def _data(world: World, item: Json, kind: str, resource: Json, *, pcf: bool) -> bool:
    if "securityLabel" in item and not _labels(world, item["securityLabel"], kind, resource):
        return False
    if "class" in item and not any(_is_class(world, one, resource) for one in item["class"]):
        return False
    if "code" in item and not _codes(world, item["code"], kind, resource):
        return False
    if "data" in item and not any(_named(world, one, resource, pcf=pcf) for one in item["data"]):
        return False
    return "dataPeriod" not in item or _times(world, item["dataPeriod"], kind, resource)


def _in_role(world: World, role: Json) -> bool:
    """Whoever receives is an information recipient. Of a role that nobody told us about it is not known whether the recipient has it, unless
    we were told which roles of that system it has.
    """
    system, code = role["coding"][0]["system"], role["coding"][0]["code"]
    if system == CLASS:
        return bool(code == world.asked.recipient_class)
    if code in RECEIVING or code in world.asked.roles or f"{system}|{code}" in world.asked.roles:
        return True
    told = any(one.startswith(f"{system}|") for one in world.asked.roles)
    return not told and world.unknown(("role", code))


def _is_actor(world: World, reference: Json) -> bool:
    """By identifier; an organisation speaks for what is part of it; a group or a team is who belongs to it now."""
    if "identifier" in reference:
        return (reference["identifier"]["system"], reference["identifier"]["value"]) in _ours(world.asked)
    found = world.asked.directory.get(reference["reference"])
    if found is None:
        return world.unknown(("actor", reference["reference"]))
    if found["resourceType"] == "CareTeam":
        stands = found["status"] == "active" and ("period" not in found or _within(world.asked.as_of, found["period"]))
        return stands and any(_belongs(world, one, one["member"]) for one in found["participant"])
    if found["resourceType"] == "Group":
        if "member" not in found:  # known by a property that its members share (provision.actor), and by no list
            return world.unknown(("members of", found["id"]))
        among = any(_belongs(world, one, one["entity"]) for one in found["member"])
        return among and (found.get("active", True) or world.unknown(("group", found["id"])))
    return any((one["system"], one["value"]) in _ours(world.asked) for one in found["identifier"])


def _belongs(world: World, member: Json, reference: Json) -> bool:
    now = not member.get("inactive") and ("period" not in member or _within(world.asked.as_of, member["period"]))
    return now and _is_actor(world, reference)


def _ours(asked: Question) -> set[tuple[str, str]]:
    """The identifiers of the recipient and of every organisation that it is part of."""
    known = set(asked.recipient)
    for _ in asked.directory:
        for item in asked.directory.values():
            own = {(one["system"], one["value"]) for one in item.get("identifier", [])}
            if own & known and "partOf" in item:
                whole = asked.directory[item["partOf"]["reference"]]
                known |= {(one["system"], one["value"]) for one in whole["identifier"]}
    return known


def _is_under(code: str | None, general: str) -> bool:
    while code is not None:
        if code == general:
            return True
        code = PARENT.get(code)
    return False


def _subsumed(world: World, general: Json, specific: Json) -> bool:
    one, other = (f"{item['system']}|{item['code']}" for item in (general, specific))
    if one == other:
        return True
    told = world.asked.subsumes.get((one, other))
    return world.unknown(("subsumes", one, other)) if told is None else told


def _is_class(world: World, named: Json, resource: Json) -> bool:
    """The type of the resource, a profile that it claims, or the type of the document that it is or is in.

    One that claims no profile may fit any.
    """
    if named["system"] == TYPES:
        return named["code"] in (resource["resourceType"], "Resource", "DomainResource")
    if named["system"] == CANONICAL:
        claimed = [one.partition("|") for one in resource.get("meta", {}).get("profile", [])]
        url, _, version = named["code"].partition("|")
        versions = [other for one, _, other in claimed if one == url]
        if versions and (not version or version in versions):
            return True
        if claimed and not versions:
            return False
        return world.unknown(("profile", resource["id"], named["code"]))  # none claimed, or another version of it
    documents = [one for one in world.asked.resources if one["resourceType"] == "Composition"]
    if resource["resourceType"] == "DocumentReference":
        if "type" not in resource and world.unknown(("type of", resource["id"], named["code"])):
            return True
        documents.append(resource)
    return any(
        _subsumed(world, named, coding) for one in documents if "type" in one for coding in one["type"]["coding"]
    )


def _labels(world: World, named: list[Json], kind: str, resource: Json) -> bool:
    """A permit covers every label of the resource, at or below; one label that a deny covers, at or above, is enough.

    A yes whose labels are its terms and nothing else is a yes to everything (docs/decisions/0044).
    """
    if kind != "deny" and named and all(one["system"] == ACT and one["code"] in TO_BE_DONE for one in named):
        return True
    carried = resource.get("meta", {}).get("security", [])
    if _bears_every(resource):
        return kind != "permit"
    ways = ("permit", "deny") if kind == "either" else (kind,)
    covered = [any(_label(world, one, label, way) for one in named for way in ways) for label in carried]
    return all(covered) if kind == "permit" else any(covered)


def _bears_every(resource: Json) -> bool:
    """Only what nobody can classify counts as carrying every label (consent.md 3.4b 1), whatever its sender said of it beside that."""
    carried = resource.get("meta", {}).get("security", [])
    return not carried or any((one["system"], one["code"]) == UNREAD for one in carried)


def _label(world: World, named: Json, carried: Json, kind: str) -> bool:
    ordered = [item["system"] == CONFIDENTIALITY for item in (named, carried)]
    if all(ordered):
        rank, limit = CONFIDENTIAL.index(carried["code"]), CONFIDENTIAL.index(named["code"])
        return rank <= limit if kind == "permit" else rank >= limit
    if any(ordered):
        return False
    return _subsumed(world, named, carried)


def _codes(world: World, named: list[Json], kind: str, resource: Json) -> bool:
    """A permit looks at the code of the resource; a deny also at what it says elsewhere in codes."""
    what = _about_what(world, resource)
    said = [one for name in CODED if name in resource for one in _listed(resource[name])] if kind != "permit" else []
    said += [one for part in resource.get("component", []) for one in _component(part)] if kind != "permit" else []
    codings = [coding for concept in what + said for coding in concept["coding"]]
    wanted = [coding for concept in named for coding in concept["coding"]]
    if any(_subsumed(world, one, coding) for one in wanted for coding in codings):
        return True
    unsaid = not what and resource["resourceType"] in UNCODED
    return unsaid and any(world.unknown(("code of", resource["id"], one["code"])) for one in wanted)


def _about_what(world: World, resource: Json) -> list[Json]:
    """Its own code; of a medicine that it refers to, that one's."""
    names = ("code", "medicationCodeableConcept", "type")
    own = [one for name in names if name in resource for one in _listed(resource[name])]
    told = resource.get("medicationReference", {}).get("reference")
    return own + [one["code"] for one in world.asked.resources if f"Medication/{one['id']}" == told]


def _component(part: Json) -> list[Json]:
    return [part[name] for name in ("code", "valueCodeableConcept") if name in part]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(world: World, data: Json, resource: Json, *, pcf: bool) -> bool:
    """instance: that one; related: and what it refers to (PCF: and what refers to it); dependents: and what refers to it; authoredby: by it."""
    wanted = data["reference"]["reference"]
    mine = f"{resource['resourceType']}/{resource['id']}"
    if data["meaning"] == "authoredby":
        written_by = {one for name in AUTHORS for one in _references(resource.get(name))}
        return wanted in written_by if written_by else world.unknown(("author of", mine, wanted))
    if mine == wanted:
        return True
    refers_to_it = wanted in _references(resource)
    if data["meaning"] == "dependents":
        return refers_to_it
    if data["meaning"] == "related":
        there = [one for one in world.asked.resources if f"{one['resourceType']}/{one['id']}" == wanted]
        unseen = not there and world.unknown(("refers", wanted, mine))
        return unseen or any(mine in _references(one) for one in there) or (pcf and refers_to_it)
    return False


def _references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {found for item in value for found in _references(item)}
    if not isinstance(value, dict):
        return set()
    own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
    return own | {found for item in value.values() for found in _references(item)}


# ---- time


def span(written: str) -> Span:
    """The instants that a FHIR date or dateTime means at its written precision: [first, first after)."""
    if "T" in written:
        first = datetime.fromisoformat(written)
        fraction = re.search(r":\d\d\.(\d+)", written)
        return first, first + (timedelta(seconds=1) / 10 ** len(fraction[1]) if fraction else timedelta(seconds=1))
    parts = [int(part) for part in written.split("-")]
    year, month, day = (*parts, 1, 1)[:3]
    first = datetime(year, month, day, tzinfo=LONDON)
    if len(parts) == 1:
        after = datetime(year + 1, 1, 1, tzinfo=LONDON)
    elif len(parts) == 2:
        after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=LONDON)
    else:
        after = first + timedelta(days=1)  # on the wall clock of London, also where that is 23 or 25 hours
    return first.astimezone(UTC), after.astimezone(UTC)


def _limits(period: Json) -> Span:
    first = span(period["start"])[0] if "start" in period else BEGINNING
    after = span(period["end"])[1] if "end" in period else END
    return first, after


def _within(moment: datetime, period: Json) -> bool:
    first, after = _limits(period)
    return first <= moment < after


def _times(world: World, period: Json, kind: str, resource: Json) -> bool:
    """A permit needs every clinical time inside, a deny one; a resource without any: nobody knows."""
    places = [resource, *(resource[name] for name in ("meta", "collection") if name in resource)]
    written = [place[name] for place in places for name in (*AT, "lastUpdated") if name in place]
    known = [_limits(resource[name]) for name in DURING if name in resource]
    first, after = _limits(period)
    if not written and not known:
        return world.unknown(("time of", resource["id"], first, after))
    moments = [_moment(world, item) for item in written]
    if kind == "permit":
        return all(first <= one and other <= after for one, other in known + moments)
    inside = any(first <= one and other <= after for one, other in moments)
    return inside or any(one < after and first < other for one, other in known)


def _moment(world: World, written: str) -> Span:
    """An imprecise date is one moment, nobody knows which: the pieces that the edges of all data periods cut it into are tried one by one."""
    first, after = span(written)
    edges = sorted({edge for edge in _all_edges(world.asked.consents) if first < edge < after})
    if not edges or world.known_only:
        return first, after
    pieces = list(zip([first, *edges], [*edges, after], strict=True))
    for piece in pieces[:-1]:
        if world.unknown(("moment", written, piece)):
            return piece
    return pieces[-1]


def _all_edges(value: Any) -> set[datetime]:
    if isinstance(value, list | tuple):
        return {edge for item in value for edge in _all_edges(item)}
    if not isinstance(value, dict):
        return set()
    own = set(_limits(value["dataPeriod"])) if "dataPeriod" in value else set()
    return own | {edge for item in value.values() for edge in _all_edges(item)}
