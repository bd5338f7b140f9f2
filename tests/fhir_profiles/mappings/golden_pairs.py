"""The golden pairs: synthetic messages beside what they mean. `python -m tests.fhir_profiles.mappings.golden_pairs` writes the JSON again.

Look at the difference before you commit it: a golden pair says what a mapping must go on doing.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.peek_hl7v2 import peek_hl7v2
from fhir_profiles.shapes import Channel, Envelope, Translation

FOLDER = Path(__file__).parent / "golden"
CHANNEL = Channel(name="golden", format="hl7v2")


def sources() -> list[Path]:
    return sorted(FOLDER.glob("*.hl7"))


def translate(body: bytes, channel: Channel = CHANNEL) -> Translation:
    """Peek and translate one message that must be readable."""
    envelope = peek_hl7v2(channel, body)
    assert isinstance(envelope, Envelope), envelope
    return MAPPINGS[envelope.kind](channel, body)


def as_json(translation: Translation) -> dict[str, Any]:
    """Everything that a translation says, in a form that can be read and compared; decimals keep their digits as text."""
    hold = translation.hold
    return {
        "events": [event.value for event in translation.events],
        "establishment": translation.establishment,
        "occurred": translation.occurred,
        "hold": {"code": hold.code.value, "path": hold.path} if hold is not None else None,
        "issues": [{"code": issue.code, "path": issue.path, "text": issue.text} for issue in translation.issues],
        "tasks": [task.code for task in translation.tasks],
        "bundle": translation.bundle,
        "fields": {
            field.source: " ".join(part for part in (field.fate.value, field.path or field.reason) if part)
            for field in translation.fields
        },
    }


def rendered(translation: Translation) -> str:
    return json.dumps(as_json(translation), indent=1, ensure_ascii=False, default=_number) + "\n"


def _number(value: object) -> str:
    assert isinstance(value, Decimal)
    return f"decimal {value}"


if __name__ == "__main__":
    for source in sources():
        source.with_suffix(".json").write_text(rendered(translate(source.read_bytes())), "utf-8")
