"""A table as CSV, for whoever takes it away. A cell is text, whatever program opens it: it MUST NOT be taken for a formula.

The form is RFC 4180 with every cell quoted, in UTF-8 with a mark, so that spreadsheets read names as they are written.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import Final

from consent.document import Table

_STARTS_A_FORMULA: Final = re.compile(r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]|^[\t\r\n]")
"""Also behind space, which some programs drop, and in the wide forms, which some read as the narrow ones."""


def csv_of(table: Table) -> bytes:
    """The table with its heads; lines end with CR LF."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in (table.columns, *table.rows):
        writer.writerow(_safe(row))
    return out.getvalue().encode("utf-8-sig", "replace")


def _safe(row: Sequence[str]) -> list[str]:
    """INVARIANT: an apostrophe stands before whatever a spreadsheet would reckon with (OWASP, CSV injection)."""
    return [f"'{cell}" if _STARTS_A_FORMULA.search(cell) else cell for cell in row]
