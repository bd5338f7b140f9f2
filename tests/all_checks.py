"""Every check of `make test`, all of them even when one fails, and one summary at the end.

It MUST NOT hide a failure: the exit code is 0 only when every check passed, and pytest's own closing line is the last thing printed.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CODE = ("adapters", "consent", "fhir_profiles", "gateway", "tests")

CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ruff check", ("ruff", "check", "--quiet", ".")),
    ("ruff format", ("ruff", "format", "--check", "--quiet", ".")),
    ("mypy strict", ("mypy",)),
    ("import contracts", ("lint-imports", "--no-cache")),
)
WORKERS = "3"  # belongs to `make test` and `make test-fast` on two cores: while an engine starts or a disk syncs, the third one works


def run_check(name: str, command: tuple[str, ...]) -> bool:
    """One static check: silent when it passes, everything it said when it does not."""
    started = time.monotonic()
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    passed = done.returncode == 0
    sys.stdout.write(f"{name:<18} {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s\n")
    if not passed:
        sys.stdout.write(f"{done.stdout}{done.stderr}\n")
    sys.stdout.flush()
    return passed


def run_pytest(arguments: list[str]) -> tuple[bool, str]:
    """The tests, printed as they run; the closing line is kept back so that it can come last."""
    command = [sys.executable, "-m", "pytest", "-n", WORKERS, "-q", *arguments]
    held = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(held)
            sys.stdout.flush()
            held = line
    return process.returncode == 0, held.rstrip("\n")


def main(arguments: list[str]) -> int:
    fast = "--fast" in arguments
    chosen = [argument for argument in arguments if argument != "--fast"]
    with ThreadPoolExecutor(1) as beside:  # one after the other, while the tests' workers collect
        checked = [(name, beside.submit(run_check, name, command)) for name, command in CHECKS]
        passed, closing = run_pytest((["-m", "not slow"] if fast else []) + chosen)
    results = [*((name, each.result()) for name, each in checked), ("pytest", passed)]
    sys.stdout.write("\n" + "".join(f"{name:<18} {'passed' if held else 'FAILED'}\n" for name, held in results))
    failed = [name for name, held in results if not held]
    sys.stdout.write(f"{'all checks passed' if not failed else 'FAILED: ' + ', '.join(failed)}\n{closing}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
