"""What a letter cannot say of the person's own record holds it: a paper for somebody who died is not printed unseen (docs/decisions/0059)."""

from pathlib import Path

from tests.builders import METHADONE, adt_a01, adt_a03, fhir_message, medication_request
from tests.flow.test_persons_handover import DESK
from tests.line import RECIPIENTS, running
from tests.world import check_world


async def test_a_paper_for_somebody_who_died_waits_and_who_treats_is_told(tmp_path: Path) -> None:
    lines = adt_a01().split(b"\r")
    place = next(number for number, line in enumerate(lines) if line.startswith(b"PID|"))
    fields = lines[place].split(b"|")
    fields += [b""] * (31 - len(fields))
    fields[30] = b"Y"
    lines[place] = b"|".join(fields)
    rx = medication_request(
        METHADONE, resource_id="rx", authored="2026-01-15", text="40 mg daily", category="discharge"
    )
    async with running(tmp_path, recipients={**RECIPIENTS, "desk": DESK}) as line:
        await line.play(b"\r".join(lines), fhir_message(resources=[rx], message_id="RX"), adt_a03())
        states = {row.letter: (row.state, row.reason) for row in line.deliveries()}
        assert states == {
            "handover": ("delivered", None),
            "prescription-copy": ("delivered", None),
            "persons-handover": ("held", "undecidable"),
        }
        assert '"deceasedBoolean": true' in line.neighbours["northfell"].effects[-1].body.decode().replace('":', '": ')
        assert "undecidable" in line.told_codes()
        check_world(line)
