"""A letter as a document: a notice, clinical sections under record standard headings, whom to ask, and what is missing.

It must never change what a section takes, except to say in a drug test's own data that it is presumptive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fhir_profiles.days import days_of
from fhir_profiles.drug_tests import CONFIRMATORY
from fhir_profiles.elements import as_objects, codes, name_of
from fhir_profiles.letters.parts.headings import Section, missing_json, section_json
from fhir_profiles.letters.parts.identity import reachable
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.letters.parts.notice import ESTABLISHMENT, establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import Missing
from fhir_profiles.shapes import Json
from fhir_profiles.systems import TEST_METHOD

PRESUMPTIVE: Final = "Presumptive: this is not a confirmatory result."


@dataclass(frozen=True, kw_only=True)
class Part:
    """One clinical section: its heading, what it takes from the file, and what it says when that is nothing.

    `applies`: a section that a person may have no need of is left out where it holds nothing.
    """

    code: str
    title: str
    pick: Callable[[Picture], tuple[Json, ...]]
    empty: str
    applies: Callable[[Picture], bool] = lambda _picture: True


def document(
    picture: Picture,
    missing: Missing,
    *,
    letter: Json,
    compose: Callable[..., Json],
    title: str,
    event: str,
    parts: tuple[Part, ...],
    sentences: tuple[str, ...],
) -> tuple[Json, ...]:
    """Write the Composition (made by `compose`, the `build` of its profile), the Patient, then what the sections hold, in their order.

    `event` says in words what happened, that the letter is about.
    """
    note = notice(picture, letter=letter, priority="urgent", sentences=sentences, labels=RESTRICTED)
    sections = [Section(code="handover-details", title="Handover details", entries=(name_of(note),))]
    entries = [note]
    tests = {name_of(test) for test in picture.drug_tests}
    for part in parts:
        picked = picture.once(part.pick)
        if not picked and not part.applies(picture):
            continue
        names = tuple(name_of(resource) for resource in picked)
        sections.append(Section(code=part.code, title=part.title, entries=names, empty=part.empty))
        entries += [marked(resource) if name_of(resource) in tests else resource for resource in picked]
    sections.append(Section(code="contact-for-further-information", title="Contact", entries=(ESTABLISHMENT,)))
    written = tuple(section_json(section) for section in sections)
    named = missing_json(missing)
    composition = compose(
        kind=letter,
        title=title,
        provisional=picture.context.provisional,
        date=picture.as_of,
        subject=name_of(picture.patient),
        author=ESTABLISHMENT,
        event=_event(picture, event),
        sections=(*written, named) if named else written,
    )
    return ({**composition, "meta": RESTRICTED}, reachable(picture.patient), *entries, establishment(picture))


def _event(picture: Picture, words: str) -> Json:
    event: Json = {"code": [{"text": words}]}
    occurred = picture.context.occurred
    return {**event, "period": {"start": occurred}} if occurred and days_of(occurred) is not None else event


def marked(observation: Json) -> Json:
    """Say `presumptive` in the data of a drug test that is not confirmatory (R119); nothing else of it changes."""
    if CONFIRMATORY in codes(observation.get("method"), TEST_METHOD):
        return observation
    return {**observation, "note": [{"text": PRESUMPTIVE}, *as_objects(observation.get("note"))]}
