"""Workloads that end when the letters have come: to few and to many recipients, with a larger store or longer files, with more workers, and a backlog.

Beside each stands the empty pipe of the same run, in turns.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle

from gateway.bench import load
from gateway.bench.load import Measured
from gateway.bench.messages import Message
from gateway.bench.processes import Process
from gateway.bench.profile import read_profile
from gateway.bench.stage import (
    Stage,
    Workload,
    cpu_ms_a_message,
    cpu_seconds,
    empty_pipe,
    middle,
    peak_mb,
    serving,
    set_up,
)
from gateway.demo.people import SyntheticPerson

WARM_UP_SECONDS = 0.5
MORE_RECIPIENTS = 36
"""Beside the four: ten times as many are configured."""
MESSAGES_A_PERSON = 10
"""In a backlog, so that order can be lost; and in what its speed is compared with, because a longer file is more to read."""
SHORT_HISTORY, LONG_HISTORY = 10, 100
"""Prescriptions that somebody's file has: of a few weeks, and of years."""


@dataclass(kw_only=True)
class Contestant:
    """Who is posted to, in turns with another one, and what came of its turns. `messages` are for its own people and receivers."""

    stage: Stage
    url: str
    processes: Sequence[Process]
    messages: Iterator[Message]
    rounds: list[Measured] = field(default_factory=list)
    used_seconds: float = 0.0

    async def warm_up(self) -> None:
        """The first posts pay for what is made once."""
        await self._post(at_once=1, seconds=WARM_UP_SECONDS)

    async def turn(self) -> None:
        """One turn, over connections of its own: a server closes those that were silent while it was frozen."""
        plan, before = self.stage.plan, cpu_seconds(self.processes)
        self.rounds.append(await self._post(at_once=plan.at_once, seconds=plan.round_seconds))
        self.used_seconds += cpu_seconds(self.processes) - before

    @property
    def middle(self) -> Measured:
        """The turn whose speed is the middle one."""
        return middle(self.rounds)

    @property
    def cpu_ms(self) -> float:
        """Processor milliseconds for each message."""
        return cpu_ms_a_message(self.used_seconds, self.rounds)

    def workload(self, name: str, floor: Mapping[str, float], base: "Contestant", *, copies: int) -> Workload:
        """What its turns came to, as a share of the speed of `base`; what either lost is lost."""
        mine = self.middle
        return Workload(
            name=name,
            per_second=mine.per_second,
            p50_ms=mine.percentile_ms(50),
            p99_ms=mine.percentile_ms(99),
            floor=floor,
            ratio_to_floor=mine.per_second / base.middle.per_second,
            more={
                "copies": copies,
                "cpu_ms": self.cpu_ms,
                "sent": sum(one.sent for one in self.rounds),
                "lost": sum(one.lost for one in (*self.rounds, *base.rounds)),
                "doubled": self.stage.arrivals.doubled(),
                "peak_mb": peak_mb(self.processes),
            },
        )

    async def _post(self, *, at_once: int, seconds: float) -> Measured:
        stage = self.stage
        async with load.posting(self.url, stage.bearer, at_once) as post:
            return await load.until_arrived(post, stage.arrivals, self.messages, at_once=at_once, seconds=seconds)


async def in_turns(name: str, one: Contestant, other: Contestant) -> None:
    """Their rounds; whose turn it is not, is frozen."""
    plan = one.stage.plan
    for number in range(plan.rounds):
        one.stage.say(f"{name}: round {number + 1} of {plan.rounds}")
        for mine, theirs in ((one, other), (other, one)):
            with contextlib.ExitStack() as stack:
                for process in theirs.processes:
                    stack.enter_context(process.frozen())
                await mine.turn()


async def end_to_end(
    stage: Stage,
    name: str,
    make_message: Callable[[], Message],
    copies: int,
    *,
    more_recipients: int = 0,
    workers: int = 0,
) -> Workload:
    """Messages posted until their letters have come, beside the empty pipe."""
    async with serving(stage, copies, more_recipients=more_recipients, workers=workers) as processes:
        found = await beside_the_pipe(stage, name, make_message, copies, processes)
    profile = {"profile": read_profile(stage.folder)} if stage.plan.profile else {}
    return replace(found, more={**found.more, **profile})


async def beside_the_pipe(
    stage: Stage, name: str, make_message: Callable[[], Message], copies: int, processes: tuple[Process, ...]
) -> Workload:
    """The rounds of `end_to_end` on a gateway that serves."""
    messages = iter(make_message, None)
    ours = Contestant(stage=stage, url=stage.url, processes=processes, messages=messages)
    await ours.warm_up()
    async with empty_pipe(stage, next(messages).event, copies) as (process, url):
        pipe = Contestant(stage=stage, url=url, processes=(process,), messages=messages)
        await pipe.warm_up()
        await in_turns(name, ours, pipe)
    floor = {
        "empty_pipe_per_second": pipe.middle.per_second,
        "empty_pipe_p50_ms": pipe.middle.percentile_ms(50),
        "empty_pipe_cpu_ms": pipe.cpu_ms,
    }
    return ours.workload(name, floor, pipe, copies=copies)


def compared(workload: Workload, base: Workload, name: str) -> Workload:
    """A workload whose floor is another of the same run. Both processor times are kept: they say more where the machine was not quiet."""
    return replace(
        workload,
        name=name,
        floor={**workload.floor, "base_per_second": base.per_second, "base_cpu_ms": base.more["cpu_ms"]},
        ratio_to_floor=workload.per_second / base.per_second,
    )


