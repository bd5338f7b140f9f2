"""What large messages took is given back. Each time in a process of its own: memory is a matter of what came before."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
from gateway.large_blocks import give_back_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "yes":
    give_back_large_blocks()
bytes(30_000_000)  # the largest block that was let go
before = resident()
held = [b"x" * 4_000_000 for _ in range(30)]
assert resident() - before > 100_000_000
last = held[-1]  # lives on, behind all others
del held
print(resident() - before)
"""


def left_behind(asked: str) -> int:
    """Bytes of 120 MB that were let go."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, asked], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_large_blocks_are_given_back() -> None:
    assert left_behind("yes") < 10_000_000


def test_sabotage_without_asking_they_are_kept() -> None:
    assert left_behind("no") > 50_000_000
