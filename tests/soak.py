"""`make soak`: the fault tests with their long numbers; what they say is kept in docs/evidence/ with machine, commit and date.

Arguments go to pytest (`python tests/soak.py -k power`). It MUST NOT write an account of a run that failed without saying so.
"""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "docs" / "evidence"
WORKERS = "2"


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


def main(arguments: list[str]) -> int:
    """Run, print, keep."""
    command = [sys.executable, "-m", "pytest", "-n", WORKERS, "--dist", "worksteal", "-q", "--timeout", "0"]
    done = subprocess.run(
        [*command, "tests/faults", *arguments],
        cwd=ROOT,
        env={**os.environ, "THROUGHGATE_SOAK": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    closing = done.stdout.rstrip().splitlines()[-1] if done.stdout.strip() else "nothing was said"
    path = write(account(done.stdout), arguments, passed=done.returncode == 0, closing=closing)
    sys.stdout.write(f"kept in {path.relative_to(ROOT)}\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
