"""What a statute forbids to tell, before any consent is asked (consent.md 3.3, layer 1; docs/decisions/0045).

A source marks it with a label of `SYSTEM` in meta.security; what each code stands for is a row of fhir_profiles' `prohibitions.csv`, and comes in
the facts. This module MUST NOT guess from words or clinical codes that a law protects something, and MUST NOT say which law it is: that is the secret.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from consent.labels import resource_labels
from consent.purposes import ACT_REASON, covers
from consent.reading import coding, objects
from consent.shapes import Coding, Json, Request
from consent.ternary import Match

if TYPE_CHECKING:
    from consent.fhir_consent import Judge

FORBIDDEN = "forbidden-by-law"
SYSTEM = "https://throughgate.example/code/protected-by-law"
HEALTH_CARE = frozenset({"care-team", "community-provider", "gp", "pharmacy", "receiving-prison"})
"""Classes of recipient (DESIGN section 6) that treat people, and are told what a law protects where the person has agreed."""
_TREATMENT = Coding(system=ACT_REASON, code="TREAT")


def marks(resource: Json) -> frozenset[str]:
    """The codes of laws that protect a resource, or one that it contains."""
    held = (resource, *objects(resource, "contained")[0])
    return frozenset(label.code for each in held for label in resource_labels(each) if label.system == SYSTEM)


def names(provision: Json, marked: Collection[str]) -> bool:
    """Does this very provision say whom it permits, and each law whose protection the person gives up?

    INVARIANT: who agrees that everything is told, or told to anybody, has not agreed that this is.
    """
    stated = {(label.system, label.code) for label in map(coding, objects(provision, "securityLabel")[0])}
    return "actor" in provision and all((SYSTEM, code) in stated for code in marked)


def forbids(resource: Json, judge: "Judge", request: Request, by_agreement: Collection[str]) -> bool:
    """May this recipient never have this resource? `by_agreement`: codes whose law lets care be told where the person has agreed.

    INVARIANT: a code that nobody knows forbids; no default, no override and no person who looks stands above it.
    """
    marked = marks(resource)
    if not marked:
        return False
    treats = request.recipient.recipient_class in HEALTH_CARE and bool(request.purpose)
    treats = treats and all(covers(_TREATMENT, each) is Match.YES for each in request.purpose)
    if not treats or not marked <= frozenset(by_agreement):
        return True
    return judge.vote(resource, "nothing", hold=False).rule != "consent-permit"
