"""What the sampler of a serving process found, as shares of its processor time and of its waiting for the disk, by function of ours."""

import json
from collections.abc import Mapping
from pathlib import Path

KINDS = ("processor", "disk")
MOST = 30
"""Places that are named; the rest is `other`."""


def read_profile(folder: Path) -> dict[str, dict[str, float]]:
    """Kind -> place -> share of that kind, largest first. The serving process has ended."""
    found = json.loads((folder / "profile.json").read_text("utf-8"))
    return {kind: shares({one["place"]: one["used"] for one in found if one["kind"] == kind}) for kind in KINDS}


def shares(used: Mapping[str, int]) -> dict[str, float]:
    """Place -> share, largest first."""
    total = max(sum(used.values()), 1)
    ordered = sorted(used.items(), key=lambda item: -item[1])
    named = {place: round(number / total, 3) for place, number in ordered[:MOST] if number}
    other = sum(number for _, number in ordered[MOST:])
    return {**named, "other": round(other / total, 3)} if other else named
