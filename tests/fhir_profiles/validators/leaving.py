"""Every resource that leaves: each letter of several files, through each agreement that is shipped for it, on each FHIR wire (the served
examples among them), a referral's update and end; what the gateway itself answers; and each kind of AuditEvent of its feed.
"""

import copy
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache

from consent.minimise import NothingLeaves, minimise
from consent.shapes import Decision, Vote
from fhir_profiles import audit_event
from fhir_profiles.audit_event import MINOR, PERMITTED, SERIOUS, Happening, Observer
from fhir_profiles.compose import LETTERS
from fhir_profiles.elements import name_of
from fhir_profiles.examples import example
from fhir_profiles.fhir_json import decode
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.render import render
from fhir_profiles.shapes import Channel, Json, LetterContext
from fhir_profiles.translate import translate
from tests.fhir_profiles.fhir_message import golden_pairs as fhir_pairs
from tests.fhir_profiles.letters.files import HEADING, REPORTS, case, patient
from tests.fhir_profiles.letters.test_through_the_gate import AGREEMENTS, NAMING, decided, minimised
from tests.fhir_profiles.mappings import golden_pairs as hl7v2_pairs
from tests.fhir_profiles.validators.answered import answers
from tests.fhir_profiles.validators.running import Judged

FHIR = "application/fhir+json"
SPOKEN = {"text": "Polish, with an interpreter"}  # in words only, as a sender wrote it


@cache
def mapped_file() -> list[Json]:
    """One file that holds everything that the golden messages of both standards mean, each resource once."""
    found: dict[str, Json] = {PATIENT_REFERENCE: patient()}
    channels = ((hl7v2_pairs.sources(), "hl7v2"), (fhir_pairs.sources(), "fhir"))
    for sources, standard in channels:
        for source in sources:
            channel = Channel(name="golden", format=standard)  # type: ignore[arg-type]  # a literal in a loop is read as text
            bundle = translate(channel, source.read_bytes()).bundle or {}
            for entry in bundle.get("entry", ()):
                found.setdefault(name_of(entry["resource"]), entry["resource"])
    return list(found.values())


FILES: dict[str, Callable[[str], tuple[list[Json], LetterContext]]] = {
    "whole file": case,
    "everything mapped": lambda letter: (
        mapped_file(),
        replace(case(letter)[1], focus=tuple(map(name_of, mapped_file()))),
    ),
    "Patient only": lambda letter: ([patient(communication=[{"language": SPOKEN}])], case(letter)[1]),
    "nothing": lambda letter: ([], case(letter)[1]),
}


def minimised_letters() -> Iterator[tuple[str, str, Json]]:
    """What the shipped agreements let out of every letter of every file: (letter, file, bundle)."""
    for letter in LETTERS:
        for file, made in FILES.items() if letter not in REPORTS else [("whole file", case)]:
            with suppress(NothingLeaves):
                yield letter, file, minimised(letter, *made(letter))


def letters() -> Iterator[Judged]:
    """Each letter as a recipient gets it: the whole file on every FHIR wire, the others on the usual one."""
    for letter, file, bundle in minimised_letters():
        wires = LETTERS[letter].wires
        for wire in wires if file == "whole file" else wires[:1]:
            name = f"{letter}, {wire}, {file}"
            if file == "whole file" and wire == wires[0]:
                yield Judged(
                    name=name, resource=copy.deepcopy(example(f"example-{letter}"))
                )  # the same, but for the id
                continue
            written = render(bundle, wire, HEADING)
            if written.content_type == FHIR:
                yield Judged(name=name, resource=decode(written.body))


UNDER = {
    path.stem: held["letter"]
    for path in sorted(AGREEMENTS.glob("*.toml"))
    if (held := tomllib.loads(path.read_text("utf-8")))["letter"] in LETTERS and held["letter"] != path.stem
}
"""Each shipped agreement that a letter goes under beside the one of its own name, and that letter."""


def under_other_agreements() -> Iterator[Judged]:
    """The same letters as they go to their other recipients, and each letter with every second resource kept back by its person."""
    for agreement, letter in UNDER.items():
        yield _rendered(f"{letter}, under {agreement}", letter, *decided(letter, *case(letter), agreement))
    for letter in LETTERS:
        if letter not in REPORTS:
            bundle, decision = decided(letter, *case(letter))
            others = [
                vote
                for vote in decision.votes
                if not vote.resource.startswith(("Patient/", "Composition/", "Communication/notice"))
            ]
            denied = {vote.resource for vote in others[::2]}
            votes = (replace(each, vote=Vote.DENY) if each.resource in denied else each for each in decision.votes)
            fewer = replace(decision, votes=tuple(votes), withheld_marker=True)
            yield _rendered(f"{letter}, half of it", letter, bundle, fewer)


def _rendered(name: str, letter: str, bundle: Json, decision: Decision) -> Judged:
    left = minimise(bundle, decision, NAMING).bundle
    return Judged(name=name, resource=decode(render(left, LETTERS[letter].default_wire, HEADING).body))


def referrals() -> Iterator[Judged]:
    """A referral's update and its end, as the provider that was told of it gets them."""
    file, context = case("referral")
    for status in ("active", "revoked", "entered-in-error"):
        held = [{**each, "status": status} if each["resourceType"] == "ServiceRequest" else each for each in file]
        told = replace(context, told_before=True)
        yield _rendered(f"referral, told before, {status}", "referral", *decided("referral", held, told))
    yield _rendered(
        "referral, asked no more",
        "referral",
        *decided("referral", file, replace(context, told_before=True, taken_back=1)),
    )


HAPPENED = Happening(
    entry="01KF0000000000000000000001",
    position=7,
    event="delivered",
    at="2026-01-15T12:00:00.000000Z",
    chain="4123456789ABCDEFGHJK",
    outcome=PERMITTED,
    outcome_text="http-400",
    subject="ab" * 32,
    recipient="northfell",
    recipient_ods="ZZC01",
    decision="01KF0000000000000000000002",
    letter="handover",
    purpose=(("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT"),),
)
"""With everything that can be known of an entry."""
BARE = replace(HAPPENED, outcome_text="", recipient_ods="", recipient="", purpose=())
OBSERVER = Observer(origin="ledger.example/demo", endpoint="https://gateway.example/fhir")


def audit_events() -> Iterator[Judged]:
    """Disclosures and decisions with each outcome, with all that can be known and with little; an act of each kind, of a person and of nobody."""
    for made in (audit_event.disclosure, audit_event.decision):
        for what in (HAPPENED, BARE):
            for outcome in (PERMITTED, MINOR, SERIOUS):
                said = "full" if what is HAPPENED else "bare"
                event = made(replace(what, outcome=outcome), OBSERVER)
                yield Judged(name=f"{made.__name__}, {said}, {outcome}", resource=event)
    acts = {kind: event for event, kind in audit_event.KINDS.items()}  # one event of each kind
    for name in (*acts.values(), "told"):
        for subject in (HAPPENED.subject, ""):
            act = audit_event.act(replace(BARE, event=name, subject=subject), OBSERVER)
            yield Judged(name=f"act: {name} of {'a person' if subject else 'nobody'}", resource=act)


def leaving() -> list[Judged]:
    events = list(audit_events())
    fed = [{**one.resource, "id": f"event-{number}"} for number, one in enumerate(events[::4])]
    return [*letters(), *under_other_agreements(), *referrals(), *answers(fed), *events]
