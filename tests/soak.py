"""`make soak`: the bench on both engine pairs, then the fault tests with their long numbers; what they say is kept in docs/evidence/ with
machine, commit and date.

Arguments go to pytest, and then nothing is measured (`python tests/soak.py -k power`); `--bench` measures and tests nothing. The bench runs
alone: its ratios are compared with the committed ones, and one below 0.8 fails the run. It MUST NOT write an account of a run that failed
without saying so.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, it finds only its own folder

from tests import engines  # noqa: E402  the folder of the checkout has to be found first

EVIDENCE = ROOT / "docs" / "evidence"
WORKERS = "2"
SHARE = "--share="
CONSENT = ("tests/consent/oracle", "tests/consent/test_disclosure_attack.py", "tests/consent/test_aggregates.py")


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


def write(lines: list[str], arguments: list[str], *, passed: bool, closing: str) -> Path:
    """One file a run."""
    now = datetime.now(UTC)
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    path = EVIDENCE / f"soak-{now:%Y-%m-%d-%H%M}.md"
    text = [
        f"# Soak of {now:%Y-%m-%d %H:%M} UTC: {'passed' if passed else 'FAILED'}",
        "",
        f"Machine: {machine()}. Commit: {commit()}. Asked for: {' '.join(arguments) or 'everything'}.",
        "",
        "```",
        *lines,
        "",
        closing,
        "```",
        "",
    ]
    path.write_text("\n".join(text), "utf-8")
    return path


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


def main(arguments: list[str]) -> int:
    """Run, print, keep."""
    faults = bench_both() if arguments in ([], ["--bench"]) else []
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    if arguments == ["--bench"]:
        return bool(faults)
    command = [sys.executable, "-m", "pytest", "-n", WORKERS, "--dist", "worksteal", "-q", "--timeout", "0"]
    chosen = [each for each in arguments if not each.startswith(SHARE)]
    share = next((each.removeprefix(SHARE) for each in arguments if each.startswith(SHARE)), "1")
    done = subprocess.run(
        [*command, "tests/faults", "tests/gateway/ledger", "tests/gateway/subject", *CONSENT, *chosen],
        cwd=ROOT,
        env={**os.environ, "THROUGHGATE_SOAK": share},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    closing = done.stdout.rstrip().splitlines()[-1] if done.stdout.strip() else "nothing was said"
    lines = [*account(done.stdout), *faults]
    path = write(lines, arguments, passed=done.returncode == 0 and not faults, closing=closing)
    sys.stdout.write(f"kept in {path.relative_to(ROOT)}\n")
    return done.returncode or bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
