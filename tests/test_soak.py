"""`make soak` keeps what the fault tests said, and a failure as a failure."""

import json
from pathlib import Path

import pytest

from tests import soak

OUTPUT = """..F
============================= under fire =============================
name attempted acked recovered duplicated lost
power-cut 10 10 10 0 0  (3 cuts)
======================== short test summary info ======================
FAILED tests/faults/test_x.py::test_y
1 failed, 2 passed in 3.00s
"""


def test_the_lines_are_found() -> None:
    assert soak.account(OUTPUT) == [
        "name attempted acked recovered duplicated lost",
        "power-cut 10 10 10 0 0  (3 cuts)",
    ]
    assert soak.account("3 passed in 1.00s") == []


def ran(part: str, *, passed: bool) -> soak.Ran:
    return soak.Ran(part=part, passed=passed, lines=soak.account(OUTPUT), closing="1 failed, 2 passed in 3.00s")


def test_a_failure_is_kept_as_one_and_what_was_not_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "evidence" / "soak-2026-01-15-1200.md"
    parts = [ran("ledger", passed=True), ran("power-cut", passed=False)]
    said = soak.conditions("0.1", 20_000, ["-k", "power"])
    soak.write(path, parts, said=said, asked=["ledger", "power-cut", "oracle"])
    text = path.read_text("utf-8")
    assert text.splitlines()[0] == "# Soak of 2026-01-15-1200 UTC: FAILED: power-cut"
    assert "power-cut 10 10 10 0 0" in text
    assert "cores" in text
    assert "Share: 0.1, of the full numbers, and never less" in text
    assert "from seed 20000 on" in text
    assert "only what pytest chose by `-k power`" in text
    assert "Not run, or not to its end: oracle." in text


def test_what_passed_is_not_run_again_and_nothing_else_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "soak-2026-01-15-1200.md"
    said = soak.conditions("0.1", 0, [])
    soak.write(path, [ran("ledger", passed=True), ran("power-cut", passed=False)], said=said, asked=[])
    assert soak.passed_in(path, said) == {"ledger"}
    words = ["--only", "ledger,power-cut,oracle", "--share", "0.1", "--resume", str(path)]
    assert soak.options(words)[0].parts == ["power-cut", "oracle"]
    for others in ([*words, "-x"], [*words, "--first", "5"], [*words, "--share", "1"]):
        with pytest.raises(ValueError, match="another share"):
            soak.options(others)
    with pytest.raises(SystemExit):
        soak.options(["--only", "leger"])


def test_every_fault_test_is_in_one_part_that_is_there() -> None:
    files = [word for words in soak.PARTS.values() for word in words if word.startswith(soak.FAULTS)]
    there = {str(path.relative_to(soak.ROOT)) for path in (soak.ROOT / soak.FAULTS).glob("test_*.py")}
    assert set(files) == there
    kills = [words for words in soak.PARTS.values() if "random_kills" in words[0]]
    assert len(files) == len(there) + len(kills) - 1


@pytest.mark.slow(seconds=30)
def test_a_ratio_that_fell_fails_the_soak_and_stays_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "EVIDENCE", tmp_path)
    only = ("--quick", "--workload", "decide")
    committed = tmp_path / "bench-embedded.json"
    assert soak.bench("embedded", (), *only) == []
    kept = json.loads(committed.read_text("utf-8"))
    assert kept["machine"]["commit"]
    kept["workloads"][0]["ratio_to_floor"] = 1_000
    committed.write_text(json.dumps(kept), "utf-8")
    (fault,) = soak.bench("embedded", (), *only)
    assert "decide" in fault
    assert "below 0.8 of the committed 1000" in fault
    assert json.loads(committed.read_text("utf-8")) == kept
    assert json.loads((tmp_path / "bench-embedded.failed.json").read_text("utf-8"))["faults"]
