"""Which code means something that another code includes: the table that a consent decision looks up.

Only what our lists and the hierarchy of HL7's sensitivity labels settle is answered; a pair that needs a terminology server is left out,
and the decision treats it as unknown. It must never say no to a pair of which it knows only one side. Sources: HL7 v3 ActCode
(ActInformationSensitivityPolicy), the data files of `terminology/`.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from fhir_profiles import systems
from fhir_profiles.terminology import assay, lookup, product

_LABELS: Final[dict[str, frozenset[str]]] = {
    "BH": frozenset({"COGN", "DVD", "EMOTDIS", "ETHUD", "MH", "OPIOIDUD", "PSY", "PSYTHPN", "SUD"}),
    "ETH": frozenset({"ETHUD", "OPIOIDUD", "SUD"}),
    "MH": frozenset({"COGN", "DVD", "EMOTDIS", "PSY", "PSYTHPN"}),
    "SUD": frozenset({"ETHUD", "OPIOIDUD"}),
    **dict.fromkeys(
        [
            "COGN",
            "DVD",
            "EMOTDIS",
            "ETHUD",
            "GDIS",
            "HIV",
            "MST",
            "OPIOIDUD",
            "PREGNANT",
            "PSY",
            "PSYTHPN",
            "SCA",
            "SDV",
            "SEX",
            "SPI",
            "STD",
            "TBOO",
            "VIO",
        ],
        frozenset(),
    ),
}
"""A sensitivity label -> the labels that it includes. Two of these that do not stand here are unrelated."""
_CLOSE: Final = frozenset(
    {frozenset({"MH", "PSY"}), frozenset({"ETH", "SUD"}), frozenset({"SEX", "STD"}), frozenset({"HIV", "STD"})}
)
"""Pairs that are close enough that nobody should be told that they are unrelated: unknown unless included above."""
_ENUMERATIONS: Final = ("http://terminology.hl7.org/CodeSystem/", "http://hl7.org/fhir/")
"""HL7's flat lists (categories, statuses): a code of one never includes, nor is included by, a clinical code."""
_DRUGS: Final = frozenset({systems.SNOMED, systems.DMD})


def subsumes(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Answer (`system|general`, `system|specific`) pairs: does the first include the second? What is not known is left out."""
    found: dict[tuple[str, str], bool] = {}
    for general, specific in pairs:
        answer = _answer(_read(general), _read(specific))
        if answer is not None:
            found[general, specific] = answer
    return found


class _Code(NamedTuple):
    """A code, and what our lists know of it."""

    system: str
    value: str
    flat: bool
    drug: str | None
    """The current id of the product that it is; None for what is no product that we know."""
    kind: tuple[str, str] | None


@lru_cache(maxsize=32_768)
def _read(text: str) -> _Code:
    """The lists do not change while the program runs, so a code is looked up once, however many it is compared with."""
    system, _, value = text.rpartition("|")
    known = product({"system": system, "code": value}) if system in _DRUGS else None
    return _Code(
        system=system,
        value=value,
        flat=_is_flat(system),
        drug=known.code if known is not None else None,
        kind=_kind(system, value, is_product=known is not None),
    )


def _answer(general: _Code, specific: _Code) -> bool | None:
    if general[:2] == specific[:2]:
        return True
    if general.system == specific.system == systems.ACT_CODE:
        return _label_includes(general.value, specific.value)
    if general.flat or specific.flat:
        return False
    # Two ids of one product (an earlier or brand id) are one; two products of the formulary do not include each other.
    if general.drug is not None and specific.drug is not None:
        return general.drug == specific.drug
    one, other = general.kind, specific.kind
    if one is None or other is None:
        return None
    # The same substance group (or none) by two codes may be the same test by another method: not for a list to say.
    return None if one == other and one[0] == "assay" else False


def _label_includes(general: str, specific: str) -> bool | None:
    if general not in _LABELS or specific not in _LABELS:
        return None
    if specific in _LABELS[general]:
        return True
    return None if frozenset({general, specific}) in _CLOSE else False


def _is_flat(system: str) -> bool:
    local = system.startswith(systems.LOCAL_CODE) and system != systems.SUBSTANCE_GROUP
    return local or (system != systems.ACT_CODE and system.startswith(_ENUMERATIONS))


def _kind(system: str, value: str, *, is_product: bool) -> tuple[str, str] | None:
    """What our lists know a code as; None when they do not know it."""
    if system == systems.SUBSTANCE_GROUP:
        return "assay", value
    read = assay({"system": system, "code": value})
    if read.group is not None or read.panel:
        return "assay", "" if read.panel else read.group or ""
    if is_product:
        return "product", value
    for name in ("care_plans", "consent_codes"):
        if any((row["system"], row["code"]) == (system, value) for row in lookup(name).rows):
            return name, value
    return None
