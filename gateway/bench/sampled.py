"""The command line with a sampler beside it: what do its threads use the processor for? Run as `python -m gateway.bench.sampled OUT ARGUMENTS...`.

Every few milliseconds it asks the system how much processor time each thread has used since, and whether it waits for the disk now, and
gives that to the innermost function of ours on its stack; where there is none, to the library. A thread is seen where it lets go of the
interpreter, so what calls the system is seen somewhat more often than its share. Linux only.
"""

import contextlib
import json
import runpy
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY_SECONDS = 0.005
ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(str(ROOT / folder) for folder in ("adapters", "consent", "fhir_profiles", "gateway"))
OUTERMOST = frozenset({"gateway/commands/serve.py", "gateway/__main__.py", "gateway/bench/sampled.py"})
TASKS = Path("/proc/self/task")


class Sampler(threading.Thread):
    """Counts nanoseconds of (processor or disk, place) until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="sampler")
        self.found: Counter[tuple[str, str]] = Counter()
        self._ended = threading.Event()
        self._used: dict[int, int] = {}

    def run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            frames = sys._current_frames()  # noqa: SLF001  the one way to another thread's stack
            for thread in threading.enumerate():
                if thread is not self and thread.ident in frames and thread.native_id is not None:
                    with contextlib.suppress(OSError):  # it has ended meanwhile
                        self._look(thread.native_id, innermost(frames[thread.ident]))

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _look(self, task: int, place: str | None) -> None:
        used = int((TASKS / str(task) / "schedstat").read_text("utf-8").split()[0])
        since = used - self._used.get(task, used)
        self._used[task] = used
        if place is None:
            return
        self.found["processor", place] += since
        if (TASKS / str(task) / "stat").read_text("utf-8").rpartition(")")[2].split()[0] == "D":
            self.found["disk", place] += int(EVERY_SECONDS * 1e9)


def innermost(frame: FrameType | None) -> str | None:
    """`folder/module.py:function` of the innermost of ours, else the library's name; None while modules are imported."""
    library = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return None
        if name.startswith(OURS) and (place := Path(name).relative_to(ROOT).as_posix()) not in OUTERMOST:
            return f"{place}:{frame.f_code.co_name}"
        library = library or (
            name.rpartition("site-packages/")[2].split("/")[0] if "site-packages" in name else "python"
        )
        frame = frame.f_back
    return library


if __name__ == "__main__":
    out = Path(sys.argv[1])
    sys.argv = ["throughgate", *sys.argv[2:]]
    sampler = Sampler()
    sampler.start()
    try:
        runpy.run_module("gateway", run_name="__main__")
    finally:
        sampler.end()
        found = [{"kind": kind, "place": place, "used": used} for (kind, place), used in sampler.found.items()]
        out.write_text(json.dumps(found), "utf-8")
