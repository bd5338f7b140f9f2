"""`make soak`: the bench on both engine pairs, then every part of PARTS with its long numbers; what they say is kept in docs/evidence/ with
machine, commit and date, part by part, so that a run that is broken off keeps what it had.

`--only PART,PART` runs these, `--share 0.1` a tenth of their numbers, `--first 20000` the simulation and the oracle from that seed on,
`--first 3 --share 0.1` each tenth engine fault from the fourth on, and `--resume FILE` what that file of the same commit and share does not show
as passed. `--bench` measures and tests nothing. The bench runs alone: its ratios are compared with the committed ones, and one below 0.8 fails the run.
It MUST NOT write an account of a run that failed without saying so, nor one of a share that does not say which.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, it finds only its own folder

from tests import engines  # noqa: E402  the folder of the checkout has to be found first

EVIDENCE = ROOT / "docs" / "evidence"
WORKERS = "2"
FAULTS = "tests/faults"
PARTS: Mapping[str, tuple[str, ...]] = {
    "withdrawal": (f"{FAULTS}/test_withdrawal.py",),
    "power-cut": (f"{FAULTS}/test_power_cut.py",),
    "random-kills-embedded": (f"{FAULTS}/test_random_kills.py", "-k", "embedded"),
    "random-kills-production": (f"{FAULTS}/test_random_kills.py", "-k", "production"),
    "crash-matrix": (f"{FAULTS}/test_crash_matrix.py",),
    "engine-faults": (f"{FAULTS}/test_engine_faults.py",),
    "ledger": ("tests/gateway/ledger",),
    "subject": ("tests/gateway/subject",),
    "disclosure": ("tests/consent/test_disclosure_attack.py", "tests/consent/test_aggregates.py"),
    "oracle": ("tests/consent/oracle",),
    "letters": tuple(
        f"tests/fhir_profiles/letters/test_{name}.py" for name in ("from_message_to_letter", "nothing_invented")
    ),
    "pages": ("tests/console/test_at_scale.py",),
    "console": ("tests/console/test_browser.py",),
    "mutation": ("tests/mutation",),
    "timelines": (f"{FAULTS}/test_timelines.py",),
    "storms": (f"{FAULTS}/test_storms.py", f"{FAULTS}/test_full_disk.py", f"{FAULTS}/test_fault_table.py"),
    "recipient-down": (f"{FAULTS}/test_backpressure.py",),
    "simulation": (f"{FAULTS}/test_simulation.py",),
    "rest": (
        *(
            f"{FAULTS}/test_{name}.py"
            for name in ("boundaries", "clock_faults", "deaths", "every_point", "files_stay", "one_commit")
        ),
        *(
            f"{FAULTS}/test_{name}.py"
            for name in ("key_rotation", "kill", "many_processes", "restore_drill", "store_away")
        ),
    ),
}
"""What each part gives to pytest. Every fault test is in one of them (tests/test_soak.py)."""


def machine() -> str:
    """Processor, cores, memory, kernel, Python."""
    information = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in information.splitlines() if line.startswith("model name")]
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = models[0] if models else platform.machine()
    python = f"Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {gigabytes:.0f} GB, {platform.system()} {platform.release()}, {python}"


def commit() -> str:
    """The commit that was run, and whether files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def account(output: str) -> list[str]:
    """The lines of the block "under fire"."""
    lines = output.splitlines()
    start = next((at for at, line in enumerate(lines) if "under fire" in line and line.startswith("=")), None)
    if start is None:
        return []
    found = []
    for line in lines[start + 1 :]:
        if line.startswith("=") or not line.strip():
            break
        found.append(line)
    return found


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One part, and what was said in the end."""

    part: str
    passed: bool
    lines: Sequence[str]
    closing: str


def heading(part: str, *, passed: bool) -> str:
    return f"## {part}: {'passed' if passed else 'FAILED'}"


def conditions(share: str, first: int, more: Sequence[str]) -> str:
    """What was run, of which text: two runs of which this is the same are of the same numbers."""
    full = "the full numbers" if float(share) >= 1 else "of the full numbers, and never less than those of `make test`"
    chosen = f" Of each part only what pytest chose by `{' '.join(more)}`." if more else ""
    return f"Commit: {commit()}. Share: {share}, {full}. Simulation and oracle from seed {first} on, engine faults from that one.{chosen}"


def write(path: Path, ran: Sequence[Ran], *, said: str, asked: Sequence[str]) -> None:
    """One file a run, written again after each part. `said`: its conditions."""
    failed = [each.part for each in ran if not each.passed]
    left = [part for part in asked if part not in {each.part for each in ran}]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "passed"
    text = [f"# {path.stem.replace('soak-', 'Soak of ')} UTC: {verdict}", "", f"Machine: {machine()}.", "", said]
    text += ["", f"Not run, or not to its end: {', '.join(left)}."] if left else []
    for each in ran:
        closing = [] if each.closing in each.lines else [each.closing]
        text += ["", heading(each.part, passed=each.passed), "", "```", *each.lines, *closing, "```"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*text, ""]), "utf-8")


def passed_in(path: Path, said: str) -> set[str]:
    """The parts that an earlier run under the same conditions showed as passed. ValueError when they were others."""
    lines = path.read_text("utf-8").splitlines()
    if said not in lines:
        raise ValueError(f"{path.name} is of another commit, another share or other tests")
    return {part for part in PARTS if heading(part, passed=True) in lines}


def bench(engines: str, urls: Sequence[str], *more: str) -> list[str]:
    """`throughgate bench` on one engine pair: its faults. Its result becomes the committed one only when it has none."""
    committed = EVIDENCE / f"bench-{engines}.json"
    against = ["--against", str(committed)] if committed.exists() else []
    command = [sys.executable, "-m", "gateway", "bench", "--json", *urls, *against, *more]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return [f"bench, {engines}: it said nothing, exit {done.returncode}"]
    found["machine"] |= {"commit": commit(), "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    kept = committed.with_suffix(".failed.json") if found["faults"] else committed
    kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(f"bench, {engines}: kept in {kept.name}\n")
    return [f"bench, {engines}: {fault}" for fault in found["faults"]]


def bench_both() -> list[str]:
    """Both engine pairs, on servers of this process where the machine has them; what is missing is a fault here."""
    faults = bench("embedded", ())
    try:
        database, broker = engines.database(), engines.broker()
    except pytest.skip.Exception as missing:
        return [*faults, f"bench, production: {missing.msg}"]
    return faults + bench("production", ("--store-url", database.url("postgres"), "--bus-url", broker.url))


def run(part: str, *, share: str, first: int, more: Sequence[str]) -> Ran:
    """One part, alone."""
    command = [sys.executable, "-m", "pytest", "-n", WORKERS, "--dist", "worksteal", "-q", "--timeout", "0"]
    done = subprocess.run(
        [*command, *PARTS[part], *more],
        cwd=ROOT,
        env={**os.environ, "THROUGHGATE_SOAK": share, "THROUGHGATE_SOAK_FIRST": str(first)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    closing = done.stdout.rstrip().splitlines()[-1] if done.stdout.strip() else "nothing was said"
    return Ran(part=part, passed=done.returncode == 0, lines=account(done.stdout), closing=closing)


def options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """What was asked; the rest is pytest's."""
    parser = argparse.ArgumentParser(description="the long numbers", allow_abbrev=False)
    parser.add_argument("--bench", action="store_true", help="measure, and test nothing")
    parser.add_argument("--only", default="", help=f"some parts: {','.join(PARTS)}")
    parser.add_argument("--share", default="1", help="how much of the long numbers")
    parser.add_argument(
        "--first", type=int, default=0, help="the first seed of the simulation and of the oracle, and engine fault"
    )
    parser.add_argument("--resume", type=Path, help="an earlier run: what passed there is not run again")
    found, more = parser.parse_known_args(arguments)
    found.parts = [part for part in found.only.split(",") if part] or list(PARTS)
    if unknown := [part for part in found.parts if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}")
    if found.resume is not None:
        earlier = passed_in(found.resume, conditions(found.share, found.first, more))
        found.parts = [part for part in found.parts if part not in earlier]
    return found, more


def main(arguments: list[str]) -> int:
    """Run, print, keep."""
    asked, more = options(arguments)
    faults = bench_both() if arguments in ([], ["--bench"]) else []
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    if asked.bench:
        return bool(faults)
    path = EVIDENCE / f"soak-{datetime.now(UTC):%Y-%m-%d-%H%M}.md"
    ran = [Ran(part="bench", passed=False, lines=faults, closing="below the committed ratios")] if faults else []
    for part in asked.parts:
        ran.append(run(part, share=asked.share, first=asked.first, more=more))
        write(path, ran, said=conditions(asked.share, asked.first, more), asked=asked.parts)
    sys.stdout.write(f"kept in {path.relative_to(ROOT)}\n")
    return not all(each.passed for each in ran)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
