"""Was this person given a privacy notice: who holds what about them, what for, and who is told (UK GDPR articles 13 and 14, specification A 5.13)?

In FHIR R4 it is a Consent of category `npp` (http://hl7.org/fhir/R4/valueset-consent-category.html). It is no consent: it never permits and never
denies a resource, and MUST NOT be read as the person's word. There is no clock here: `as_of` is an argument.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from consent.fhir_consent import CATEGORY_PURPOSES, CATEGORY_SYSTEM
from consent.lineages import Version, is_newer, make_version
from consent.reading import concept_codings, objects
from consent.shapes import Coding, Json, RegisteredConsent
from consent.ternary import Match

NOTICE = Coding(system=CATEGORY_SYSTEM, code="npp")
_UNSAID = frozenset({"draft", "proposed"})


def is_notice(consent: Json) -> bool:
    """Is it a privacy notice and nothing else? With a second category it is a Consent like any other."""
    concepts = [concept_codings(each) for each in objects(consent, "category")[0]]
    return bool(concepts) and all(
        NOTICE in held and not any(_has_a_purpose(each) for each in held) for held in concepts
    )


def _has_a_purpose(held: Coding) -> bool:
    return (held.system, held.code) in CATEGORY_PURPOSES


def is_missing(consents: Iterable[RegisteredConsent], whose: Callable[[Json], Match], as_of: datetime) -> bool:
    """Does nobody who may say so say, by their newest word, that this person was given one? `whose`: is it about the person?

    INVARIANT: absent never widens. A notice counts by the word of a consent authority that is readable and certainly about this person; that none
    was given, or that it was an error, counts from everybody, unless an authority's word is certainly newer.
    """
    said = [make_version(each) for each in consents if is_notice(each.consent)]
    said = [each for each in said if each.issued.start <= as_of and each.status not in _UNSAID]
    denials = [each for each in said if each.status != "active" and whose(each.consent) is not Match.NO]
    return not any(
        _counts(each) and whose(each.consent) is Match.YES and all(is_newer(each, no) for no in denials)
        for each in said
    )


def _counts(said: Version) -> bool:
    return said.status == "active" and said.registered.authority and said.may_permit
