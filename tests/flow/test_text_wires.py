"""A recipient that speaks only HL7 v2 over MLLP, and one that gets paper in a folder: the whole line, and each decision again byte for byte."""

import asyncio
import io
from pathlib import Path

import pypdf

from adapters.mllp.frames import framed
from fhir_profiles.hl7v2 import parse
from fhir_profiles.profiles.prescription_copy import MARK
from gateway.steps.rederive import rederive
from tests.adapters.test_mllp_sender import ack, receiver
from tests.builders import METHADONE, administration, adt_a01, adt_a03, care_plan, fhir_message, medication_request
from tests.line import Line, MovableClock, make_installation, open_gateway, register_clients
from tests.world import check_world

FILED = [
    care_plan(start="2026-01-02", description="Reduce slowly after release"),
    administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="40 mg supervised"),
    medication_request(METHADONE, resource_id="rx", authored="2026-01-15", text="40 mg daily", category="discharge"),
]


def retarget(config: Path, port: int) -> Path:
    """Northfell takes HL7 v2 over MLLP, the pharmacy paper in a folder; gives the folder."""
    drop = config.parent / "paper"
    drop.mkdir()
    drop.chmod(0o750)
    for name, adapter, settings, old, new in (
        ("northfell", "mllp", f'host = "127.0.0.1"\nport = {port}', ("fhir-document", "fhir-message"), "hl7v2"),
        ("pharmacy", "file_drop", f'folder = "{drop}"', ("fhir-message",), "pdf"),
    ):
        file = config.parent / "recipients" / f"{name}.toml"
        lines = [line for line in file.read_text().splitlines() if not line.startswith(("adapter =", "url ="))]
        text = "\n".join(lines).replace("[adapter_settings]", f'adapter = "{adapter}"\n[adapter_settings]\n{settings}')
        for wire in old:
            text = text.replace(f'"{wire}"', f'"{new}"')
        file.write_text(text + "\n")
    return drop


async def test_letters_as_text_go_the_whole_way(tmp_path: Path) -> None:
    frames: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frame = await reader.readuntil(b"\x1c\r")
        frames.append(frame[1:-2])
        writer.write(framed(ack("AE" if len(frames) == 1 else "CA", about=parse(frames[-1]).get("MSH-10") or "")))
        await writer.drain()
        writer.close()

    async with receiver(serve) as port:
        config = make_installation(tmp_path, dict.fromkeys(("northfell", "pharmacy", "security"), 1))
        drop = retarget(config, port)
        line = Line(gateway=open_gateway(config, MovableClock()), neighbours={}, folder=tmp_path, config=config)
        register_clients(line.gateway)
        await line.start()
        try:
            await line.play(adt_a01(), fhir_message(resources=FILED), adt_a03())
            line.clock.advance(minutes=5)
            await line.settle()
            sent = {row.letter: row for row in line.deliveries() if row.state == "delivered"}
            assert {"handover", "prescription-copy"} <= set(sent)
            handover = parse(frames[-1])
            # an error is tried again, with the same bytes and the same id
            assert len(frames) == 2
            assert frames[0] == frames[1]
            assert handover.get("MSH-9.1") == "MDM"
            assert handover.get("MSH-10") == sent["handover"].id
            assert MARK in (handover.get("OBX-5") or "")
            assert "Reduce slowly after release" in frames[0].decode()
            (paper,) = drop.iterdir()
            assert paper.name == f"{sent['prescription-copy'].id}.pdf"
            page = pypdf.PdfReader(io.BytesIO(paper.read_bytes())).pages[0].extract_text()
            assert page.count(MARK) >= 2
            assert "40 mg daily" in page
            for row in sent.values():
                assert rederive(line.gateway, row.decision_id).same
            check_world(line)
        finally:
            await line.gateway.stop()
