"""What becomes of every shared HL7 v2 sample: a committed table. `python -m tests.fhir_profiles.mappings.sample_table` writes it again.

A row is a folder and an event: messages released, held and rejected (by the reading alone: nobody is on record), the fields in their field
ledgers, and how many of a hundred were mapped or minimised. Look at the difference before you commit it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from fhir_profiles.peek_hl7v2 import peek_hl7v2
from fhir_profiles.shapes import Channel, Fate, Refusal
from fhir_profiles.translate import translate
from gateway.commands.message_files import read_messages
from tests.samples import samples_folder

TABLE = Path(__file__).parent / "sample_table.csv"
CHANNEL = Channel(name="samples", format="hl7v2")
COLUMNS = ("folder", "event", "released", "held", "rejected", "fields", "carried_percent")
CARRIED = frozenset({Fate.MAPPED, Fate.MINIMISED})


def messages(folder: Path) -> Iterator[tuple[tuple[str, str], bytes]]:
    """Every sample of this folder with its row."""
    for path in sorted((folder / "hl7v2").glob("*/*")):
        for body in read_messages(path):
            yield (path.parent.name, peek_hl7v2(CHANNEL, body).kind or "unreadable"), body


def measured(folder: Path) -> str:
    """The table of the samples in this folder, as CSV."""
    outcomes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    fates: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    for row, body in messages(folder):
        if isinstance(peek_hl7v2(CHANNEL, body), Refusal):
            outcomes[row]["rejected"] += 1
            continue
        translation = translate(CHANNEL, body)
        outcomes[row]["held" if translation.hold is not None else "released"] += 1
        # Every entry counts, delimiters and sequence numbers too: the count is not bent towards the floor.
        fates[row].update(field.fate in CARRIED for field in translation.fields)
    lines = [",".join(COLUMNS)]
    for row, counts in sorted(outcomes.items()):
        fields = fates[row].total()
        percent = f"{100 * fates[row][True] / fields:.1f}" if fields else ""
        numbers = [str(counts[outcome]) for outcome in ("released", "held", "rejected")]
        lines.append(",".join((*row, *numbers, str(fields or ""), percent)))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(measured(samples_folder()), "utf-8")
