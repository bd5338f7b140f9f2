"""Reads one sharing agreement from one TOML file, and runs its examples (consent/agreements/README.md says what the keys mean).

Strict: an unknown key, a missing key or a path that is not in the language is an error that names the key. No sharing key has a default.
"""

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, cast, get_args

from consent.examples import ExampleError, consent_of, faults, resource_of, run
from consent.extracts import LETTER as EXTRACT
from consent.paths import PathError, steps
from consent.shapes import Agreement, Coding, Example, Json, Outcome, PermittedPath, WithoutConsent

KEYS = frozenset(
    [
        "title",
        "flow",
        "letter",
        "recipient_class",
        "events",
        "regime",
        "purpose",
        "action",
        "without_consent",
        "undecidable",
        "withheld_marker",
        "identifier_systems",
        "words",
        "fields",
        "examples",
    ]
)
MORE_KEYS = frozenset({"draft"})
"""Keys that only narrow: a file without one shares what the rest of it says."""
FLOWS = tuple(f"F{number}" for number in range(1, 22))
"""The flows of the service, each from whom to whom (consent/agreements/README.md)."""
WORDS = frozenset(
    [
        "parties",
        "controller",
        "processor",
        "purpose",
        "article_6",
        "article_9",
        "schedule_1",
        "common_law",
        "caveats",
        "retention",
        "owner",
        "review",
        "ends",
    ]
)
"""What an IG officer signs; every one is required."""
MORE_WORDS = frozenset({"approval", "article_10", "evaluator", "motivated_intruder", "unsure"})
FIELD_KEYS = frozenset({"paths", "with", "why"})
EXAMPLE_KEYS = frozenset(
    {
        "name",
        "expect",
        "given",
        "has",
        "consents",
        "resources",
        "authority",
        "harm_test",
        "notice",
        "as_of",
        "leaves",
        "stays",
    }
)
MUST_HOLD = frozenset(
    [
        "handover",
        "gp-copy",
        "persons-handover",
        "persons-transfer",
        "transfer",
        "prescription-copy",
        "correction",
        "write-back",
        "reception-notice",
        "community-record",
    ]
)
"""Letters where silence can kill: what cannot be decided is held and told, never dropped."""


OF_ITS_OWN: Mapping[str, str] = {"notice-of-withdrawal": "duty", "harm-disclosure": "harm-test"}
"""Letters that no consent is asked for, and what lets each go. No other letter may say so, and these may say nothing else."""
TOLD_BY_DUTY = frozenset(
    ["care-team", "community-provider", "gp", "pharmacy", "receiving-prison", "safer-custody", "probation"]
)
"""Organisations that keep a record of a person: those that get figures never had anybody, and no private person is noticed by rule."""
SAID_BY_DUTY = frozenset({"Communication", "Patient", "Organization"})


class AgreementError(ValueError):
    """An agreement that cannot take effect. `key` names what is wrong."""

    def __init__(self, name: str, key: str, text: str) -> None:
        super().__init__(f"agreement {name}: {key}: {text}")
        self.key = key
        self.text = text


@dataclass(frozen=True, kw_only=True)
class ExampleResult:
    """One example, run. `text` says what is not as it should be."""

    name: str
    expected: Outcome
    got: Outcome
    passed: bool
    text: str


@dataclass(frozen=True)
class _File:
    """The parsed file, asked key by key."""

    name: str
    data: Mapping[str, Any]
    place: str = ""

    def wrong(self, key: str, text: str) -> AgreementError:
        return AgreementError(self.name, f"{self.place}{key}", text)

    def closed(self, known: frozenset[str], required: frozenset[str]) -> None:
        for key in sorted(set(self.data) - known):
            raise self.wrong(key, "unknown key")
        for key in sorted(required - set(self.data)):
            raise self.wrong(key, "missing, and it has no default")

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if isinstance(value, date):
            return value.isoformat()
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "must be words")
        return value

    def word(self, key: str, choices: Sequence[str]) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(key, f"must be one of {', '.join(choices)}")
        return value

    def flag(self, key: str) -> bool:
        value = self.data.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def texts(self, key: str, *, empty: bool = False) -> tuple[str, ...]:
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.wrong(key, "must be a list of words")
        if not value and not empty:
            raise self.wrong(key, "must not be empty")
        return tuple(value)

    def tables(self, key: str) -> "list[_File]":
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, "must be a list of tables")
        return [_File(self.name, item, f"{self.place}{key}[{index}].") for index, item in enumerate(value)]

    def coding(self, key: str, written: str) -> Coding:
        system, bar, code = written.partition("|")
        if not system or not bar or not code:
            raise self.wrong(key, "must be system|code")
        return Coding(system=system, code=code)


