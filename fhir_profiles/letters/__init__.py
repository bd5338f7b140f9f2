"""Every letter that Throughgate can write, one file a letter, found by name. To add one, add a module here with a `LETTER`.

The registry is strict: a module without a `LETTER`, or whose letter has another name than its file, is an error at import.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from fhir_profiles.letters.parts.spec import LetterKind


def letter_in(module: ModuleType) -> LetterKind:
    """Give the letter that a module states. Raises TypeError when it states none, ValueError when it has another name."""
    file_name = module.__name__.rpartition(".")[2]
    letter = getattr(module, "LETTER", None)
    if not isinstance(letter, LetterKind):
        raise TypeError(f"letters/{file_name}.py states no LETTER")
    if letter.name != file_name.replace("_", "-"):
        raise ValueError(f"letters/{file_name}.py: the letter is named {letter.name}")
    return letter


def _discover() -> Mapping[str, LetterKind]:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.ispkg)
    letters = (letter_in(importlib.import_module(f"{__name__}.{name}")) for name in names)
    return MappingProxyType({letter.name: letter for letter in letters})


LETTERS: Final = _discover()
"""Every letter, by its name."""
WIRES: Final = MappingProxyType({name: letter.every_wire for name, letter in LETTERS.items()})
"""Name -> the wires that a recipient may ask for."""
HANDING_OVER: Final = frozenset(name for name, letter in LETTERS.items() if letter.hands_over)
"""The letters whose recipient takes over the care."""
