"""The golden pairs: synthetic HMPPS domain events beside what they mean, finished (Provenance, labels).

`python -m tests.fhir_profiles.hmpps.golden_pairs` writes the `.meaning.json` files again. Look at the difference before you commit it.
"""

from pathlib import Path

from fhir_profiles.shapes import Channel
from fhir_profiles.translate import translate
from tests.fhir_profiles.mappings.golden_pairs import rendered

FOLDER = Path(__file__).parent / "golden"
CHANNEL = Channel(name="golden", format="fhir")


def sources() -> list[Path]:
    return sorted(FOLDER.glob("*.event.json"))


def meaning_of(source: Path) -> Path:
    return source.with_name(source.name.replace(".event.", ".meaning."))


def made(source: Path) -> str:
    return rendered(translate(CHANNEL, source.read_bytes()))


if __name__ == "__main__":
    for event in sources():
        meaning_of(event).write_text(made(event), "utf-8")
