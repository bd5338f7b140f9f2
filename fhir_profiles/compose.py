"""Compose: from a person's file to a letter's bundle, before anybody has decided who may know.

The bundle keeps internal ids (`Type/id`) and carries labels; consent, minimisation and rendering come after. Total on data: whatever the file
lacks is named in the letter and in `Composed.missing`. It must never invent, compute or round a clinical value.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from fhir_profiles.consent_words import consent_sentence
from fhir_profiles.elements import kind, name_of, well_formed
from fhir_profiles.label import label_bundle, looked_at_again
from fhir_profiles.letters import LETTERS
from fhir_profiles.letters.indicators import write_indicators
from fhir_profiles.letters.parts.closing import closed
from fhir_profiles.letters.parts.labels_of_ours import NORMAL
from fhir_profiles.letters.parts.not_stated import with_what_is_not_stated
from fhir_profiles.letters.parts.picture import picture_of, unplaced
from fhir_profiles.letters.report import missing_groups, write_report
from fhir_profiles.shapes import Composed, IndicatorFigures, Json, LetterContext, ReportFigures

__all__ = ["LETTERS", "NOTICE", "compose", "compose_report", "with_caveats", "with_caveats_apart", "with_consents"]
NOTICE: Final = "Communication/notice"
TERMS: Final = "Communication/terms"
CAVEATS: Final = "What you must know: "


def _bundle(resources: Iterable[Json]) -> Json:
    """Give the labelled Bundle; its type is settled by the wire."""
    entries = [{"resource": each} for each in resources]
    return label_bundle({"resourceType": "Bundle", "type": "collection", "entry": entries}, composed=True)


def compose(letter: str, resources: Sequence[Json], context: LetterContext, as_of: str) -> Composed:
    """Write a letter about one person from the current file.

    `letter` is a name of `LETTERS` (but `report` and `indicators`), `as_of` an instant with offset. Raises ValueError for another name; never on data.
    """
    spec = LETTERS.get(letter)
    if spec is None:
        raise ValueError(f"there is no letter named {letter}")
    picture = unplaced(picture_of(resources, context, as_of))
    missing = tuple(fact for fact in spec.required if not fact.present(picture))
    told = map(with_what_is_not_stated, closed(spec.write(picture, missing), picture.file))
    return Composed(
        # INVARIANT: no letter is decided by a sender's label of content that nobody knows, whichever version of the product filed it.
        bundle=_bundle(looked_at_again(told, well_formed(resources))),
        missing=tuple(fact.name for fact in missing),
    )


def with_caveats(composed: Composed, caveats: str) -> Composed:
    """Say in the notice what the recipient must know, in the words of the agreement that the letter goes under.

    A letter is composed once, whoever gets it; what differs by agreement is this one sentence. What has no notice (counts) is not changed.
    """
    return _saying(composed, f"{CAVEATS}{caveats}") if caveats else composed


def with_caveats_apart(composed: Composed, caveats: str) -> Composed:
    """Say what the recipient must know beside the notice, about nobody and word for word: for a letter whose notice may not leave.

    INVARIANT: a section that holds the notice holds them too: a document is read, and printed, by its sections.
    """
    terms = {"resourceType": "Communication", "id": "terms", "meta": NORMAL, "status": "completed"}
    entry = {"resource": {**terms, "payload": [{"contentString": caveats}]}}
    held = composed.bundle["entry"]
    if entry in held:
        return composed
    letter = [{**each, "resource": _with_terms_in_its_sections(each["resource"])} for each in held]
    return replace(composed, bundle={**composed.bundle, "entry": [*letter, entry]})


def _with_terms_in_its_sections(resource: Json) -> Json:
    if kind(resource) != "Composition":
        return resource
    notice, terms = {"reference": NOTICE}, {"reference": TERMS}
    sections = [
        {**each, "entry": [*each["entry"], terms]} if notice in each.get("entry", ()) else each
        for each in resource.get("section", ())
    ]
    return {**resource, "section": sections} if sections else resource


def with_consents(composed: Composed, consents: Sequence[Json] | None) -> Composed:
    """Say in the notice under which consents of the person the letter leaves, or that it leaves under none. `consents` are those and no other;
    None where nothing may be said of them.
    """
    return _saying(composed, consent_sentence(consents))


def _saying(composed: Composed, sentence: str) -> Composed:
    entries = composed.bundle.get("entry", [])
    place = next((n for n, each in enumerate(entries) if name_of(each["resource"]) == NOTICE), None)
    if place is None:
        return composed
    note = entries[place]["resource"]
    told = {**note, "payload": [*note["payload"], {"contentString": sentence}]}
    changed = [*entries[:place], {**entries[place], "resource": told}, *entries[place + 1 :]]
    return replace(composed, bundle={**composed.bundle, "entry": changed})


def compose_report(report: ReportFigures | IndicatorFigures) -> Composed:
    """Write the security report, or indicators, from closed figures. Raises ValueError when the period is not a month, or a quarter."""
    if isinstance(report, IndicatorFigures):
        return Composed(bundle=_bundle(write_indicators(report)))
    return Composed(bundle=_bundle(write_report(report)), missing=missing_groups(report))
