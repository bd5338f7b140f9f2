"""What must be true after the story, looked at from outside: what the neighbours hold, what was kept, what was said. Each by name."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway import whole_way
from gateway.demo import story
from gateway.demo.neighbours import Got
from gateway.demo.people import SyntheticPerson
from gateway.demo.play import Played
from gateway.demo.stage import Stage
from gateway.ledger import Verification

LEFT = ("delivered", "confirmed")


@dataclass(frozen=True, kw_only=True)
class Invariant:
    name: str
    held: bool


def received(stage: Stage) -> dict[str, list[Got]]:
    """What every neighbour holds."""
    return {**{name: server.got for name, server in stage.servers.items()}, story.SOUTHFELL: stage.mailbox.got}


def check(stage: Stage, played: list[Played], verification: Verification, log: str) -> tuple[Invariant, ...]:
    """All of them."""
    found = [*_story(played), *_letters(stage), *_privacy(stage, log), *_ledger(verification)]
    return tuple(Invariant(name=name, held=held) for name, held in found)


def _story(played: list[Played]) -> Iterator[tuple[str, bool]]:
    yield "every act came out as the story says", not any(each.differences for each in played)
    ended = {"released", "rejected"}
    yield "every message that was taken in reached its end", all(each.way.state in ended for each in played if each.way)


def _letters(stage: Stage) -> Iterator[tuple[str, bool]]:
    parts = stage.gateway
    with parts.store.read() as c:
        deliveries = whole_way.all_deliveries(c)
        digests = whole_way.digests(c)
        outcomes = whole_way.outcomes(c)
    got = [(name, letter) for name, letters in received(stage).items() for letter in letters]
    sent = {each.id: each for each in deliveries if each.state in LEFT}
    yield (
        "what the gateway calls delivered is what the neighbours hold",
        {letter.delivery_id for _, letter in got} == set(sent),
    )
    yield (
        "every letter arrived at its own recipient",
        all(sent[g.delivery_id].recipient == name for name, g in got if g.delivery_id in sent),
    )
    yield "every letter arrived exactly once", len(got) == len({letter.delivery_id for _, letter in got})
    yield (
        "every letter arrived byte for byte as it was decided",
        all(digests.get(letter.delivery_id) == hashlib.sha256(letter.body).hexdigest() for _, letter in got),
    )
    withheld = {each.id for each in deliveries if each.state in ("withheld", "held", "recalled")}
    yield "nothing that was withheld, held or recalled left", not withheld & {letter.delivery_id for _, letter in got}
    permits = {decision for decision, outcome in outcomes.items() if outcome in ("release", "reduce")}
    yield "every letter that left has a decision that let it", all(each.decision in permits for each in sent.values())
    waiting = [
        each for each in deliveries if each.state in ("queued", "waiting", "sending", "ambiguous", "parked", "held")
    ]
    yield "no letter is left waiting", not waiting


def marks(person: SyntheticPerson) -> tuple[str, ...]:
    """What would give a person away."""
    return (
        person.nhs_number,
        person.prison_number,
        person.family,
        person.born,
        person.born.replace("-", ""),
        person.postcode,
    )


def names_anybody(text: str) -> bool:
    """Does any mark of anybody in the story stand in this text?"""
    return any(mark in text for person in story.Cast().everybody() for mark in marks(person))


def _privacy(stage: Stage, log: str) -> Iterator[tuple[str, bool]]:
    got = received(stage)
    security = [letter.body.decode() for letter in got[story.SECURITY]]
    yield "security got one report and nothing else", len(security) == 1
    yield "nobody can be found in what security got", not any(names_anybody(text) for text in security)
    yield "a cell is shown only where it may be", bool(security) and _cells_hold(json.loads(security[0]))
    yield (
        "the pharmacy got prescriptions and no result, plan or risk",
        not _types(got[story.PHARMACY]) & {"Observation", "CarePlan", "Flag"},
    )
    yield (
        "the practice got no drug test and no score",
        bool(got[story.SURGERY]) and "Observation" not in _types(got[story.SURGERY]),
    )
    yield (
        "the prison's record got what was recorded outside and nothing of its own",
        bool(got[story.RECORD])
        and _types(got[story.RECORD]) <= {"MessageHeader", "Communication", "Patient", "Appointment", "Organization"},
    )
    casey = marks(story.Cast().casey)
    yield (
        "nothing about Casey, who said no, reached anybody",
        not any(mark in letter.body.decode() for letters in got.values() for letter in letters for mark in casey),
    )
    yield (
        "every letter of care names its person",
        all(names_anybody(letter.body.decode()) for name in (story.NORTHFELL, story.SOUTHFELL) for letter in got[name]),
    )
    yield "what the person on duty heard names nobody", not any(names_anybody(text) for text in stage.pager.told)
    yield "the log names nobody", not names_anybody(log)


def _types(letters: list[Got]) -> set[str]:
    return {entry["resource"]["resourceType"] for letter in letters for entry in letter.bundle().get("entry", [])}


def cells(report: dict[str, Any]) -> dict[str, str]:
    """Substance group -> what is shown, read back from the report as its recipient reads it."""
    found: dict[str, str] = {}
    for entry in report.get("entry", []):
        for group in entry["resource"].get("group", []):
            name = group.get("code", {}).get("coding", [{}])[0].get("code") or group.get("code", {}).get("text", "")
            shown = re.findall(r"(?<=\")(?:not seen|not shown|seen|\d+)(?=\")", json.dumps(group))
            found[name] = shown[-1] if shown else ""
    return found


def _cells_hold(report: dict[str, Any]) -> bool:
    shown = cells(report)
    return all(shown.get(group) == expected for group, expected in story.EXPECTED_CELLS.items())


def _ledger(verification: Verification) -> Iterator[tuple[str, bool]]:
    yield "the ledger verifies", verification.verified
    yield "the signed head covers every entry", verification.uncovered == 0
