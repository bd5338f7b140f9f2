"""Orders with the medicines that follow them, as RAS^O17 and RDS^O13 hold them. It MUST NOT say what a dose or a dispense means."""

from dataclasses import dataclass, field

from fhir_profiles.mappings import participation
from fhir_profiles.mappings.adt_details import add_observations
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading


@dataclass(kw_only=True)
class Medicine:
    """One RXA or RXD with the routes, the notes, and who took part, that follow it."""

    row: Row
    routes: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    people: list[Row] = field(default_factory=list)


@dataclass(kw_only=True)
class Order:
    """One order as it stands in the message."""

    orc: Row
    medicines: list[Medicine] = field(default_factory=list)


def cut_orders(reading: Reading, medicine: str, ordered: frozenset[str], *, first_only: bool) -> list[Order]:
    """Cut the message into orders: each ORC begins one; what is ordered or encoded before its first `medicine` is only named.

    An OBX is about the person, and is added at once; a note belongs to what it follows. `first_only`: nothing after a second PID is read.
    """
    orders: list[Order] = []
    observed: list[tuple[Row, list[Row]]] = []
    notes: list[Row] | None = None
    persons = 0
    for segment in reading.message.segments:
        row = reading.row(segment)
        persons += segment.name == "PID"
        if first_only and persons > 1 and segment.name != "PID":
            row.leave_by("one-person")
        elif segment.name == "ORC":
            orders.append(Order(orc=row))
            notes = None
        elif segment.name == "OBX":
            notes = []
            observed.append((row, notes))
        elif not orders:
            continue
        elif segment.name == medicine:
            orders[-1].medicines.append(Medicine(row=row))
            notes = orders[-1].medicines[-1].notes
        elif segment.name == "RXR" and orders[-1].medicines:
            orders[-1].medicines[-1].routes.append(row)
        elif segment.name == "NTE" and notes is not None:
            notes.append(row)
        elif segment.name in participation.SEGMENTS and orders[-1].medicines:
            orders[-1].medicines[-1].people.append(row)
        elif segment.name in ordered and not orders[-1].medicines:
            row.leave_by("told-once")
    add_observations(reading, observed)
    return orders


def say_replaced(reading: Reading, before: Medicine, after: Medicine) -> None:
    """Say that of two that have one name in a message and differ the last counts: nothing of the first is carried."""
    text = "two of this message have the same number, time and medicine and differ: the last counts"
    reading.warn(after.row.place(3), text, code="duplicate")
    for row in (before.row, *before.routes, *before.notes, *before.people):
        row.drop(text)
