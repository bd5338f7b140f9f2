"""How many mistakes in the consent engine would its tests notice? `python tests/mutation/run.py [MODULE...] [--sample N] [--seed S]`

Tests are collected once. A first run in a child notes which test calls which function, and how long it takes; each mutant then has a child of
its own, in which the function's code is exchanged and the tests that call it run, quickest first, until one fails. So nothing is ever
written to the source. It MUST NOT be imported by anything of the product; MUST count only what a failing test noticed, or a time limit.
"""

import argparse
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, it finds only its own folder

from tests.mutation.operators import Mutant, mutants  # noqa: E402  the folder of the checkout has to be found first

MODULES = ("consent.decide", "consent.fhir_consent", "consent.minimise", "consent.outcomes")
TESTS = [
    f"tests/consent/{name}.py"
    for name in (
        "oracle/test_found",
        "test_decide",
        "test_edges",
        "test_extent",
        "test_known_defects",
        "test_lineages",
        "test_lint_and_explain",
        "test_minimise",
        "test_modifiers",
        "test_mutants",
        "test_obligations",
        "test_outcomes",
        "test_override",
        "test_person_identifiers",
        "test_privacy_notice",
        "test_prohibitions",
        "test_provisions",
        "test_terms",
        "test_the_version_that_stands",
    )
]
"""The tests that say what is right, case by case: those that draw at random or run a whole line notice more, and take hours."""
LIMIT_SECONDS = 90
KILLED, SURVIVED, TIMED_OUT, UNCALLED = "killed", "survived", "timed out", "not called"
TOLD = Path(__file__).with_name("survivors.json")
"""Why a mutant that survives may: by its name."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one mutant, and which test noticed it."""

    mutant: Mutant
    fate: str
    noticed_by: str = ""

    @property
    def noticed(self) -> bool:
        return self.fate in (KILLED, TIMED_OUT)


class Suite:
    """A pytest plugin: instead of one run of the tests, one for each mutant."""

    def __init__(self, wanted: Sequence[Mutant], longest_seconds: float) -> None:
        self._wanted = wanted
        self._longest = longest_seconds
        self._failed = False
        self.verdicts: list[Verdict] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = [item for item in session.items if item.get_closest_marker("slow") is None]
        calls = self._first_run(items)
        for mutant in self._wanted:
            self.verdicts.append(self._judge(mutant, items, calls))
            _say(self.verdicts)
        return True

    def _first_run(self, items: Sequence[pytest.Item]) -> list[tuple[float, int, set[str]]]:
        """(seconds, place, functions called) of each test that passes and is not too long, quickest first."""
        with tempfile.NamedTemporaryFile("r+") as told:
            child = os.fork()
            if child == 0:
                found = [self._watched(item, at) for at, item in enumerate(items)]
                Path(told.name).write_text(json.dumps([each for each in found if each is not None]), "utf-8")
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0, "the first run did not end"
            raw = json.loads(Path(told.name).read_text("utf-8"))
        return sorted((seconds, at, set(called)) for seconds, at, called in raw)

    def _watched(self, item: pytest.Item, at: int) -> tuple[float, int, list[str]] | None:
        called: set[str] = set()
        of_ours = {str(ROOT / f"{name.replace('.', '/')}.py"): name for name in {one.module for one in self._wanted}}

        def watch(frame: types.FrameType, event: str, _: object) -> None:
            if event == "call" and (module := of_ours.get(frame.f_code.co_filename)) is not None:
                called.add(f"{module}.{frame.f_code.co_qualname.split('.<locals>')[0]}")

        started = time.perf_counter()
        sys.setprofile(watch)
        passed = self._runs(item)
        sys.setprofile(None)
        seconds = time.perf_counter() - started
        return (seconds, at, sorted(called)) if passed and seconds < self._longest else None

    def _runs(self, item: pytest.Item) -> bool:
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed

    def _judge(
        self, mutant: Mutant, items: Sequence[pytest.Item], calls: Iterable[tuple[float, int, set[str]]]
    ) -> Verdict:
        wanted = f"{mutant.module}.{mutant.function}"
        # A constant is read by whoever calls anything of its module.
        chosen = [at for _, at, called in calls if wanted in called or (not mutant.function and called)]
        if not chosen:
            return Verdict(mutant=mutant, fate=UNCALLED)
        with tempfile.NamedTemporaryFile("r+") as told:
            child = os.fork()
            if child == 0:
                signal.alarm(LIMIT_SECONDS)
                try:
                    exchange(mutant)
                except Exception as error:  # noqa: BLE001 - a module that does not even load is noticed by every test
                    self._end(told.name, f"loading: {type(error).__name__}")
                for at in chosen:
                    if not self._runs(items[at]):
                        self._end(told.name, items[at].nodeid)
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            noticed_by = Path(told.name).read_text("utf-8")
        if os.WIFSIGNALED(status):
            return Verdict(mutant=mutant, fate=TIMED_OUT)
        return Verdict(mutant=mutant, fate=KILLED if noticed_by else SURVIVED, noticed_by=noticed_by)

    @staticmethod
    def _end(path: str, words: str) -> None:
        Path(path).write_text(words, "utf-8")
        os._exit(1)


