"""Obligations: what whoever holds data has to do with it, or to refrain from (v3-ActCode ObligationPolicy and RefrainPolicy), as a label beside others.

On a resource they bind whoever gets it; in a Consent that permits they are a condition of the permit. No wire of ours carries a label, and a sentence
in a letter makes nobody's system delete, mask or keep to itself: so what is not done here, for every letter, is done by nobody. This module only
says what is owed; it MUST NOT drop an obligation because it is not known how to perform it.
"""

from collections.abc import Iterator

from consent.codes import provisions
from consent.labels import resource_labels
from consent.provisions import ACT_CODE
from consent.reading import coding, objects
from consent.shapes import Coding, Json

_OBLIGATION = (
    "ObligationPolicy ANONY AOD AUDIT AUDTR CPLYCC CPLYCD CPLYJPP CPLYJSP CPLYOPP CPLYOSP CPLYPOL DECLASSIFYLABEL DEID DELAU DOWNGRDLABEL DRIVLABEL "
    "ENCRYPT ENCRYPTR ENCRYPTT ENCRYPTU HUAPRV LABEL MASK MINEC PERSISTLABEL PRIVMARK PROCESSINLINELABEL PSEUD REDACT UPGRDLABEL"
)
_REFRAIN = (
    "RefrainPolicy NOAUTH NOCOLLECT NODSCLCD NODSCLCDS NOINTEGRATE NOLIST NOMOU NOORGPOL NOPAT NOPERSISTP NORDSCLCD NORDSLCD NORDSCLCDS NORDSCLW "
    "NORELINK NOREUSE NOVIP ORCON"
)
CODES = frozenset(f"{_OBLIGATION} {_REFRAIN}".split())
PERFORMED = frozenset({"AOD", "AUDIT", "AUDTR", "CPLYCC", "CPLYCD", "MINEC"})
"""What happens to every letter anyway: each disclosure is accounted for in the ledger, labels and consents are obeyed, the least leaves."""


def owed_for(resource: Json) -> bool:
    """Does the resource say something that nobody would do?"""
    return any(_is_owed(each) for each in resource_labels(resource))


def owed_by(consent: Json) -> bool:
    """Does what this Consent permits depend on something that nobody would do? A denial's labels are what it is about, and no condition."""
    return any(_is_owed(each) for node in provisions(consent) for each in _conditions(node))


def _conditions(node: Json) -> Iterator[Coding]:
    if node.get("type") != "deny":
        yield from map(coding, objects(node, "securityLabel")[0])


def _is_owed(label: Coding) -> bool:
    return label.system == ACT_CODE and label.code in CODES - PERFORMED
