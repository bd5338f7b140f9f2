"""What codes and words mean: short lists as data files beside this module, and the questions that mappings and facts ask of them.

It must never guess: what no row recognises is None, `unknown` or UNCLEAR. A *concept* is a FHIR Coding, a CodeableConcept, a list of either,
or plain text. Sources and confidence stand in every row (README.md of this folder).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from fhir_profiles import systems
from fhir_profiles.terminology.concepts import Concept, coded, plain, read, words_of
from fhir_profiles.terminology.tables import Table, table

__all__ = [
    "SUBSTANCE_GROUPS",
    "Assay",
    "Concept",
    "ConsentCode",
    "Disposition",
    "Product",
    "ResultWord",
    "assay",
    "consent_codes",
    "consent_state",
    "disposition",
    "disposition_display",
    "drug_result",
    "explained_groups",
    "is_acute_hazard",
    "is_drug_panel",
    "is_substance_misuse_care_plan",
    "is_substance_misuse_medication",
    "is_substitute_medication",
    "laws_opened_by_agreement",
    "lookup",
    "product",
    "record_items",
    "substance_group",
    "substances_of",
    "test_method",
    "test_purpose",
]

SUBSTANCE_GROUPS: Final[tuple[str, ...]] = (
    "opiates",
    "methadone",
    "buprenorphine",
    "benzodiazepines",
    "cocaine",
    "amphetamines",
    "cannabinoids",
    "synthetic-cannabinoids",
    "pregabalinoids",
    "other",
)
"""The fixed form of the security report, in its order."""

ResultWord = Literal["positive", "negative", "unknown"]

_ASSAYS: Final = table("assays")
_ASSAY_NAMES: Final = table("assay_names").column("name", "group")
_PANEL_NAMES: Final = frozenset(table("drug_panels").column("name", "name"))
_PURPOSES: Final = table("test_purposes").column("name", "purpose")
_RESULTS: Final = table("result_words").column("word", "result")
_NO_RESULT: Final = re.compile(
    r"\b(?:refus\w+|declin\w+|reject\w+|unsatisfactory|unavailable|insufficient|inadequate|unsuitable|invalid|void|spoil\w+|leak\w+|tamper\w+|adulterat\w+|cancel\w+|"
    r"no (?:sample|specimen)|not (?:tested|done|performed|obtained|processed|analysed|available|provided)|unable)\b"
)
"""Words of a sample from which nothing was found out."""
_FORMULARY: Final = table("formulary")
_SUBSTANCES: Final = table("substances")
_DISPOSITIONS: Final = table("dispositions")
_CONSENTS: Final = table("consent_codes")
_CONSENT_TOPICS: Final = table("consent_topics")
_CARE_PLANS: Final = table("care_plans")
_HAZARDS: Final = table("acute_hazards")
_RECORD_ITEMS: Final = table("record_items")
_OPENED_BY_AGREEMENT: Final = frozenset(
    row["code"] for row in table("prohibitions").rows if row["opened_by"] == "agreement"
)
_HAZARD_CODES: Final = frozenset((row["system"], row["code"]) for row in _HAZARDS.rows if row["code"])
_HAZARD_PARTS: Final = tuple(row["part"] for row in _HAZARDS.rows if row["part"])

_ASSAY_BY_CODE: Final = {(row["system"], row["code"]): row for row in _ASSAYS.rows}
_DRUG_CODE_SYSTEMS: Final = frozenset({systems.SNOMED, systems.DMD, ""})
_METHOD_WORDS: Final[Mapping[str, str]] = {
    "screen": "screening",
    "screening": "screening",
    "immunoassay": "screening",
    "dipstick": "screening",
    "presumptive": "screening",
    "confirm": "confirmatory",
    "confirmed": "confirmatory",
    "confirmation": "confirmatory",
    "confirmatory": "confirmatory",
    "lcms": "confirmatory",
    "gcms": "confirmatory",
    "ms": "confirmatory",
}
_NOISE: Final = re.compile(
    r"\b(?:urine|screen|screening|immunoassay|dipstick|presumptive|confirm|confirmed|confirmation|confirmatory|lcms|gcms|lc|gc|ms"
    r"|qualitative|quantitative|presence|level|assay|test|result|in|by|method|drug|oral|fluid|saliva|poct|poc|point of care)\b"
)


class Disposition(StrEnum):
    """What a discharge means for the line (PV1-36). UNCLEAR: empty or unknown; MERGE: an administrative act, never a release."""

    RELEASE = "release"
    TRANSFER = "transfer"
    COURT = "court"
    TEMPORARY_ABSENCE = "temporary-absence"
    ESCAPE = "escape"
    DEATH = "death"
    MERGE = "merge"
    UNCLEAR = "unclear"


class Product:
    """One row of the formulary: `code` is the current dm+d id, whichever of its ids was asked for."""

    __slots__ = ("code", "name", "substance", "use")

    def __init__(self, row: Mapping[str, str]) -> None:
        self.code = row["code"]
        self.name = row["name"]
        self.substance = row["substance"]
        self.use = row["use"]


def _products() -> tuple[dict[str, Product], dict[str, Product]]:
    by_code: dict[str, Product] = {}
    by_name: dict[str, Product] = {}
    for row in _FORMULARY.rows:
        item = Product(row)
        by_name[plain(row["name"])] = item
        for code in (row["code"], *row["earlier"].split(), row["brand_code"]):
            if code:
                by_code[code] = item
    return by_code, by_name


_PRODUCT_BY_CODE, _PRODUCT_BY_NAME = _products()
_USE_OF_SUBSTANCE: Final = {item.substance: item.use for item in _PRODUCT_BY_CODE.values()}
_EXPLAINS: Final = {row["substance"]: frozenset(row["explains"].split()) for row in _SUBSTANCES.rows}
_SUBSTANCE_OF_WORD: Final = {plain(word): row["substance"] for row in _SUBSTANCES.rows for word in row["words"].split()}
_SEVERAL_WORDS: Final = tuple(word for word in _SUBSTANCE_OF_WORD if " " in word)
_PATCHES: Final = frozenset({"patch", "patches", "transdermal"})


def lookup(name: str) -> Table:
    """Give one of the small tables (`units`, `routes`, `timings` ...). Raises FileNotFoundError for a table that does not exist."""
    return table(name)


class Assay(NamedTuple):
    """What a code or name says about an assay or an order of assays; None and False where no row says it."""

    group: str | None
    method: str | None
    panel: bool


@lru_cache(maxsize=8_192)
def _assay(pairs: tuple[tuple[str, str], ...], words: tuple[str, ...]) -> Assay:
    rows = [row for row in map(_ASSAY_BY_CODE.get, pairs) if row is not None]
    groups = [code for system, code in pairs if system == systems.SUBSTANCE_GROUP and code in SUBSTANCE_GROUPS]
    groups += [row["group"] for row in rows if row["group"]]
    groups += [found for text in words if (found := _ASSAY_NAMES.get(text) or _ASSAY_NAMES.get(_without_noise(text)))]
    methods = [
        code for system, code in pairs if system == systems.TEST_METHOD and code in {"screening", "confirmatory"}
    ]
    methods += [row["method"] for row in rows if row["method"]]
    if not methods:
        said = {_METHOD_WORDS[word] for text in words for word in text.split() if word in _METHOD_WORDS}
        methods = list(said) if len(said) == 1 else []
    panel = any(row["kind"] == "panel" for row in rows) or not _PANEL_NAMES.isdisjoint(words)
    return Assay(group=groups[0] if groups else None, method=methods[0] if methods else None, panel=panel)


def _without_noise(text: str) -> str:
    return " ".join(_NOISE.sub(" ", text).split())


def assay(concept: Concept) -> Assay:
    """Read a code or a name as an assay: its substance group, its method, and whether it is an order of several drug tests."""
    return _assay(*read(concept))


def substance_group(concept: Concept) -> str | None:
    """Say which substance group a drug assay belongs to, by its code, else by its name; None when it is no assay that a row knows."""
    return assay(concept).group


def is_acute_hazard(concept: Concept) -> bool:
    """Say whether an assay, or a medicine, is of a substance that kills in amounts nobody sees: by its code, or by a part of its name."""
    pairs, words = read(concept)
    names = (*words, *(plain(row["display"]) for pair in pairs if (row := _ASSAY_BY_CODE.get(pair)) is not None))
    return any(pair in _HAZARD_CODES for pair in pairs) or any(part in name for name in names for part in _HAZARD_PARTS)


def is_drug_panel(concept: Concept) -> bool:
    """Say whether an order means a drug test, whatever its assays are called."""
    return assay(concept).panel


def test_method(concept: Concept) -> str | None:
    """Say `screening` or `confirmatory`, by the code's own method, else by the words; None when neither or both are named."""
    return assay(concept).method


