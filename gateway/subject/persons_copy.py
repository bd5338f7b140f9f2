"""The person's copy: what was done with their data, in plain English, after a review; what is withheld stands in the ledger with its ground.

INVARIANT: data about health are not handed over before an appropriate health professional's opinion on serious harm, of the last six months
(Data Protection Act 2018, schedule 3, part 2, paragraphs 5 and 6). The copy says that something may be left out; it MUST NOT say whether or what.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, select

from consent.explain import for_person, what_leaves
from fhir_profiles.print.paper import Part, Sheet, printed
from gateway.evidence import enter_export
from gateway.failpoints import around
from gateway.instants import from_text
from gateway.parts import Parts
from gateway.states import MESSAGE_START
from gateway.steps.kept import KeptUnread
from gateway.steps.reasons import seal_reason
from gateway.store.schema import delivery, ledger_entry, person
from gateway.subject import scan
from gateway.subject.acts import Act, ActError, What, approved, enter
from gateway.subject.scan import Entry
from gateway.whole_way import kept_decision

OPINION_DAYS: Final = 183
"""A health professional's opinion is not older than six months (schedule 3, part 2, paragraph 6)."""


class Role(StrEnum):
    """Who reviews."""

    HEALTH_PROFESSIONAL = "health-professional"
    OFFICER = "officer"


class Ground(StrEnum):
    """Why a line may be left out. Nothing else is a ground."""

    SERIOUS_HARM = "serious-harm"  # schedule 3, part 2, paragraph 5
    THIRD_PARTY = "third-party"  # schedule 2, part 3, paragraph 16
    CRIME = "crime"  # schedule 2, part 1, paragraph 2


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that happened: `id` of the message or decision, when, and what the copy would say of it."""

    id: str
    at: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Review:
    """The last word of one role: when, and the lines that it leaves out."""

    at: str
    withheld: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What the person may have: made at the instant `at`, with the lines that no review left out."""

    at: str
    told: tuple[Line, ...]

    @property
    def text(self) -> str:
        told = "\n".join("\n".join((f"\n{_day(line.at)}", *line.sentences)) for line in self.told)
        return f"{_TITLE}\n\n{_BEGINS.format(day=_day(self.at))}{told}\n{_ENDS}"

    @property
    def paper(self) -> bytes:
        """The same words as a PDF in large print, tagged for a screen reader."""
        begins, ends = (
            tuple(" ".join(each.split("\n")) for each in text.strip().split("\n\n"))
            for text in (_BEGINS.format(day=_day(self.at)), _ENDS.replace("\n", "\n\n"))
        )
        days = (Part(heading=_day(line.at), lines=line.sentences, listed=False) for line in self.told)
        return printed(
            Sheet(
                title=_TITLE,
                author="Throughgate",
                mark="",
                foot="Your copy",
                time=self.at,
                points=LARGE_PRINT,
                parts=(
                    Part(heading="", lines=begins, listed=False),
                    *days,
                    Part(heading="What you can do", lines=ends, listed=False),
                ),
            )
        )


LARGE_PRINT: Final = 18
"""Points. Large print is 16 or more (Accessible Information Standard, DCB1605)."""
_KINDS: Final = {
    "ADT": "about you coming in, moving or leaving",
    "ORU": "with test results",
    "OML": "with a request for a test",
    "MDM": "with a document",
    "REF": "with a referral",
    "PPR": "about your problems and needs",
    "CON": "about what you agreed to",
}
_EXTRACT: Final = (
    "We made a table for people who check if our service works.",
    "It has no names, no NHS numbers and no dates of birth.",
    "You are in it only if you said yes to that.",
    "You are not in it if you opted out.",
    "We keep no list of who is in it.",
)
_MEDICINES: Final = ("RDE", "RAS", "RDS", "OMP")
_TITLE: Final = "What we did with information about you"
_BEGINS: Final = """This is your copy. It was made on {day}.

Some things may have been left out. The law lets us leave out three kinds of things. One is what could do serious harm to someone's health.
One is what is about another person. One is what could get in the way of stopping crime. We do not say if we left anything out of this copy.
"""
_ENDS: Final = """
You can ask us about anything here. You can tell us what you want us to share.
If you are not happy with this answer, ask us to look again. You can also complain to the Information Commissioner: ico.org.uk.
"""


def lines(parts: Parts, act_id: str) -> tuple[Line, ...]:
    """Everything that the copy could say, in the order in which it happened. ActError unless a second person approved."""
    with parts.store.read() as c:
        return _lines(c, parts, approved(c, parts, act_id, What.REPORT))


def review(parts: Parts, act_id: str, *, role: Role, withhold: Mapping[str, Ground], reason: str, by: str) -> None:
    """One role's word on the whole copy. ActError for a line that there is not, and for serious harm from anybody but a health professional."""

    def work(c: Connection) -> None:
        act = approved(c, parts, act_id, What.REPORT)
        unknown = set(withhold) - {line.id for line in _lines(c, parts, act)}
        if unknown:
            raise ActError(f"{min(unknown)} is no line of this copy: `throughgate subject-access lines`")
        if Ground.SERIOUS_HARM in withhold.values() and role is not Role.HEALTH_PROFESSIONAL:
            raise ActError("only a health professional can say that something would seriously harm")
        # INVARIANT: each withheld line, its ground, its reviewer and its date stand in the ledger
        note = seal_reason(c, parts, act.person_id, reason=reason, by=by)
        enter(c, parts, act_id, "access-reviewed", {"role": role.value, "withheld": len(withhold), "note": note})
        for line, ground in sorted(withhold.items()):
            facts: dict[str, str | int | bool] = {
                "role": role.value,
                "line": line,
                "ground": ground.value,
                "note": note,
            }
            enter(c, parts, act_id, "line-withheld", facts)

    with around("access-reviewed"):
        parts.store.write(work)


