"""Read a concept however it is written: Coding, CodeableConcept, a list of them, or text. It must never raise on malformed FHIR."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from fhir_profiles.shapes import Json

Concept = Json | str | Sequence[Json]
_NOT_A_WORD: Final = re.compile(r"[^0-9a-z%]+")


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Give lower-case words with single blanks between them, so that punctuation and spelling of case do not matter."""
    return _NOT_A_WORD.sub(" ", text.lower()).strip()


def _parts(concept: Any) -> Iterator[Json]:
    """Give every Coding and CodeableConcept of the concept as a dict."""
    if isinstance(concept, dict):
        yield concept
        for coding in concept.get("coding") or ():
            if isinstance(coding, dict):
                yield coding
    elif isinstance(concept, list | tuple):
        for item in concept:
            yield from _parts(item)


def coded(concept: Concept) -> tuple[tuple[str, str], ...]:
    """Give the (system, code) pairs; a missing system is an empty text."""
    pairs = ((part.get("system", ""), part.get("code", "")) for part in _parts(concept))
    return tuple((system, code) for system, code in pairs if isinstance(system, str) and isinstance(code, str) and code)


def words_of(concept: Concept) -> tuple[str, ...]:
    """Give the texts and displays as plain words, the concept's own text first."""
    if isinstance(concept, str):
        return (plain(concept),) if concept.strip() else ()
    texts = (part.get(name) for part in _parts(concept) for name in ("text", "display"))
    return tuple(plain(text) for text in texts if isinstance(text, str) and text.strip())