def test_purpose(concept: Concept) -> str | None:
    """Say `therapeutic`, `compact` or `mandatory`: local codes, or their usual names as the whole text; None is unknown."""
    for _, code in coded(concept):
        purpose = _PURPOSES.get(plain(code))
        if purpose is not None:
            return purpose
    for text in words_of(concept):
        purpose = _PURPOSES.get(text.removeprefix("purpose of test ").removeprefix("purpose "))
        if purpose is not None:
            return purpose
    return None


def drug_result(concept: Concept) -> ResultWord:
    """Say what a result's word or code means. Anything that is not exactly a known word is `unknown`; so are contradicting words.

    INVARIANT: a sample that was refused, spoiled or not tested has no result, whatever code or flag stands beside the words.
    """
    pairs, words = read(concept)
    if any(_NO_RESULT.search(text) for text in words):
        return "unknown"
    found = {
        _RESULTS.get(plain(code)) for system, code in pairs if system == systems.INTERPRETATION or not _is_short(code)
    }
    found.update(_RESULTS.get(text) for text in words if not _is_short(text))
    found.discard(None)
    if found == {"positive"}:
        return "positive"
    return "negative" if found == {"negative"} else "unknown"


def _is_short(text: str) -> bool:
    """Say whether it is ND, which is "not detected" as a flag of HL7 alone: laboratories write it for "not done"."""
    return plain(text) == "nd"


