"""The mutation run works: a mistake that a test sees is noticed, one that no test sees is reported, and nothing else is changed."""

import json
import subprocess
import sys
from collections.abc import Callable

from tests.faults.account import PROPERTY, SOAKING, number
from tests.mutation.operators import mutants
from tests.mutation.run import MODULES, ROOT, TESTS, TOLD, account, all_mutants

SAMPLE = "tests.mutation.sample"
QUICK = ["tests/consent/test_decide.py", "tests/consent/test_mutants.py"]
FORGOTTEN = "consent.decide.decide: `return _decide(request, facts, agreement)` gives nothing back"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "tests/mutation/run.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_what_a_test_sees_is_noticed_and_what_none_sees_is_not() -> None:
    """Two functions and a constant, every mutant of them; the one survivor is the mistake that the checks are blind to."""
    done = run(SAMPLE, "--tests", "tests/mutation/sample_checks.py")
    lines = done.stdout.splitlines()
    assert lines[1:3] == [f"{SAMPLE} 5 4 80.0 %", "all 5 4 80.0 %  (of 5 mutants)"], done.stdout + done.stderr
    assert [line.split(" (line")[0] for line in lines[3:]] == [
        f"survived: {SAMPLE}.older: `one > other` becomes `one >= other`"
    ]
    assert done.returncode == 0


def test_of_the_engine_at_least_four_of_five_mistakes_are_noticed(
    record_property: Callable[[str, object], None],
) -> None:
    """`make soak`; in `make test` one of them, a decision that is forgotten."""
    sample = number(1, len(all_mutants(MODULES)))
    done = run("--sample", str(sample)) if SOAKING else run("--only", FORGOTTEN, "--tests", *QUICK)
    lines = done.stdout.splitlines()
    if SOAKING:
        for line in lines:
            record_property(PROPERTY, f"mutation: {line}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(line.startswith(f"all {sample} ") for line in lines)


def test_every_module_has_mutants_and_each_is_another_program() -> None:
    every = all_mutants(MODULES)
    assert {one.module for one in every} == set(MODULES)
    assert len(every) > 500
    assert all((ROOT / name).exists() for name in TESTS)
    told = json.loads(TOLD.read_text("utf-8"))
    assert told.keys() <= {one.name for one in every}, "a reason for a mutant that is none any more"
    few = every[::60]
    assert len({compile(one.tree(), "it", "exec").co_code + repr(one.at).encode() for one in few}) == len(few)


def test_words_of_errors_docstrings_and_annotations_are_left_alone() -> None:
    source = '''
def f(x: int = 1) -> "int":
    """Words."""
    if not x:
        raise ValueError("words" + str(x == 1))
    return x
'''
    assert {one.change for one in mutants("m", source)} == {
        "`1` becomes `2`",
        "`if not x: raise ValueError('words' + str(x == 1))` asks the opposite",
        "`not x` becomes `x`",
        "`return x` gives nothing back",
    }


def test_a_run_without_mutants_is_no_full_score() -> None:
    assert account([], 0)[-1].startswith("all 0 0 0.0 %")
