"""Provision.securityLabel against the labels of a resource (consent.md 3.4 d, 3.4b 1 and 6).

Confidentiality is ordered: a permit covers its level and below, a deny its level and above. Sensitivity goes by subsumption. A permit must
cover every label of the resource; one matched label is enough for a deny. A resource without any label counts as carrying every label, and so
does one that is labelled `UNRECOGNISED`. What has to be done with a resource is a label too: in a permit it is a condition
(consent/obligations.py), and alone it picks no resource.
"""

from collections.abc import Sequence
from enum import Enum

from consent import codes
from consent.reading import coding, obj, objects
from consent.shapes import Coding, Json
from consent.ternary import Match, all_of, any_of

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
UNRECOGNISED = Coding(system="https://throughgate.example/code/content", code="unrecognised")
"""Nobody knows what it is about: the labels beside this one are what its sender said, and need not be all (fhir_profiles/label.py)."""
_OBLIGATION = (
    "ObligationPolicy ANONY AOD AUDIT AUDTR CPLYCC CPLYCD CPLYJPP CPLYJSP CPLYOPP CPLYOSP CPLYPOL DECLASSIFYLABEL DEID DELAU DOWNGRDLABEL DRIVLABEL "
    "ENCRYPT ENCRYPTR ENCRYPTT ENCRYPTU HUAPRV LABEL MASK MINEC PERSISTLABEL PRIVMARK PROCESSINLINELABEL PSEUD REDACT UPGRDLABEL"
)
_REFRAIN = (
    "RefrainPolicy NOAUTH NOCOLLECT NODSCLCD NODSCLCDS NOINTEGRATE NOLIST NOMOU NOORGPOL NOPAT NOPERSISTP NORDSCLCD NORDSLCD NORDSCLCDS NORDSCLW "
    "NORELINK NOREUSE NOVIP ORCON"
)
_ASKING = frozenset(f"{_OBLIGATION} {_REFRAIN}".split())
"""ObligationPolicy and RefrainPolicy: what has to be done, or left undone (docs/decisions/0044)."""


class Side(Enum):
    """How a provision is read: as what a permit covers, as what a deny covers, or as whatever either touches."""

    PERMIT = (True,)
    DENY = (False,)
    EITHER = (True, False)


_ORDER = {code: rank for rank, code in enumerate("ULMNRV")}


def resource_labels(resource: Json) -> list[Coding]:
    """What meta.security says. An entry that cannot be read is a label that nothing is known to cover."""
    meta = obj(resource, "meta")
    if "security" not in meta:
        return []
    found, readable = objects(meta, "security")
    labels = [coding(item) for item in found]
    return labels if readable else [*labels, Coding(system="", code="")]


def counts_as_every(labels: Sequence[Coding]) -> bool:
    """INVARIANT: a label that a sender adds to content that nobody knows takes no other from it: such content counts as carrying every label."""
    return not labels or UNRECOGNISED in labels


def asks_for_something(label: Coding) -> bool:
    """Is it an obligation or a refrain, and no topic?"""
    return label.system == ACT_CODE and label.code in _ASKING


def is_restricted(resource: Json) -> bool:
    """Does the resource itself carry confidentiality R or V (on a Patient: a record flagged sensitive by PDS)?"""
    return any(item.system == CONFIDENTIALITY and item.code in ("R", "V") for item in resource_labels(resource))


def levels_apart(permitted: Coding, denied: Coding) -> bool:
    """Is the whole of a permit's level (and below) under a denial's (and above)? Of levels that are not known nobody can say so."""
    if {permitted.system, denied.system} != {CONFIDENTIALITY}:
        return False
    below, above = _ORDER.get(permitted.code), _ORDER.get(denied.code)
    return below is not None and above is not None and below < above


def match(stated: Sequence[Coding], labels: Sequence[Coding], subsumes: codes.Subsumes, side: Side) -> Match:
    """INVARIANT: a yes that says nothing but its terms is a yes to everything on those terms, and never to nothing without them."""
    if stated and side is not Side.DENY and all(map(asks_for_something, stated)):
        return Match.YES
    if counts_as_every(labels):
        return Match.NO if side is Side.PERMIT else Match.YES
    silent = any(item.system == CONFIDENTIALITY for item in stated) and not any(
        item.system == CONFIDENTIALITY for item in labels
    )
    if side is Side.PERMIT:
        answer = all_of(any_of(_covers(rule, label, subsumes, permit=True) for rule in stated) for label in labels)
        return min(answer, Match.UNKNOWN) if silent else answer
    answer = any_of(
        _covers(rule, label, subsumes, permit=permit) for permit in side.value for rule in stated for label in labels
    )
    return max(answer, Match.UNKNOWN) if silent else answer


def _covers(rule: Coding, label: Coding, subsumes: codes.Subsumes, *, permit: bool) -> Match:
    if rule.system == CONFIDENTIALITY and label.system == CONFIDENTIALITY:
        stated, found = _ORDER.get(rule.code), _ORDER.get(label.code)
        if stated is None or found is None:
            return Match.UNKNOWN
        return Match.YES if (found <= stated if permit else found >= stated) else Match.NO
    if label.system and rule.system and CONFIDENTIALITY in (rule.system, label.system):
        return Match.NO
    return codes.covers(rule, label, subsumes)