def product(concept: Concept) -> Product | None:
    """Find a formulary product by any of its dm+d ids (current, earlier, brand), else by its exact name."""
    for system, code in coded(concept):
        if system in _DRUG_CODE_SYSTEMS and code in _PRODUCT_BY_CODE:
            return _PRODUCT_BY_CODE[code]
    return next((_PRODUCT_BY_NAME[text] for text in words_of(concept) if text in _PRODUCT_BY_NAME), None)


def substances_of(concept: Concept) -> frozenset[str]:
    """Name the substances of a medication concept: of its product, else of any word of its name that a row knows."""
    known = product(concept)
    if known is not None:
        return frozenset({known.substance})
    words = {word for text in words_of(concept) for word in text.split()}
    words |= {word for text in words_of(concept) for word in _SEVERAL_WORDS if f" {word} " in f" {text} "}
    found = {_SUBSTANCE_OF_WORD[word] for word in words if word in _SUBSTANCE_OF_WORD}
    if words & _PATCHES and found & {"buprenorphine"}:
        found = (found - {"buprenorphine"}) | {"buprenorphine-patch"}
    return frozenset(found)


def explained_groups(concept: Concept) -> frozenset[str]:
    """Name the substance groups whose positive test this medication explains. Empty for a medication that no row knows."""
    groups: frozenset[str] = frozenset()
    for substance in substances_of(concept):
        groups |= _EXPLAINS.get(substance, frozenset())
    return groups


