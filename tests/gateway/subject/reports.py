"""The officer's report as a test asks for it, and what it says of the letters that left."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from gateway import shipped
from gateway.demo.people import SyntheticPerson
from gateway.pipeline import Gateway
from gateway.states import DeliveryState
from gateway.subject import acts, report
from gateway.subject.acts import What
from gateway.subject.report import Report
from tests.line import Line

_OF_THE_WAY = frozenset(DeliveryState)


def sign(gateway: Gateway) -> None:
    gateway.ledger.sequence()
    gateway.ledger.sign_head()


def reported(gateway: Gateway, message_id: str) -> tuple[Report, dict[str, Any]]:
    """The officer's report about the person of a message: Ada asks, Ben approves."""
    act = asked_and_approved(gateway, message_id, What.REPORT)
    sign(gateway)
    return report.make(gateway, act)


def asked_and_approved(gateway: Gateway, message_id: str, what: What) -> str:
    """The act about the person of this message."""
    act = acts.ask(gateway, message_id, what, reason="a request by letter", by="Ada Example")
    acts.approve(gateway, act, reason="seen", by="Ben Example")
    return act


def left(made: Report) -> tuple[Counter[str], dict[str, str]]:
    """Of every delivery that left, as the report tells it: how often, and the last that is said of its way."""
    words = {chain.id: [each.event for each in chain.happened] for chain in made.deliveries}
    sent = Counter({chain: events.count("sending") for chain, events in words.items() if "sending" in events})
    return sent, {chain: [each for each in words[chain] if each in _OF_THE_WAY][-1] for chain in sent}


def sent_of(made: Report) -> set[str]:
    """The deliveries that left, as the report tells it."""
    return set(left(made)[0])


def seen_on_the_wires(line: Line, whose: SyntheticPerson) -> set[str]:
    """The oracle, without the ledger or the store: the keys of all requests whose body names the person."""
    return {
        got.key
        for neighbour in line.neighbours.values()
        for got in neighbour.got
        if whose.nhs_number.encode() in got.body or whose.prison_number.encode() in got.body
    }


def message_of(line: Line, count: int) -> str:
    """The message with which this person came in: the people come in one after the other."""
    ins = [row.id for row in line.messages() if row.kind == "ADT^A01"]
    return str(ins[count])


def assert_proved(*files: Path) -> None:
    """By the program that is not ours, in a process that has nothing of ours."""
    assert files
    code = "import sys, verify_ledger as v; sys.exit(max(v.main([each]) for each in sys.argv[1:]))"
    for at in range(0, len(files), 500):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, files[at : at + 500])],
            cwd=shipped.verifier().parent,
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
