"""Read a concept however it is written: Coding, CodeableConcept, a list of them, or text. It must never raise on malformed FHIR."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from fhir_profiles.shapes import Json

Concept = Json | str | Sequence[Json]
_NOT_A_WORD: Final = re.compile(r"[^0-9a-z%]+")


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Give lower-case words with single blanks between them, so that punctuation and spelling of case do not matter."""
    return _NOT_A_WORD.sub(" ", text.lower()).strip()


def _parts(concept: Any) -> list[Json]:
    """Give every Coding and CodeableConcept of the concept as a dict."""
    if isinstance(concept, dict):
        inner = concept.get("coding")
        return [concept, *(item for item in inner if isinstance(item, dict))] if isinstance(inner, list) else [concept]
    if isinstance(concept, list | tuple):
        return [part for item in concept for part in _parts(item)]
    return []


def read(concept: Concept) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Give the (system, code) pairs, a missing system as an empty text, and the texts and displays as plain words."""
    if isinstance(concept, str):
        return (), ((plain(concept),) if concept.strip() else ())
    pairs: list[tuple[str, str]] = []
    words: list[str] = []
    for part in _parts(concept):
        code = part.get("code")
        if code and isinstance(code, str):
            system = part.get("system", "")
            pairs.append((system if isinstance(system, str) else "", code))
        for name in ("text", "display"):
            text = part.get(name)
            if text and isinstance(text, str) and not text.isspace():
                words.append(plain(text))
    return tuple(pairs), tuple(words)


def coded(concept: Concept) -> tuple[tuple[str, str], ...]:
    """Give the (system, code) pairs of a concept."""
    return read(concept)[0]


def words_of(concept: Concept) -> tuple[str, ...]:
    """Give the texts and displays of a concept as plain words."""
    return read(concept)[1]