def exchange(mutant: Mutant) -> None:
    """Put the mutant in the place of what this process has loaded, wherever it is known by name."""
    module = importlib.import_module(mutant.module)
    code = compile(mutant.tree(), str(module.__file__), "exec")
    if mutant.function:
        holder: Any = module
        for part in mutant.function.split("."):
            holder = vars(holder)[part]
        function = _function(holder)
        function.__code__ = next(one for one in _codes(code) if one.co_qualname == function.__code__.co_qualname)
        return
    before = getattr(module, mutant.constant)
    scratch: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(code, scratch)
    for other in list(sys.modules.values()):
        for name, value in list(getattr(other, "__dict__", {}).items()):
            if value is before and name == mutant.constant:
                setattr(other, name, scratch[mutant.constant])


def _function(held: Any) -> types.FunctionType:
    for name in ("fget", "func", "__wrapped__", "__func__"):
        inner = getattr(held, name, None)
        if isinstance(inner, types.FunctionType):
            return inner
    assert isinstance(held, types.FunctionType)
    return held


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield item
            yield from _codes(item)


def judged(wanted: Sequence[Mutant], tests: Sequence[str], longest_seconds: float = 8.0) -> list[Verdict]:
    """Run the tests against each mutant; the verdicts in the same order. Raises AssertionError where nothing was collected."""
    suite = Suite(wanted, longest_seconds)
    quiet = ["-p", "no:cacheprovider", "-p", "no:terminal", "--hypothesis-seed=0", "--timeout=0"]
    pytest.main([*quiet, *tests], plugins=[suite])
    assert len(suite.verdicts) == len(wanted), "the tests could not be collected"
    return suite.verdicts


def all_mutants(modules: Iterable[str]) -> list[Mutant]:
    """Every mutant of these modules, in the order of the source."""
    return [
        one
        for module in modules
        for one in mutants(module, (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))
    ]


def account(verdicts: Sequence[Verdict], of: int) -> list[str]:
    """The lines that are kept: the score of each module, then every survivor with its reason."""
    reasons: dict[str, str] = json.loads(TOLD.read_text("utf-8")) if TOLD.exists() else {}
    lines = ["module mutants noticed score"]
    for module in sorted({one.mutant.module for one in verdicts}):
        here = [one for one in verdicts if one.mutant.module == module]
        noticed = sum(one.noticed for one in here)
        lines.append(f"{module} {len(here)} {noticed} {100 * noticed / len(here):.1f} %")
    noticed = sum(one.noticed for one in verdicts)
    lines.append(f"all {len(verdicts)} {noticed} {100 * noticed / max(1, len(verdicts)):.1f} %  (of {of} mutants)")
    for one in verdicts:
        if not one.noticed:
            why = reasons.get(one.mutant.name, "no reason is given")
            lines.append(f"{one.fate}: {one.mutant.name} (line {one.mutant.line}): {why}")
    return lines


def _say(verdicts: Sequence[Verdict]) -> None:
    """Each survivor when it is found, and every tenth how it stands."""
    last = verdicts[-1]
    if not last.noticed:
        sys.stderr.write(f"{last.fate}: {last.mutant.name} (line {last.mutant.line})\n")
    if len(verdicts) % 10 == 0:
        sys.stderr.write(f"{len(verdicts)}: {sum(one.noticed for one in verdicts)} noticed\n")


def main(arguments: Sequence[str]) -> int:
    """Run, say, and fail below 80 %."""
    reader = argparse.ArgumentParser()
    reader.add_argument("modules", nargs="*", default=MODULES)
    reader.add_argument("--sample", type=int, default=0)
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--only", default="", help="those whose name has this in it")
    reader.add_argument("--tests", nargs="*", default=TESTS)
    given = reader.parse_args(arguments)
    every = [one for one in all_mutants(given.modules) if given.only in one.name]
    drawn = random.Random(given.seed).sample(every, given.sample) if 0 < given.sample < len(every) else every
    os.chdir(ROOT)
    verdicts = judged(drawn, given.tests)
    lines = account(verdicts, len(every))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return int(sum(one.noticed for one in verdicts) < 0.8 * len(verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
