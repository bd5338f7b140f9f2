"""Every named boundary: the process dies there, a new one starts on what is on the disk, and every rule holds.

A boundary is around a commit, a publish, a send or a receipt. Dying at one means that nothing after it happens: no commit, no send.
"""

import ast
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from gateway.failpoints import hooked
from tests.builders import METHADONE, adt_a01, adt_a03, consent, fhir_message, medication_request, synthetic_person
from tests.line import Line, running
from tests.world import check_world

ROOT = Path(__file__).resolve().parents[2]
BOXED = synthetic_person(2, postcode="ZB1 1AA")


STEPS = frozenset(
    {"receive", "store", "bus", "identify", "release", "door", "send", "receipt", "reconsider", "ledger"}
    | {"acknowledge", "publish", "response"}
)
"""The steps that the story below passes."""


@cache
def boundaries() -> frozenset[str]:
    """Every name, from the product's source: a new boundary is tested from the day it is written."""
    return frozenset(_named())


def _named() -> Iterator[str]:
    paths = [path for part in ("adapters", "gateway") for path in sorted((ROOT / part).rglob("*.py"))]
    texts = (path.read_text("utf-8") for path in paths)
    for text in (each for each in texts if "pass_point(" in each or "around(" in each):  # parsing all takes seconds
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            name = str(node.args[0].value)
            if getattr(node.func, "id", "") == "pass_point":
                yield name
            elif getattr(node.func, "id", "") == "around":
                yield f"{name}.before-commit"
                yield f"{name}.after-commit"


BOUNDARIES = sorted(name for name in boundaries() if name.split(".")[0] in STEPS)
ONCE = 1
OF_A_BROKER = ("bus.before-ack", "bus.after-ack")
"""The bus inside the process acknowledges nothing."""
OF_A_DOOR = ("acknowledge.after",)
"""Passed where an acknowledgement is written to a socket: died at in test_crash_matrix, whose gateways have doors."""


class Death(Exception):
    """The process is dead: raised at the boundary and at every one after it."""


class Dying:
    """Dies at the n-th pass of a boundary, and stays dead."""

    def __init__(self, name: str, passes: int) -> None:
        self.name, self.passes, self.dead = name, passes, False

    def __call__(self, name: str) -> None:
        if name == self.name and not self.dead:
            self.passes -= 1
            self.dead = self.passes <= 0
        if self.dead:
            raise Death


def story() -> list[bytes]:
    """Custody, filing, consent, prescriptions in order, a handover, a report: every step is passed."""
    supplies = [
        fhir_message(
            resources=[
                medication_request(
                    METHADONE, resource_id=f"rx{n}", authored="2026-01-15", text=f"dose {n}", category="discharge"
                )
            ],
            message_id=f"FHIR-rx-{n}",
        )
        for n in range(3)
    ]
    word = consent(resource_id="w", at="2026-01-02T09:00:00+00:00", decision="permit")
    return [
        adt_a01(),
        supplies[0],
        supplies[1],
        adt_a03(BOXED, message_id="A03-2"),
        fhir_message(BOXED, resources=[word], message_id="FHIR-w", event="consent"),
        supplies[2],
        adt_a03(),
    ]


async def tell_it(line: Line) -> None:
    """Send it as a sender would: again whenever there was no acknowledgement."""
    for body in story():
        answer = None
        for _ in range(3):
            with suppress(Death):
                answer = await line.send(body)
            if answer is not None and line.is_accepted(answer):
                break
        if answer is None or not line.is_accepted(answer):
            return


async def live(line: Line, dying: Dying) -> None:
    """Until everything is done, or the process is dead and nothing more comes of it."""
    for _ in range(40):
        try:
            await line.settle(0.25)
        except Exception:  # noqa: BLE001  whatever a dying process raises, or a slow machine's timeout
            if dying.dead:
                return
        else:
            return


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BOUNDARIES if name not in OF_A_BROKER + OF_A_DOOR])
async def test_dying_at_a_boundary(tmp_path: Path, name: str) -> None:
    """Die there, start again, send again what was not acknowledged, wait: everything arrives once, in order, permitted."""
    await die_and_make_it_good(tmp_path, name)


@pytest.mark.slow
@pytest.mark.usefixtures("on_production")
@pytest.mark.parametrize("name", OF_A_BROKER)
async def test_dying_at_a_boundary_of_a_broker(tmp_path: Path, name: str) -> None:
    """The same on PostgreSQL and RabbitMQ, where a handler that ended is acknowledged."""
    await die_and_make_it_good(tmp_path, name)


async def die_and_make_it_good(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as line:
        dying = Dying(name, ONCE if name.startswith("reconsider.") else 2)
        with hooked(dying):
            await tell_it(line)
            await live(line, dying)
        assert dying.dead, "the story does not pass it"
        await line.restart()
        for body in story():
            if body not in line.accepted:
                assert line.is_accepted(await line.send(body))
        for _ in range(12):
            await line.settle()
            if letters(line) == AT_THE_END:
                break
            line.clock.advance(seconds=6)
        assert letters(line) == AT_THE_END
        check_world(line)


AT_THE_END = [
    ("handover", "northfell", "delivered"),
    ("handover", "southfell", "waiting"),
    *[("prescription-copy", "pharmacy", "delivered")] * 3,
]


def letters(line: Line) -> list[tuple[str, str, str]]:
    """What became of every letter that was not taken back."""
    return sorted((row.letter, row.recipient, row.state) for row in line.deliveries() if row.state != "recalled")


def test_there_are_boundaries() -> None:
    """The search finds every step's."""
    assert {name.split(".")[0] for name in BOUNDARIES} == STEPS
