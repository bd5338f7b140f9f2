"""The purposes of use of HL7 v3-ActReason and which of them is part of which (http://terminology.hl7.org/CodeSystem/v3-ActReason, PurposeOfUse).

A permit for a purpose covers what is under it, and so does a deny: a request that claims emergency treatment can reach no more than one
for treatment, unless a provision names the emergency.
"""

from consent.shapes import Coding
from consent.ternary import Match

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
LOCAL_PURPOSE = "https://throughgate.example/code/purpose"
"""Purposes that v3-ActReason has no code for (`ndtms`, `resettlement`). Local; each stands alone."""

_CHILDREN = {
    "PurposeOfUse": "HMARKT HOPERAT HPAYMT HRESCH PATRQT PUBHLTH TREAT",
    "HOPERAT": "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN LABELING METAMGT "
    "MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV HTEST TRAIN",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE REMITADV",
    "COVERAGE": "ELIGDTRM ELIGVER ENROLLM MILDCRG",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "PUBHLTH": "DISASTER THREAT",
    "TREAT": "CLINTRL COC ETREAT POPHLTH",
    "ETREAT": "BTG ERTREAT",
}

PARENT = {child: parent for parent, children in _CHILDREN.items() for child in children.split()}
_KNOWN = frozenset(PARENT) | {"PurposeOfUse"}


def covers(stated: Coding, asked: Coding) -> Match:
    """Is `asked` the stated purpose or part of it? A purpose that this table does not know is unknown, unless it is the very same code."""
    if not stated.system or not stated.code or not asked.code:
        return Match.UNKNOWN
    if stated == asked:
        return Match.YES
    known = [_known(item) for item in (stated, asked)]
    if not all(known):
        return Match.UNKNOWN
    if stated.system != ACT_REASON or asked.system != ACT_REASON:
        return Match.NO
    above = PARENT.get(asked.code)
    while above is not None:
        if above == stated.code:
            return Match.YES
        above = PARENT.get(above)
    return Match.NO


def _known(purpose: Coding) -> bool:
    return purpose.system == LOCAL_PURPOSE or (purpose.system == ACT_REASON and purpose.code in _KNOWN)