async def more_recipients(stage: Stage) -> list[Workload]:
    """Ten times as many recipients configured, of whom the same four are sent to."""
    few = await end_to_end(stage, "prescription-to-4", stage.population.prescription, 4)
    many = await end_to_end(
        stage, "ten-times-the-recipients", stage.population.prescription, 4, more_recipients=MORE_RECIPIENTS
    )
    return [few, compared(many, few, many.name)]


async def more_workers(stage: Stage) -> list[Workload]:
    """One and two extra workers beside the process that serves, where the engines have room for them."""
    alone = await end_to_end(stage, "no-extra-worker", stage.population.prescription, 1)
    found = [
        await end_to_end(stage, f"extra-workers-{number}", stage.population.prescription, 1, workers=number)
        for number in (1, 2)
    ]
    return [compared(one, alone, one.name) for one in found]


async def growth(stage: Stage) -> list[Workload]:
    """A small store, a backlog that makes another one ten times as large, and both in turns.

    A backlog takes minutes, in which a machine changes: its floor is the small store's speed with the same mix of messages, in turns before it
    and behind it.
    """
    async with set_up(stage.folder / "small", stage.plan, stage.say) as little:
        async with serving(little, 1) as processes:
            await backlog(little, processes, "filling the small store", stage.plan.backlog // 10)
            small = await beside_the_pipe(little, "ten-a-person", partial(next, some_each(little)), 1, processes)
        async with serving(stage, 1) as processes:
            drained = await backlog(stage, processes, "backlog", stage.plan.backlog)
            large = _of(stage, processes)
            async with serving(little, 1) as beside:
                base = _of(little, beside)
                await large.warm_up()
                await base.warm_up()
                await in_turns("ten-times-the-store", large, base)
                memory = peak_mb(processes)
                grown = large.workload(
                    "ten-times-the-store",
                    {"base_per_second": base.middle.per_second, "base_cpu_ms": base.cpu_ms},
                    base,
                    copies=1,
                )
    speed = (small.per_second + base.middle.per_second) / 2
    drained = replace(
        drained,
        floor={"end_to_end_per_second": speed},
        ratio_to_floor=drained.per_second / speed,
        more={**drained.more, "peak_mb": memory},
    )
    return [small, drained, grown]


def _of(stage: Stage, processes: Sequence[Process]) -> Contestant:
    """A gateway that serves, for prescriptions as a backlog has them."""
    return Contestant(stage=stage, url=stage.url, processes=processes, messages=some_each(stage))


def some_each(stage: Stage) -> Iterator[Message]:
    """Prescriptions without end, for each person as many as in a backlog: of so many people in turn as are posted at once, then of the next."""
    while True:
        people = [stage.population.person() for _ in range(stage.plan.at_once)]
        for _ in range(MESSAGES_A_PERSON):
            yield from map(stage.population.prescription, people)


async def history(stage: Stage) -> list[Workload]:
    """Prescriptions of people with a short file, then of the same people with one that is ten times as long."""
    people = [stage.population.person() for _ in range(stage.plan.at_once)]
    in_turn = cycle(people)

    def of_the_next() -> Message:
        return stage.population.prescription(next(in_turn))

    async with serving(stage, 1) as processes:
        await backlog(stage, processes, "short files", SHORT_HISTORY * len(people), people)
        short = await beside_the_pipe(stage, "short-files", of_the_next, 1, processes)
        await backlog(stage, processes, "long files", (LONG_HISTORY - SHORT_HISTORY) * len(people), people)
        long = await beside_the_pipe(stage, "ten-times-the-file", of_the_next, 1, processes)
    return [compared(long, short, long.name)]


async def backlog(
    stage: Stage,
    processes: Sequence[Process],
    name: str,
    number: int,
    people: Sequence[SyntheticPerson] | None = None,
) -> Workload:
    """So many messages as fast as they are taken, then until every letter has come, each person's in order. `people`: of these, else of new ones."""
    arrivals, make = stage.arrivals, stage.population.prescription
    if people is None:
        people = [stage.population.person() for _ in range(max(number // MESSAGES_A_PERSON, stage.plan.at_once))]
    messages = [make(people[place % len(people)]) for place in range(number)]
    # What is of one person stays in one sequence, whose order is theirs.
    sequences = [
        [message for place, message in enumerate(messages) if place % len(people) % stage.plan.at_once == each]
        for each in range(stage.plan.at_once)
    ]
    waiting = [arrivals.expect(message) for message in messages]
    started, used = time.monotonic(), cpu_seconds(processes)
    async with load.posting(stage.url, stage.bearer, stage.plan.at_once) as post:
        await load.flood(post, sequences)
    all_sent = time.monotonic()
    left = sum(not each.done() for each in waiting)
    stage.say(f"{name}: {number} were taken in {all_sent - started:.0f} s, {left} letters to come")
    while (came := sum(each.done() for each in waiting)) < number:
        await asyncio.sleep(stage.plan.round_seconds)
        after = sum(each.done() for each in waiting)
        stage.say(f"{name}: {after} of {number} letters have come")
        if after == came and time.monotonic() - max(arrivals.last, all_sent) > load.LATEST_SECONDS:
            break
    took = tuple(each.result() - started for each in waiting if each.done())
    drained = Measured(seconds=took, started=started, ended=arrivals.last, sent=number, lost=arrivals.lost(messages))
    return Workload(
        name=name,
        per_second=drained.per_second,
        p50_ms=drained.percentile_ms(50),
        p99_ms=drained.percentile_ms(99),
        floor={},
        ratio_to_floor=None,
        more={
            "sent": number,
            "cpu_ms": cpu_ms_a_message(cpu_seconds(processes) - used, [drained]),
            "waiting_when_all_were_sent": left,
            "taken_per_second": round(number / (all_sent - started), 1),
            "lost": drained.lost,
            "doubled": arrivals.doubled(),
            "disordered": arrivals.disordered(),
        },
    )
