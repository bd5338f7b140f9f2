"""Every failpoint of the product has a death: a process that dies there, and another one that makes it good.

What messages pass is in test_boundaries; what people and the clock do is died at here, in one line with a fresh case for every death; the few that
are left say which test dies at them. A point that is in none of them fails.
"""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

import pytest

from gateway import witnessing
from gateway.failpoints import hooked, pass_point
from gateway.settings import parse_settings
from tests.faults.account import SOAKING
from tests.faults.acts import ACTS, ENDS, SECONDS, Act, Case
from tests.faults.test_boundaries import BOUNDARIES, Death, boundaries
from tests.flow.test_harm_disclosure import NAMED
from tests.gateway.witness.test_witness import AT, LINE, make, request, served
from tests.line import SETTINGS, Line, running
from tests.world import check_world, ledger_verifies, no_effect_twice

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "answer-intent": "tests/gateway/deliver/test_later_answers.py",
    "answer-outcome": "tests/gateway/deliver/test_later_answers.py",
    "epoch": "tests/gateway/ledger/test_epoch.py",
    "extract-entry": "tests/gateway/test_extract.py",
    "held-again": "tests/flow/test_take_apart.py",
    "key-file": "tests/faults/test_key_rotation.py",
    "keep-head": "tests/gateway/ledger/test_epoch.py",
    "replay": "tests/flow/test_replay.py",
    "restore": "tests/gateway/store/test_backup.py",
    "rotation": "tests/faults/test_key_rotation.py",
    "sign-over": "tests/faults/test_key_rotation.py",
}
"""Points of what has no line beside it, and the test that dies at them by name."""


COMING_TO_REST = 0.02
"""Seconds. More than the clock of a file system moves on at once."""


class DyingOnce:
    """Dies at the first of these points that is passed, and stays dead. The next process finds `folder` as it lay there at that moment: what a process
    does while an exception ends it, `kill -9` would not have let it do.
    """

    def __init__(self, points: set[str], folder: Path | None = None) -> None:
        self.points, self.at, self.folder = points, "", folder
        self.dying = False
        """From then on each thread's next point is its last; `at` is said when the folder is kept."""

    def __call__(self, passed: str) -> None:
        if not self.dying and passed in self.points:
            self.dying = True
            try:
                if self.folder is not None:
                    self._keep(self.folder)
            finally:
                self.at = passed
        if self.dying:
            raise Death

    def _keep(self, folder: Path) -> None:
        """Until nothing moved meanwhile: other threads end what they had begun, and go no further. Another process copies: SQLite's locks are of a process."""
        for _ in range(100):
            time.sleep(COMING_TO_REST)
            before = _files(folder)
            copied = subprocess.run(["cp", "-a", folder, self._left], capture_output=True, check=False)
            if not copied.returncode and _files(folder) == before:
                return
            shutil.rmtree(self._left, ignore_errors=True)
        raise AssertionError("the folder does not come to rest")

    def leave(self) -> None:
        """What was done after the death is undone."""
        if self.folder is not None:
            shutil.rmtree(self.folder)
            self._left.rename(self.folder)

    @property
    def _left(self) -> Path:
        assert self.folder is not None
        return self.folder.with_name(f"{self.folder.name}-left")


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file below, by when it was changed and how long it is; one that goes away meanwhile is none."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            at = path.stat()
            found[str(path)] = (at.st_mtime_ns, at.st_size)
    return found


async def done(line: Line, case: Case) -> None:
    """Do it, and let the line come to rest."""
    found = case.do()
    if asyncio.iscoroutine(found):
        await found
    await line.settle()


async def die_in(line: Line, case: Case, dying: DyingOnce) -> None:
    """Do it until the process is dead, or it is done. What a dying process raises is nobody's."""
    with hooked(dying):
        doing = asyncio.create_task(done(line, case))
        while not (dying.at or (doing.done() and not dying.dying)):  # noqa: ASYNC110  the hook may be passed in any thread
            await asyncio.sleep(0.001)
        if not dying.at:
            return await doing
        doing.cancel()
        with suppress(BaseException):
            await doing
        await line.gateway.abandon()
    dying.leave()
    return None


