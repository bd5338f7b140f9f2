"""Obligations: what whoever holds data has to do with it, or to refrain from (v3-ActCode ObligationPolicy and RefrainPolicy), as a label beside others.

On a resource they bind whoever gets it; in a Consent that permits they are a condition of the permit. No wire of ours carries a label, and a sentence
in a letter makes nobody's system delete, mask or keep to itself: so what is not done here, for every letter, is done by nobody. This module only
says what is owed; it MUST NOT drop an obligation because it is not known how to perform it.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from consent.codes import provisions
from consent.labels import asks_for_something, resource_labels
from consent.provisions import Base, dialect
from consent.reading import coding, objects
from consent.shapes import Coding, Json

PERFORMED = frozenset({"AOD", "AUDIT", "AUDTR", "CPLYCC", "CPLYCD", "MINEC"})
"""What happens to every letter anyway: each disclosure is accounted for in the ledger, labels and consents are obeyed, the least leaves."""


def is_owed(resource: Json, permitting: Iterable[Json]) -> bool:
    """Does the resource, or a Consent by which it may leave, ask for something that nobody would do?"""
    return owed_for(resource) or any(map(owed_by, permitting))


def owed_for(resource: Json) -> bool:
    """Does the resource, or one that it contains, say something that nobody would do?"""
    held = (resource, *objects(resource, "contained")[0])
    return any(_is_owed(label) for each in held for label in resource_labels(each))


def owed_by(consent: Json) -> bool:
    """Does what this Consent permits depend on something that nobody would do? A denial's labels are what it is about, and no condition."""
    root_denies = dialect(consent).base is Base.DENY  # core R4: the policy is the type of the root
    return any(
        _is_owed(each) for node in islice(provisions(consent), int(root_denies), None) for each in _conditions(node)
    )


def _conditions(node: Json) -> Iterator[Coding]:
    if node.get("type") != "deny":
        yield from map(coding, objects(node, "securityLabel")[0])


def _is_owed(label: Coding) -> bool:
    return asks_for_something(label) and label.code not in PERFORMED
