"""The document that an information governance officer signs: every agreement in plain words, who may have which kind of data, every field.

Written from the agreements themselves and from nothing else, so that it cannot say what the gateway does not do. It MUST NOT decide.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from consent.document import Block, Heading, Paragraph, Table
from consent.kinds import KINDS, how_much, most
from consent.paths import compile_paths, permits
from consent.shapes import Agreement, Coding, Example

WORDS: Final[Mapping[str, str]] = {
    "parties": "Who shares with whom",
    "controller": "Controller",
    "processor": "Processor",
    "purpose": "What for",
    "article_6": "UK GDPR article 6",
    "article_9": "UK GDPR article 9",
    "article_10": "UK GDPR article 10 (offence data)",
    "schedule_1": "DPA 2018 schedule 1",
    "common_law": "Common law duty of confidence",
    "caveats": "What the recipient must know",
    "retention": "How long it is kept",
    "owner": "Who answers for it",
    "review": "To be reviewed by",
    "ends": "Last day in force",
    "approval": "Approval",
    "evaluator": "Evaluator, by ODS code",
    "unsure": "Not certain yet",
    "motivated_intruder": "Motivated-intruder assessment",
}
REGIMES: Final[Mapping[str, str]] = {
    "uk-gdpr": "UK GDPR and DPA 2018 part 2",
    "dpa-part-3": "DPA 2018 part 3 (law enforcement)",
    "anonymous": "Nothing about a person leaves: results are counted, and consent is not asked",
}
PURPOSES: Final[Mapping[str, str]] = {
    "TREAT": "treatment",
    "COC": "co-ordination of care",
    "HOPERAT": "running a health service",
    "HLEGAL": "a legal proceeding",
    "HQUALIMP": "improving quality",
    "PERFMSR": "measuring performance",
    "PUBHLTH": "public health",
    "SUPNWK": "the person's family and friends",
    "THREAT": "a threat to safety",
    "resettlement": "planning of release with probation",
    "ndtms": "national drug treatment monitoring",
}
WITHOUT_CONSENT: Final[Mapping[str, str]] = {
    "implied": "It leaves: direct care. A recorded refusal stops it, and the clinician is told",
    "nothing": "Nothing leaves",
    "duty": "It leaves: a duty to tell what the recipient can not know otherwise. No consent is asked, and no refusal stops it",
    "harm-test": "Nothing leaves, and with a consent neither: only two people's harm test lets it go",
}
UNDECIDABLE: Final[Mapping[str, str]] = {
    "hold": "It waits for a person, who is told at once",
    "withhold": "It does not leave",
}
OUTCOMES: Final[Mapping[str, str]] = {
    "release": "leaves",
    "reduce": "leaves without what is kept back",
    "counted": "is counted; nothing about anybody leaves",
    "withhold": "does not leave",
    "hold": "waits for a person",
}
STATE: Final = "draft"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A page of rules that run as tests: a heading, a paragraph and one table."""

    heading: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def ig_document(
    agreements: Sequence[Agreement], states: Mapping[str, str], rules: Sequence[Rules] = ()
) -> tuple[Block, ...]:
    """The whole document. `states` says of each agreement by name how it stands (`in force`); a draft is always a draft."""
    inside = [each for each in agreements if not each.draft]
    drafts = [each for each in agreements if each.draft]
    return (
        Paragraph(
            text="Each agreement is a file that the gateway reads, and this document is written from those files. What no agreement names "
            "does not leave. The digest of the agreement under which something was decided is kept with every decision."
        ),
        *_overview([*inside, *drafts], states),
        *_matrix("Who may have which kind of data", inside),
        *_matrix("The same for drafts, under which nothing is sent", drafts),
        Heading(level=2, text="The agreements"),
        *(block for each in inside for block in _agreement(each, states.get(each.name, ""))),
        *(block for each in drafts for block in _agreement(each, STATE)),
        *_fields_of_all(inside, drafts),
        *_rules(rules),
    )


def _overview(agreements: Sequence[Agreement], states: Mapping[str, str]) -> Iterator[Block]:
    yield Heading(level=2, text="At a glance")
    yield Table(
        caption="Every agreement",
        columns=("agreement", "flow", "to", "what", "without a consent", "review by", "last day", "state"),
        rows=tuple(
            (
                each.name,
                each.flow,
                each.recipient_class,
                each.title,
                WITHOUT_CONSENT[each.without_consent].split(":")[0],
                each.text["review"],
                each.text["ends"],
                STATE if each.draft else states.get(each.name, ""),
            )
            for each in agreements
        ),
    )