def digest_of(text: str) -> str:
    """`sha256:` of the file's text; line ends, spaces at line ends and Unicode spelling do not count."""
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").split("\n")
    normal = "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
    return f"sha256:{hashlib.sha256(normal.encode()).hexdigest()}"


def read_agreement(text: str, name: str) -> Agreement:
    """Read and check one agreement. Raises AgreementError, which names the key."""
    try:
        file = _File(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise AgreementError(name, "file", f"is not TOML: {error}") from None
    file.closed(KEYS | MORE_KEYS, KEYS)
    agreement = Agreement(
        name=name,
        title=file.text("title"),
        flow=file.word("flow", FLOWS),
        draft=file.text("draft") if "draft" in file.data else "",
        letter=file.text("letter"),
        recipient_class=file.text("recipient_class"),
        events=file.texts("events"),
        regime=cast(
            'Literal["uk-gdpr", "dpa-part-3", "anonymous"]', file.word("regime", ("uk-gdpr", "dpa-part-3", "anonymous"))
        ),
        purpose=tuple(file.coding("purpose", item) for item in file.texts("purpose")),
        action=file.coding("action", file.text("action")),
        without_consent=cast("WithoutConsent", file.word("without_consent", get_args(WithoutConsent))),
        undecidable=cast('Literal["hold", "withhold"]', file.word("undecidable", ("hold", "withhold"))),
        withheld_marker=file.flag("withheld_marker"),
        identifier_systems=file.texts("identifier_systems", empty=True),
        fields=_fields(file),
        examples=tuple(_example(item) for item in file.tables("examples")),
        digest=digest_of(text),
        text=_words(file),
    )
    _check(file, agreement)
    return agreement


def _words(file: _File) -> Mapping[str, str]:
    value = file.data["words"]
    if not isinstance(value, dict):
        raise file.wrong("words", "must be a table")
    words = _File(file.name, value, "words.")
    words.closed(WORDS | MORE_WORDS, WORDS)
    for key in ("review", "ends"):
        if not isinstance(value[key], date):
            raise words.wrong(key, "must be a date")
    return {key: words.text(key) for key in value}


def _fields(file: _File) -> tuple[PermittedPath, ...]:
    found: dict[str, PermittedPath] = {}
    for item in file.tables("fields"):
        item.closed(FIELD_KEYS, frozenset({"paths", "why"}))
        why = item.text("why")
        for path in item.texts("paths"):
            for written in (path, *(f"{path}.{more}" for more in item.texts("with", empty=True))):
                try:
                    steps(written)
                except PathError as error:
                    raise item.wrong("paths", str(error)) from None
                if written in found:
                    raise item.wrong("paths", f"{written} is permitted twice")
                found[written] = PermittedPath(path=written, why=why)
    if not found:
        raise file.wrong("fields", "nothing may leave")
    return tuple(found.values())


def _example(file: _File) -> Example:
    file.closed(EXAMPLE_KEYS, frozenset({"name", "expect"}))
    try:
        consents = [consent_of(item.data, place) for place, item in enumerate(file.tables("given"))]
        resources = [resource_of(item, place) for place, item in enumerate(file.texts("has", empty=True))]
    except ExampleError as error:
        raise file.wrong("given", str(error)) from None
    plain = Example(
        name=file.text("name"),
        expect=Outcome(file.word("expect", tuple(Outcome))),
        consents=(*consents, *_json(file, "consents")),
        resources=(*resources, *_json(file, "resources")),
        harm_test=file.flag("harm_test") if "harm_test" in file.data else False,
        notice=file.flag("notice") if "notice" in file.data else True,
        authority=file.flag("authority") if "authority" in file.data else True,
        leaves=file.texts("leaves", empty=True),
        stays=file.texts("stays", empty=True),
    )
    if "as_of" not in file.data:
        return plain
    return Example(**{**plain.__dict__, "as_of": file.text("as_of")})


def _json(file: _File, key: str) -> list[Json]:
    found: list[Json] = []
    for written in file.texts(key, empty=True):
        try:
            value = json.loads(written)
        except ValueError:
            raise file.wrong(key, "is not JSON") from None
        if not isinstance(value, dict):
            raise file.wrong(key, "must be a FHIR resource")
        found.append(value)
    return found


def _check(file: _File, agreement: Agreement) -> None:
    """What no single key can say: the rules that hold between them."""
    if agreement.letter in MUST_HOLD and agreement.undecidable != "hold":
        raise file.wrong("undecidable", "where silence can kill, what cannot be decided is held")
    _check_without_consent(file, agreement)
    _check_extract(file, agreement)
    if agreement.regime == "anonymous":
        personal = {path.path.split(".", 1)[0] for path in agreement.fields} - {"MeasureReport", "Organization"}
        if agreement.without_consent != "nothing" or agreement.identifier_systems or personal:
            raise file.wrong(
                "regime", "an anonymous report names no person: no identifiers, no other types, without_consent nothing"
            )
        if "motivated_intruder" not in agreement.text:
            raise file.wrong("words.motivated_intruder", "missing: an anonymous report needs its assessment")
    wants = any(path.path.split(".")[:2] == ["Patient", "identifier"] for path in agreement.fields)
    if wants != bool(agreement.identifier_systems):
        raise file.wrong("identifier_systems", "Patient.identifier and identifier_systems stand or fall together")
    good = {Outcome.RELEASE, Outcome.REDUCE, Outcome.COUNTED}
    if not {item.expect for item in agreement.examples} & good or (
        all(item.expect in good for item in agreement.examples) and not any(item.stays for item in agreement.examples)
    ):
        raise file.wrong("examples", "needs an example that leaves and a counter-example that does not")


def _check_without_consent(file: _File, agreement: Agreement) -> None:
    """INVARIANT: what asks no consent is a closed list of letters, and what the law has told holds nothing but whom it is about."""
    says, own = agreement.without_consent, OF_ITS_OWN.get(agreement.letter)
    if own is None and says in OF_ITS_OWN.values():
        raise file.wrong(
            "without_consent", f"`{says}` is for no other letter than its own: a consent is asked for this one"
        )
    if own is not None and says != own:
        raise file.wrong(
            "without_consent", f"must be `{own}` for this letter: no consent lets it go, and none stops it"
        )
    if says == "harm-test" and agreement.undecidable != "withhold":
        raise file.wrong("undecidable", "nothing is left undecided where only two people let it go")
    if says != "duty":
        return
    if agreement.undecidable != "hold":
        raise file.wrong("undecidable", "what has to be told is held and told, never dropped")
    if agreement.recipient_class not in TOLD_BY_DUTY:
        raise file.wrong(
            "recipient_class", f"must be one of {', '.join(sorted(TOLD_BY_DUTY))}: nobody else is told by rule"
        )
    if {path.path.split(".", 1)[0] for path in agreement.fields} - SAID_BY_DUTY:
        raise file.wrong(
            "fields", "what leaves whatever the person said holds nothing but whom it is about and who says it"
        )


def _check_extract(file: _File, agreement: Agreement) -> None:
    """INVARIANT: an extract is for an approval and for one body, each row by its person's consent and under a pseudonym alone."""
    if agreement.letter != EXTRACT:
        return
    for word in ("approval", "evaluator"):
        if word not in agreement.text:
            raise file.wrong(f"words.{word}", "missing: an extract is for one approval and one evaluator")
    if not re.fullmatch(r"[A-Z0-9]{3,12}", agreement.text["evaluator"]):
        raise file.wrong("words.evaluator", "must be the ODS code of who may have it")
    if agreement.without_consent != "nothing":
        raise file.wrong("without_consent", "must be `nothing` for an extract: it is not care")
    if any(not system.startswith("pseudonym:") for system in agreement.identifier_systems):
        raise file.wrong("identifier_systems", "an extract names nobody: a pseudonym, or nothing")


def check_examples(agreement: Agreement) -> tuple[ExampleResult, ...]:
    """Run every example of an agreement, in its order."""
    results = []
    for example in agreement.examples:
        decision = run(agreement, example)
        wrong = faults(agreement, example, decision)
        results.append(
            ExampleResult(
                name=example.name,
                expected=example.expect,
                got=decision.outcome,
                passed=not wrong,
                text="; ".join(wrong),
            )
        )
    return tuple(results)
