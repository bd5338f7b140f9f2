"""NTE as Annotations: what was remarked, by whom and when. It must never join two remarks into one."""

from collections.abc import Sequence

from fhir_profiles.mappings.datatypes import practitioner
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.shapes import Json


def annotations(rows: Sequence[Row], *, to: str) -> list[Json]:
    """Read NTE-3, NTE-5 and NTE-6, one Annotation for each segment that has a text; repetitions of NTE-3 are its lines."""
    keep_order(rows, to=to)
    found: list[Json] = []
    for row in rows:
        text = remark(row, to=f"{to}.text")
        if text:
            found.append({**_said(row, to), "text": text})
    return found


def remark(row: Row, *, to: str) -> str:
    """Read NTE-3 alone: its repetitions are its lines."""
    lines = [row.text(3, 1, repetition, to=to) for repetition in range(1, row.count(3) + 1)]
    return "\n".join(line for line in lines if line)


def _said(row: Row, to: str) -> Json:
    if len(row.fields) < 6:
        return {}
    author = practitioner(row, 5, to=f"{to}.authorReference")
    moment = row.moment(6)
    said: Json = {"authorReference": author} if author is not None else {}
    if moment is not None:
        row.mapped(6, to=f"{to}.time")
        said["time"] = moment
    return said