async def at_rest(line: Line, act: Act) -> None:
    """What nobody asked for does not happen beside an act."""
    if not act.background:
        await line.gateway._end_background()


async def play(line: Line, act: Act, points: AbstractSet[str], count: Callable[[], int], died: set[str]) -> None:
    """Die at each of these points of an act; whoever starts the next process looks whether it was done, and does it again where it was not."""
    open_points = set(points) - died
    case = None
    while open_points:
        await at_rest(line, act)
        case = case or await act.prepare(line, count())
        dying = DyingOnce(open_points, line.folder)
        await die_in(line, case, dying)
        assert dying.at, (act.prepare.__name__, "never came to", open_points)
        open_points -= {dying.at}
        died.add(dying.at)
        await line.restart()
        await at_rest(line, act)
        if not case.seen():
            await line.settle()
        if not case.seen() and not open_points:
            await done(line, case)
        if case.seen():
            case = None
    assert case is None, (act.prepare.__name__, "was not done")


def tonight(act: Act, mode: str) -> set[str]:
    """All of them; in `make test` on PostgreSQL of each commit one side, before it or after it: a start is dear there, and the steps are the same."""
    both = points_of(act)
    if SOAKING or mode == "embedded":
        return both
    sides = ("before-commit", "after-commit")
    return {each for each in both if not each.endswith(sides[len(step_of(each)) % 2])}


def points_of(act: Act) -> set[str]:
    """The points that an act is there for."""
    steps, points = ({each for each in act.points if ("." in each) is full} for full in (False, True))
    return points | {f"{name}.{side}-commit" for name in steps for side in ("before", "after")}


@pytest.mark.slow(seconds=40)
async def test_dying_in_what_people_and_the_clock_do(tmp_path: Path, on_both: str) -> None:
    """At each of these points once: what was done is done once, and what was not is done by whoever asks again."""
    died: set[str] = set()
    numbers = iter(range(1, SECONDS))
    async with running(tmp_path, recipients=NAMED) as line:
        for act in ACTS:
            await play(line, act, tonight(act, on_both), lambda: next(numbers), died)
        check_world(line)
    assert died == set().union(*(tonight(act, on_both) for act in ACTS))


@pytest.mark.slow(seconds=15)
async def test_dying_in_what_ends_a_thing(tmp_path: Path, on_both: str) -> None:
    """The same where something that was taken in is not there any more afterwards, as it should be."""
    died: set[str] = set()
    numbers = iter(range(1, SECONDS))
    async with running(tmp_path, recipients=NAMED) as line:
        for act in ENDS:
            await play(line, act, tonight(act, on_both), lambda: next(numbers), died)
        ledger_verifies(line.gateway)
        no_effect_twice(each.effects for each in line.neighbours.values())
    assert died == set().union(*(tonight(act, on_both) for act in ENDS))


async def test_an_act_that_is_done_twice_or_never_is_found(tmp_path: Path) -> None:
    """Sabotage: a point that an act does not pass, an act that what died had done already, and one that is done only in memory."""
    entries: list[str] = []

    async def prepare(line: Line, n: int) -> Case:
        before, memory = len(entries), [0]

        def do() -> None:
            memory[0] += 1
            pass_point("x.before-commit")
            entries.append("x")
            pass_point("x.after-commit")

        return Case(do=do, seen=lambda: seen(len(entries) - before, memory[0]))

    async with running(tmp_path) as line:
        for name, seen, words in (  # noqa: B007  `prepare` looks at it
            ("x", lambda written, _: written == 1, None),
            ("y", lambda written, _: written == 1, "never came to"),
            ("x", lambda written, done: (written, done) == (2, 2), "was not done"),
        ):
            act = Act(prepare=prepare, points=(name,))
            if words is None:
                await play(line, act, points_of(act), lambda: 1, set())
                continue
            with pytest.raises(AssertionError, match=words):
                await play(line, act, points_of(act), lambda: 1, set())


