"""What is kept, sealed, with a decision, so that it can be explained and made again: question, composed bundle, naming key, heading.

Plain FHIR JSON and plain values in one JSON object. This module MUST NOT decide or change anything.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from consent.shapes import Decision, Withheld
from fhir_profiles import fhir_json
from fhir_profiles.shapes import Heading, Json, LetterContext


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One cell that a message's results were counted in."""

    report: str
    establishment: str
    period: str
    cell: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Read back from a decision: enough to decide and make the same letter again."""

    agreement: str
    recipient: str | None
    context: LetterContext
    corrects: str | None
    person_released: bool
    outcome: str
    votes: tuple[tuple[str, str, str], ...]
    """(resource, vote, rule)."""
    permitted: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    withheld: tuple[tuple[str, str], ...]
    counted: tuple[Counted, ...]
    missing: tuple[str, ...]
    composed: Json | None
    """The letter before minimisation; None where nothing was composed (results that are counted)."""


def write_kept(  # noqa: PLR0913  everything that a decision was made from, each by its name
    *,
    decision: Decision,
    recipient: str | None,
    context: LetterContext,
    corrects: str | None = None,
    person_released: bool = False,
    composed: Json | None = None,
    missing: tuple[str, ...] = (),
    id_key: bytes = b"",
    heading: Heading | None = None,
    withheld: tuple[Withheld, ...] = (),
    counted: tuple[Counted, ...] = (),
    consents: tuple[str, ...] = (),
) -> bytes:
    """The bytes to seal. `consents` are the registered versions that were asked, as `id/version`."""
    return fhir_json.encode(
        {
            "agreement": decision.agreement,
            "recipient": recipient,
            "context": asdict(context),
            "corrects": corrects,
            "person_released": person_released,
            "decision": asdict(decision),
            "composed": composed,
            "missing": list(missing),
            "id_key": id_key.hex(),
            "heading": asdict(heading) if heading else None,
            "withheld": [asdict(each) for each in withheld],
            "counted": [asdict(each) for each in counted],
            "consents": list(consents),
        }
    )


def read_kept(text: bytes) -> Kept:
    """Read what `write_kept` wrote."""
    kept: Mapping[str, Any] = fhir_json.decode(text)
    decision = kept["decision"]
    context = dict(kept["context"])
    context["focus"] = tuple(context["focus"])
    known = {field.name for field in fields(LetterContext)}
    return Kept(
        agreement=kept["agreement"],
        recipient=kept["recipient"],
        context=LetterContext(**{name: value for name, value in context.items() if name in known}),
        corrects=kept["corrects"],
        person_released=kept["person_released"],
        outcome=decision["outcome"],
        votes=tuple((vote["resource"], vote["vote"], vote["rule"]) for vote in decision["votes"]),
        permitted=tuple(decision["permitted"]),
        reasons=tuple((reason["rule"], reason["text"]) for reason in decision["reasons"]),
        withheld=tuple((each["path"], each["rule"]) for each in kept["withheld"]),
        counted=tuple(Counted(**each) for each in kept["counted"]),
        missing=tuple(kept["missing"]),
        composed=kept["composed"],
    )
