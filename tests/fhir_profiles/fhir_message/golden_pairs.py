"""The golden pairs: synthetic FHIR messages beside what they mean, finished (Provenance, labels).

`python -m tests.fhir_profiles.fhir_message.golden_pairs` writes the `.meaning.json` files again. Look at the difference before you commit it.
"""

from pathlib import Path

from fhir_profiles.shapes import Channel
from fhir_profiles.translate import translate
from tests.fhir_profiles.mappings.golden_pairs import rendered

FOLDER = Path(__file__).parent / "golden"
CHANNEL = Channel(name="golden", format="fhir")


def sources() -> list[Path]:
    return sorted(FOLDER.glob("*.message.json"))


def meaning_of(source: Path) -> Path:
    return source.with_name(source.name.replace(".message.", ".meaning."))


def made(source: Path) -> str:
    return rendered(translate(CHANNEL, source.read_bytes()))


if __name__ == "__main__":
    for message in sources():
        meaning_of(message).write_text(made(message), "utf-8")