def test_what_is_done_while_an_exception_ends_a_process_is_undone(tmp_path: Path) -> None:
    """Sabotage: a step that tidies up behind itself, as no step does that is killed."""
    folder = tmp_path / "here"
    folder.mkdir()
    half = folder / "half"

    def do() -> None:
        half.touch()
        try:
            pass_point("x")
        finally:
            half.unlink()

    dying = DyingOnce({"x"}, folder)
    with hooked(dying), pytest.raises(Death):
        do()
    assert not half.exists()
    dying.leave()
    assert half.exists()


HERE = {point for act in (*ACTS, *ENDS) for point in points_of(act)}


ALONE = {f"witness-forget.{side}-commit" for side in ("before", "after")} | {
    "witness.before-ask",
    "witness.after-ask",
}


@pytest.mark.parametrize("side", ["before", "after"])
def test_dying_while_a_witness_forgets(tmp_path: Path, side: str) -> None:
    """All of it or nothing, and the same command finishes it."""
    witness = make(tmp_path / "w")
    witness.add_checkpoint(request(LINE, 0))
    before = witness.last()
    dying = DyingOnce({f"witness-forget.{side}-commit"})
    with hooked(dying), pytest.raises(Death):
        witness.forget("before")
    assert dying.at
    assert (witness.last() == before) is (side == "before")
    if side == "before":
        witness.forget("before")
    assert witness.last() == make(tmp_path / "fresh").last()


@pytest.mark.parametrize("point", ["witness.before-ask", "response.before-read", "witness.after-ask"])
async def test_dying_while_a_witness_is_asked(tmp_path: Path, point: str) -> None:
    """Whether its word came and was not kept or it was never asked: it is asked again, from what it has seen."""
    (tmp_path / "head").mkdir()
    text = SETTINGS.format(
        installation="test", folder=tmp_path, store_url="sqlite:///x.db", bus_url="memory://", send_timeout_seconds=1
    )
    witness = make(tmp_path / "w")
    async with served(parse_settings(text, "throughgate.toml"), witness) as asking:
        dying = DyingOnce({point})
        with hooked(dying), pytest.raises(Death):
            await witnessing.ask(asking, LINE.ledger)
        assert dying.at
        assert witnessing.last_witnessed(asking, AT) is None
        await witnessing.ask(asking, LINE.ledger)
        seen = witnessing.last_witnessed(asking, AT)
        assert seen is not None
        assert seen.size == 48


def without_a_death(points: AbstractSet[str]) -> set[str]:
    """Those of these points at which nothing dies anywhere."""
    known = HERE | ALONE | set(BOUNDARIES)
    return {each for each in points - known if not dies_elsewhere(each)}


def step_of(point: str) -> str:
    return point.partition(".")[0]


def dies_elsewhere(point: str) -> bool:
    """Does the test that is named for it speak of it, and of a death?"""
    step = step_of(point)
    if step not in ELSEWHERE:
        return False
    text = (ROOT / ELSEWHERE[step]).read_text("utf-8")
    return re.search(rf"\b{step}\b", text) is not None and ("hooked(" in text or "install(" in text)


def test_every_point_of_the_product_has_a_death() -> None:
    there = boundaries()
    assert without_a_death(there) == set()
    assert {step_of(each) for each in there} >= set(ELSEWHERE), "an excuse for a point that is not there"


def test_a_point_without_a_death_is_found() -> None:
    """Sabotage: a new step, and one whose test does not speak of it."""
    assert without_a_death({"new-step.before-commit", "told.after-commit"}) == {"new-step.before-commit"}
