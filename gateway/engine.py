"""Which program decided: digests of the packages that give a message its meaning and decide, and of the terminology that they read.

They are kept with every decision, so that one which comes out otherwise after an upgrade is told from one that somebody changed. Computed once
a process, from the files as they are installed. This module MUST NOT look at a setting, an agreement in force or anything about a person.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("consent", "fhir_profiles")
_READ: Final = frozenset({".py", ".toml", ".csv", ".json", ".typ"})
_TABLES: Final = ("fhir_profiles/terminology/", "fhir_profiles/labels.toml", "fhir_profiles/medicines.toml")
_NOT_PART: Final = "consent/agreements/"
"""Texts for two people to sign: which one was asked is kept by its own digest."""


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """SHA-256 of the program that decides and of the tables that it reads, in hexadecimal."""

    engine: str
    terminology: str


@cache
def made_by() -> MadeBy:
    """What runs here. Call it once at the start: it reads some megabytes."""
    found: dict[str, Path] = {}
    for package in _PACKAGES:
        root = Path(str(files(package)))
        found |= {
            f"{package}/{path.relative_to(root).as_posix()}": path for path in root.rglob("*") if path.suffix in _READ
        }
    return digests((name, path.read_bytes()) for name, path in found.items())


def digests(named: Iterable[tuple[str, bytes]]) -> MadeBy:
    """The digests of files by their names (`consent/decide.py`), in whatever order they come."""
    parts = {"engine": hashlib.sha256(), "terminology": hashlib.sha256()}
    for name, content in sorted(named):
        if not name.startswith(_NOT_PART):
            part = parts["terminology" if name.startswith(_TABLES) and not name.endswith(".py") else "engine"]
            part.update(f"{len(name)} {name} {len(content)} ".encode() + content)
    return MadeBy(**{name: part.hexdigest() for name, part in parts.items()})
