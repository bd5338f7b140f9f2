"""What issue 3 asks of these numbers on two cores, and what was committed last: both are compared with a run. Pure.

A target that is not reached is said; only a ratio that fell is a fault, because a machine may be slower but not a ratio.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Result = Mapping[str, Any]
FELL = 0.8
"""Of the committed ratio; below it is a fault."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One number to reach. `read` finds it in a workload, or None where it was not measured."""

    workload: str
    what: str
    least: float | None = None
    most: float | None = None
    read: Callable[[Result], float | None]

    def met(self, value: float) -> bool:
        """Is it reached?"""
        return (self.least is None or value >= self.least) and (self.most is None or value < self.most)


def _ratio(result: Result) -> float | None:
    return result["ratio_to_floor"]  # type: ignore[no-any-return]  # a JSON document


def _of_peer(result: Result) -> float | None:
    return result["peer"].get("ratio")  # type: ignore[no-any-return]  # a JSON document


TARGETS = (
    Target(workload="mllp-acknowledgements", what="times the peer", least=2, read=_of_peer),
    Target(workload="mllp-acknowledgements", what="p99 ms", most=20, read=lambda one: one["p99_ms"]),
    Target(workload="lone-message", what="median ms", most=3, read=lambda one: one["p50_ms"]),
    *(
        Target(workload=name, what="share of the empty pipe", least=0.5, read=_ratio)
        for name in ("prescription-to-1", "prescription-to-4", "stay-to-4")
    ),
    Target(workload="ten-times-the-store", what="share of the speed with a small store", least=0.9, read=_ratio),
    Target(workload="ten-times-the-recipients", what="share of the speed with few", least=0.9, read=_ratio),
    Target(workload="backlog", what="share of the end to end speed", least=0.9, read=_ratio),
    Target(workload="backlog", what="messages", least=20_000, read=lambda one: one.get("sent")),
    *(
        Target(workload=f"extra-workers-{number}", what="times the speed without one", least=least, read=_ratio)
        for number, least in ((1, 1), (2, 1.1))
    ),
    Target(workload="decide", what="decisions a second", least=1_000, read=lambda one: one["per_second"]),
    Target(workload="decide", what="p99 ms", most=5, read=lambda one: one["p99_ms"]),
)
RESIDENT_MB = 300


def judged(workloads: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """Every target whose number was measured: `workload`, `what`, `target`, `measured`, `met`."""
    by_name = {one["name"]: one for one in workloads}
    for target in TARGETS:
        found = target.read(by_name[target.workload]) if target.workload in by_name else None
        if found is not None:
            asked = f"at least {target.least:g}" if target.least is not None else f"under {target.most:g}"
            yield _line(target.workload, target.what, asked, found, met=target.met(found))
    resident = [megabytes for one in workloads for megabytes in one.get("peak_mb", {}).values()]
    if resident:
        yield _line("every", "resident MB", f"at most {RESIDENT_MB}", max(resident), met=max(resident) <= RESIDENT_MB)


def _line(workload: str, what: str, asked: str, found: float, *, met: bool) -> dict[str, Any]:
    return {"workload": workload, "what": what, "target": asked, "measured": found, "met": met}


def faults(workloads: Sequence[Result]) -> list[str]:
    """What no run may have: a letter that was lost, came twice or came before an earlier one."""
    return [
        f"{one['name']}: {one[what]} {what}"
        for one in workloads
        for what in ("lost", "doubled", "disordered")
        if one.get(what, 0)
    ]


def fallen(now: Sequence[Result], committed: Sequence[Result]) -> list[str]:
    """Ratios below 0.8 of the committed one, ratios that were committed and are not measured any more, and a shorter backlog than was committed.

    A short backlog is drained from a small store: its ratio, and that of the store it fills, would not be of the same work.
    """
    measured = dict(_ratios(now))
    sent, before_sent = _backlog(now), _backlog(committed)
    found = []
    if sent is not None and before_sent is not None and sent < before_sent:
        found.append(f"backlog: {before_sent} messages are committed, and {sent} were sent")
    for name, before in _ratios(committed):
        after = measured.get(name)
        if after is None:
            found.append(f"{name}: {before:g} is committed, and it was not measured")
        elif after < FELL * before:
            found.append(f"{name}: {after:g}, below {FELL:g} of the committed {before:g}")
    return found


def _backlog(workloads: Sequence[Result]) -> int | None:
    return next((one.get("sent") for one in workloads if one["name"] == "backlog"), None)


def _ratios(workloads: Sequence[Result]) -> Iterator[tuple[str, float]]:
    for one in workloads:
        if one["ratio_to_floor"] is not None:
            yield one["name"], one["ratio_to_floor"]
        if "ratio" in one.get("peer", {}):
            yield f"{one['name']} beside {one['peer']['name']}", one["peer"]["ratio"]