def _matrix(title: str, agreements: Sequence[Agreement]) -> Iterator[Block]:
    if not agreements:
        return
    classes = sorted({each.recipient_class for each in agreements})
    yield Heading(level=2, text=title)
    yield Paragraph(
        text="What a class of recipient may have under any of its agreements together. A kind stands for a few elements; every single field "
        "is listed further below."
    )
    yield Table(
        caption=f"{title}: kind of data by class of recipient",
        columns=("kind of data", *classes),
        rows=tuple(
            (
                kind,
                *(
                    str(most(how_much(each, kind) for each in agreements if each.recipient_class == one))
                    for one in classes
                ),
            )
            for kind in KINDS
        ),
    )


def _agreement(agreement: Agreement, state: str) -> Iterator[Block]:
    yield Heading(level=3, text=f"{agreement.name}: {agreement.title}")
    yield Table(
        caption=f"{agreement.name}: what is agreed",
        columns=("term", "what is agreed"),
        rows=tuple((name, said) for name, said in _terms(agreement, state) if said),
    )
    yield Table(
        caption=f"{agreement.name}: what may leave, and why it is necessary",
        columns=("why", "fields"),
        rows=tuple((why, ", ".join(paths)) for why, paths in _why(agreement)),
    )
    yield Table(
        caption=f"{agreement.name}: examples and counter-examples, which run as tests",
        columns=("situation", "the letter", "must be in it", "must never be in it"),
        rows=tuple(_example(each) for each in agreement.examples),
    )


def _terms(agreement: Agreement, state: str) -> Iterator[tuple[str, str]]:
    yield "State", state
    yield "Why it is a draft", agreement.draft
    yield "Flow", agreement.flow
    yield "Letter, and to whom", f"{agreement.letter}, to {agreement.recipient_class}"
    yield "What starts it", ", ".join(agreement.events)
    yield "Regime", REGIMES[agreement.regime]
    yield "Purpose of use", ", ".join(_purpose(each) for each in agreement.purpose)
    yield "Where no consent is on record", WITHOUT_CONSENT[agreement.without_consent]
    yield "Where a consent cannot be decided", UNDECIDABLE[agreement.undecidable]
    yield "Where a part is kept back", _marker(agreement)
    yield "Identifiers of the person that may leave", ", ".join(agreement.identifier_systems) or "none"
    for key, name in WORDS.items():
        yield name, agreement.text.get(key, "")
    yield "Digest of the file", agreement.digest


def _marker(agreement: Agreement) -> str:
    if agreement.withheld_marker:
        return 'The letter says "Items excluded due to confidentiality and/or patient preferences." and no more'
    return "The letter does not say so"


def _purpose(coding: Coding) -> str:
    return f"{PURPOSES.get(coding.code, 'as coded')} ({coding.code})"


def _why(agreement: Agreement) -> Iterator[tuple[str, tuple[str, ...]]]:
    for why, fields in groupby(agreement.fields, key=lambda field: field.why):
        yield why, tuple(field.path for field in fields)


def _example(example: Example) -> tuple[str, str, str, str]:
    return (example.name, OUTCOMES[str(example.expect)], ", ".join(example.leaves), ", ".join(example.stays))


def _fields_of_all(inside: Sequence[Agreement], drafts: Sequence[Agreement]) -> Iterator[Block]:
    yield Heading(level=2, text="Every field, and who may see it")
    yield Paragraph(
        text="A field stands for what is below it too, but for free text, names, identifiers and links: those are fields of their own. "
        "What is not in this list does not leave to anybody."
    )
    paths = sorted({path for each in (*inside, *drafts) for path in each.paths})
    for kind, own in groupby(paths, key=lambda path: path.split(".", 1)[0]):
        columns = ("field", "who may see it", *(("drafts that name it",) if drafts else ()))
        yield Heading(level=3, text=kind)
        yield Table(
            caption=f"{kind}: every field, and who may see it",
            columns=columns,
            rows=tuple((path, _seen_by(path, inside), _seen_by(path, drafts))[: len(columns)] for path in own),
        )


def _seen_by(path: str, agreements: Iterable[Agreement]) -> str:
    """By class, with the agreements that let it: a field that a wider path lets out is seen too."""
    found: dict[str, list[str]] = {}
    for each in agreements:
        if path in each.paths or permits(compile_paths(each.paths), path):
            found.setdefault(each.recipient_class, []).append(each.name)
    return "; ".join(f"{one} ({', '.join(names)})" for one, names in sorted(found.items())) or "nobody"


def _rules(rules: Sequence[Rules]) -> Iterator[Block]:
    if not rules:
        return
    yield Heading(level=2, text="The sharing rules")
    yield Paragraph(
        text="These tables run as tests of the program: each cell is one decision, and a cell that is not so fails the build."
    )
    for each in rules:
        yield Heading(level=3, text=each.heading)
        yield Paragraph(text=each.text)
        yield Table(caption=each.heading, columns=each.columns, rows=each.rows)