def write(parts: Parts, act_id: str) -> Copy:
    """The copy, as text or paper. ActError before a health professional's opinion of the last six months on every line, and from a ledger
    that does not verify: what somebody took out of it would be left out in silence.
    """
    with parts.store.read() as c:
        act = approved(c, parts, act_id, What.REPORT)
        found = _lines(c, parts, act)
        reviews = _reviews(act)
        opinion = reviews.get(Role.HEALTH_PROFESSIONAL)
        if opinion is None:
            raise ActError("a health professional has to say first whether anything could seriously harm")
        if parts.clock() - from_text(opinion.at) > timedelta(days=OPINION_DAYS):
            raise ActError("the health professional's opinion is older than six months: it is needed again")
        if any(line.at > opinion.at for line in found):
            raise ActError("something has happened since the health professional's opinion: it is needed again")
        withheld = frozenset().union(*(each.withheld for each in reviews.values()))
    if not parts.ledger.verify().verified:
        raise ActError(
            "the ledger does not verify, so that nobody can say that this is all: see `throughgate ledger verify`"
        )
    enter_export(parts, "persons-copy", about=act_id)
    return Copy(at=parts.now(), told=tuple(line for line in found if line.id not in withheld))


def _reviews(act: Act) -> dict[Role, _Review]:
    """INVARIANT: of each role the last review counts, whole."""
    found: dict[Role, _Review] = {}
    for event, at, facts in act.entries:
        if event == "access-reviewed":
            found[Role(facts["role"])] = _Review(at=at, withheld=frozenset())
        if event == "line-withheld":
            role = Role(facts["role"])
            found[role] = _Review(at=found[role].at, withheld=found[role].withheld | {str(facts["line"])})
    return found


def _lines(c: Connection, parts: Parts, act: Act) -> tuple[Line, ...]:
    chains: dict[str, list[Entry]] = {}
    for entry in scan.find(c, parts, act.person_id).entries:
        chains.setdefault(entry.chain, []).append(entry)
    found = [line for entries in chains.values() for line in _of_chain(c, parts, entries)]
    found += _of_extracts(c, act.person_id)
    return tuple(sorted(found, key=lambda line: (line.at, line.id)))


def _of_chain(c: Connection, parts: Parts, entries: list[Entry]) -> Iterator[Line]:
    first = entries[0]
    if first.event in MESSAGE_START:
        kind = str(first.facts.get("kind", ""))
        yield Line(id=first.chain, at=first.at, sentences=(f"{_sender(first)} sent us a message {_kind(kind)}.",))
    for each in entries:
        if each.event == "decided" and "decision" in each.facts:
            yield Line(id=str(each.facts["decision"]), at=each.at, sentences=_of_decision(c, parts, each))


def _of_extracts(c: Connection, person_id: str) -> Iterator[Line]:
    """Every extract that was made since the person is on file, the same words for who is in it and who is not.

    INVARIANT: nothing links a person to a row: an entry by person would, for whoever has the file and the ledger.
    """
    since = c.execute(select(person.c.created_at).where(person.c.id == person_id)).scalar_one()
    query = select(ledger_entry.c.body).where(ledger_entry.c.chain.like("extract:%")).order_by(ledger_entry.c.sequence)
    told: set[str] = set()
    for entry in map(scan.entry_of, c.execute(query).scalars()):
        if entry.at >= since and entry.chain not in told:
            told.add(entry.chain)
            yield Line(id=entry.id, at=entry.at, sentences=_EXTRACT)


def _of_decision(c: Connection, parts: Parts, entry: Entry) -> tuple[str, ...]:
    """Plain words from what was kept with the decision; what the ledger alone knows, where that has gone."""
    decision_id = str(entry.facts["decision"])
    try:
        kept = kept_decision(c, parts, decision_id)
    except KeptUnread:
        kept = None
    if kept is None:
        sent = c.execute(select(delivery.c.id).where(delivery.c.decision_id == decision_id)).first() is not None
        return (
            "We decided about a letter about you. We no longer keep what was in it.",
            *(("It was made.",) if sent else ()),
        )
    decision = kept.kept.decision
    said = for_person(decision, what_leaves(decision, kept.kept.composed), kept.kept.withheld, arrived=kept.arrived)
    # the day stands above the line, and what the person can do stands once, at the end
    return tuple(each for each in said if not each.startswith(("This is about ", "You can ")))


def _sender(entry: Entry) -> str:
    """The system that sent it, by the name under which it is registered here."""
    return f"The system {entry.facts.get('client', 'of somebody')}"


def _kind(kind: str) -> str:
    family = kind.split("^", maxsplit=1)[0]
    if family in _MEDICINES:
        return "about your medicines"
    return _KINDS.get(family, "with a part of your health record")


def _day(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%d %B %Y").lstrip("0")
