"""Plays the story on the stage and keeps what came of each act. It compares with what the story expects; it MUST NOT mend anything."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway import desk, whole_way
from gateway.demo import story
from gateway.demo.stage import Stage
from gateway.demo.story import Act, Over
from gateway.whole_way import DeliveryWay, MessageWay


@dataclass(frozen=True, kw_only=True)
class Played:
    """One act and what came of it. `way` is None where nothing new was kept (a duplicate)."""

    number: int
    act: Act
    answer: str
    way: MessageWay | None
    told: tuple[str, ...]
    differences: tuple[str, ...]
    was_held: bool = False
    holds: Mapping[str, str] = field(default_factory=dict)
    """Delivery id -> what the recipient found in the letter, by resource type."""


async def play_act(stage: Stage, number: int, act: Act) -> Played:
    """Send one message, let the line settle, do what the act says a person or a neighbour does, and look at what was kept."""
    stage.clock.turn(act.at)
    before = newest(stage)
    told_before = len(stage.pager.told)
    if act.down is not None:
        await stage.servers[act.down].down()
    answer = await _send(stage, act)
    await stage.settle()
    if act.down is not None:
        await stage.servers[act.down].up()
        stage.clock.wait(minutes=5)
        await stage.gateway.sweep()
        await stage.settle()
    after = newest(stage)
    message_id = after if after != before else None
    was_held = False
    if act.then_release is not None and message_id is not None:
        was_held = await _release(stage, message_id, act.then_release)
    await stage.mailbox.collect()
    await stage.settle()
    way = read_way(stage, message_id) if message_id is not None else None
    result = Played(
        number=number,
        act=act,
        answer=answer,
        way=way,
        told=tuple(stage.pager.told[told_before:]),
        differences=(),
        was_held=was_held,
        holds={delivery.id: found for delivery in way.deliveries if (found := what_arrived(stage, delivery.id))}
        if way
        else {},
    )
    return replace(result, differences=tuple(differences(result)))


async def _send(stage: Stage, act: Act) -> str:
    if act.over is Over.MLLP:
        acknowledgement = await stage.ehr.send(act.body)
        msa = next(line for line in acknowledgement.split("\r") if line.startswith("MSA|"))
        return msa.split("|")[1]
    system = stage.outside if act.over is Over.OUTSIDE else stage.clinical
    status, _body = await system.send(act.body)
    return str(status)


async def _release(stage: Stage, message_id: str, reason: str) -> bool:
    """A person looks at what is held and releases it; was anything held?"""
    way = read_way(stage, message_id)
    held = [delivery.id for delivery in way.deliveries if delivery.state == "held"]
    for delivery_id in held:
        stage.clock.wait(minutes=12)
        await asyncio.to_thread(desk.release_held, stage.gateway, delivery_id, reason=reason, by="clinical-lead")
    await stage.settle()
    return bool(held)


def what_arrived(stage: Stage, delivery_id: str) -> str:
    """The resource types of a letter as its recipient has it; empty where nobody has it."""
    got = [
        letter
        for letters in (*(server.got for server in stage.servers.values()), stage.mailbox.got)
        for letter in letters
    ]
    for letter in got:
        if letter.delivery_id == delivery_id:
            types = Counter(entry["resource"]["resourceType"] for entry in letter.bundle().get("entry", []))
            return ", ".join(name if number == 1 else f"{number} {name}" for name, number in types.items())
    return ""


def newest(stage: Stage) -> str | None:
    """The message that was kept last."""
    with stage.gateway.store.read() as c:
        return whole_way.newest_message(c)


def read_way(stage: Stage, message_id: str) -> MessageWay:
    parts = stage.gateway
    with parts.store.read() as c:
        way = whole_way.message_way(c, parts, message_id)
    assert way is not None
    return way


def differences(played: Played) -> Iterator[str]:
    """Where what happened is not what the story says."""
    act, way = played.act, played.way
    if played.answer not in act.answer:
        yield f"answered {played.answer}, not {' or '.join(act.answer)}"
    if way is None:
        if act.message_state:
            yield "nothing was kept"
        return
    if way.state != act.message_state:
        yield f"the message is {way.state}, not {act.message_state or 'a duplicate'}"
    found = sorted((each.letter, each.recipient, each.state) for each in way.deliveries)
    if found != sorted(act.expect):
        yield f"letters {_listed(found)}, not {_listed(sorted(act.expect))}"
    if any(decision.counted for decision in way.decisions) is not act.counted:
        yield "not counted" if act.counted else "counted"
    if (act.then_release is not None) is not played.was_held:
        yield "nothing was held" if act.then_release else "something was held"
    told = {task.code for task in way.tasks if task.told_at is not None}
    if missing := set(act.told) - told:
        yield f"nobody was told: {', '.join(sorted(missing))}"
    if len(played.told) < len(act.told):
        yield "the person on duty heard nothing"


def _listed(letters: list[tuple[str, str | None, str]]) -> str:
    return ", ".join(f"{letter} to {recipient or 'nobody'}: {state}" for letter, recipient, state in letters) or "none"


async def close_month(stage: Stage) -> DeliveryWay | None:
    """The calendar reaches the closing day; the month's report."""
    stage.clock.turn(story.MONTH_CLOSES)
    await stage.gateway.sweep()
    await stage.settle()
    parts = stage.gateway
    with parts.store.read() as c:
        reports = whole_way.reports(c)
    return reports[0] if len(reports) == 1 else None