def is_substitute_medication(concept: Concept) -> bool:
    """Say whether a medication is opioid substitution (methadone, buprenorphine, and buprenorphine with naloxone)."""
    return any(_USE_OF_SUBSTANCE.get(substance) == "substitute" for substance in substances_of(concept))


def is_substance_misuse_medication(concept: Concept) -> bool:
    """Say whether a medication of the formulary treats substance misuse and so counts as clinical intervention (DESIGN section 6)."""
    return any(_USE_OF_SUBSTANCE.get(substance) for substance in substances_of(concept))


def record_items(concept: Concept) -> frozenset[str]:
    """Give which items of a record a concept is about (naloxone, smoking, a role in the care team ...), by code or by words in its texts."""
    codes, texts = read(concept)
    padded = tuple(f" {text} " for text in texts)
    return frozenset(
        row["item"]
        for row in _RECORD_ITEMS.rows
        if (row["code"] and (row["system"], row["code"]) in codes)
        or (row["word"] and any(f" {row['word']} " in text for text in padded))
    )


def laws_opened_by_agreement() -> frozenset[str]:
    """Give the codes of `https://throughgate.example/code/protected-by-law` whose law lets care be told where the person has agreed."""
    return _OPENED_BY_AGREEMENT


def is_substance_misuse_care_plan(concept: Concept, title: str = "") -> bool:
    """Say whether a plan's category or the problem it addresses is in the set, or its title is a substance misuse care plan's."""
    plans = {(row["system"], row["code"]) for row in _CARE_PLANS.rows}
    if any(pair in plans for pair in coded(concept)):
        return True
    return any(("title", text) in plans for text in (plain(title), *words_of(concept)) if text)


def consent_state(concept: Concept) -> str | None:
    """Say `given`, `declined`, `withdrawn` or `unable` for a coded statement of consent; None when no row knows it."""
    states = {(row["system"], row["code"]): row["state"] for row in _CONSENTS.rows}
    return next((states[pair] for pair in coded(concept) if pair in states), None)


class ConsentCode(NamedTuple):
    """What a code says about consent: its state, what it is about, and the purposes that a yes and a no of that cover (`v3:TREAT`)."""

    state: str
    topic: str
    given: tuple[str, ...]
    refused: tuple[str, ...]


def _consent_codes() -> dict[tuple[str, str], ConsentCode]:
    topics = _CONSENT_TOPICS.by("topic")
    return {
        (row["system"], row["code"]): ConsentCode(
            state=row["state"],
            topic=row["topic"],
            given=tuple(topics[row["topic"]]["given"].split()),
            refused=tuple(topics[row["topic"]]["refused"].split()),
        )
        for row in _CONSENTS.rows
    }


_CONSENT_BY_CODE: Final = _consent_codes()


def consent_codes(concept: Concept) -> tuple[ConsentCode, ...]:
    """Give what each code of a concept says about consent; nothing for codes that no row knows."""
    return tuple(_CONSENT_BY_CODE[pair] for pair in coded(concept) if pair in _CONSENT_BY_CODE)


def disposition(code: str, overrides: Mapping[str, str]) -> Disposition:
    """Read PV1-36: the channel's table first, then NOMIS movement reasons, then the names of the dispositions themselves.

    Empty, unknown, and an override that names no disposition are UNCLEAR: the handover then leaves, provisional, with a task.
    """
    value = code.strip()
    if value in overrides:
        return _disposition(overrides[value])
    found = _DISPOSITIONS.by("code").get(value.upper())
    if found is not None:
        return _disposition(found["disposition"])
    return _disposition(plain(value).replace(" ", "-"))


def _disposition(text: str) -> Disposition:
    try:
        return Disposition(text)
    except ValueError:
        return Disposition.UNCLEAR


def disposition_display(code: str) -> str:
    """Give the words of a NOMIS movement reason, or an empty text."""
    found = _DISPOSITIONS.by("code").get(code.strip().upper())
    return found["display"] if found is not None else ""
