"""One HL7 v2 message while it is being translated: the message, its ledger, and what the mapping has to say about it.

It must never decide about permission, find a person in a store, or read a clock. What a person has to look at becomes an issue, a hold or a task.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.hl7_times import fhir_date_time
from fhir_profiles.hl7v2 import Hl7Error, Message, Segment, parse
from fhir_profiles.mappings.con import consents_of
from fhir_profiles.mappings.field_ledger import FieldLedger, Row
from fhir_profiles.shapes import (
    Channel,
    Event,
    Hold,
    HoldCode,
    Issue,
    Json,
    PersonIdentifier,
    Severity,
    Task,
    Translation,
)
from fhir_profiles.tasks import TASKS
from fhir_profiles.v2_identity import establishment_of, persons_of, sender_of

_HEADER_FIELDS: Final = {
    3: "Provenance.agent.who",
    4: "Provenance.agent.who",
    7: "Provenance.recorded",
    9: "Translation.events",
    10: "Provenance.entity.what.identifier",
}
_HEADER_REASON: Final = "transport of the message: kept in its envelope"


class Reading:
    """What a mapping works with. Resources are added in the order in which the bundle shall have them."""

    __slots__ = (
        "channel",
        "establishment",
        "issues",
        "ledger",
        "message",
        "persons",
        "reason",
        "recorded_by",
        "resources",
        "sender",
        "tasks",
    )

    def __init__(self, channel: Channel, message: Message) -> None:
        self.channel = channel
        self.message = message
        self.ledger = FieldLedger(message)
        self.sender = sender_of(message)
        self.establishment = establishment_of(message)
        self.persons: tuple[PersonIdentifier, ...] = persons_of(message)
        self.resources: list[Json] = []
        self.issues: list[Issue] = []
        self.tasks: list[Task] = []
        self.recorded_by: Json | None = None
        self.reason: Json | None = None
        self._read_header()

    def _read_header(self) -> None:
        header = self.row(self.message.segments[0])
        header.leave(_HEADER_REASON)
        for number, path in _HEADER_FIELDS.items():
            header.mapped_field(number, to=path)
        if not self.message.charset_declared and not self.message.encode().isascii():
            self.warn("MSH-18", "MSH-18 names no character set for these bytes; one was assumed", code="value")
        if header.zone:
            self.inform(
                "MSH-7",
                "the clock of this message is not London's: its times without an offset are read by that of MSH-7",
            )

    def row(self, segment: Segment) -> Row:
        return self.ledger.row(segment)

    def rows(self, name: str) -> list[Row]:
        return [self.row(segment) for segment in self.message.all(name)]

    def first(self, name: str) -> Row | None:
        segment = self.message.first(name)
        return self.row(segment) if segment is not None else None

    def warn(self, path: str, text: str, *, code: str = "value") -> None:
        """Add an issue that does not hold the message. `text` has no content of the message."""
        self.issues.append(Issue(severity=Severity.WARNING, code=code, path=path, text=text))

    def inform(self, path: str, text: str, *, code: str = "informational") -> None:
        self.issues.append(Issue(severity=Severity.INFORMATION, code=code, path=path, text=text))

    def task(self, code: str) -> None:
        """Add work for a person, once for each code of `fhir_profiles/tasks.py`."""
        if TASKS[code] not in self.tasks:
            self.tasks.append(TASKS[code])

    def date_time(self, row: Row, number: int, component: int = 1, *, to: str) -> str | None:
        """Read a timestamp that goes to `to`. One that is no real time is unsupported, with an issue; the rest of the message counts."""
        written = row.text(number, component, to=to)
        if not written:
            return None
        moment = fhir_date_time(written, row.zone)
        if moment is None:
            row.unsupported(number, component, reason="not a real date and time")
            self.warn(row.place(number), "this is not a real date and time, and was left out")
        return moment

    def time_of_message(self) -> str | None:
        """Give MSH-7 as a FHIR dateTime."""
        return fhir_date_time(self.message.segments[0].raw_value(7).strip())

    def finish(
        self,
        events: Sequence[Event],
        *,
        occurred: str | None = None,
        hold: Hold | None = None,
        absorbed: tuple[PersonIdentifier, ...] = (),
        destination: str | None = None,
    ) -> Translation:
        """Make the Translation: one collection, and an entry in the ledger for every field.

        INVARIANT: a CON segment counts in whatever message it stands: no refusal is overlooked because a mapping does not look for one.
        """
        consents = self._consents(hold)
        if hold is None:
            self._name_notes_of_nothing()
        return Translation(
            bundle=collection([*self.resources, *consents]),
            events=(*events, Event.CONSENT) if consents else tuple(events),
            persons=self.persons,
            fields=self.ledger.fields(),
            issues=tuple(self.issues),
            hold=hold,
            tasks=tuple(self.tasks),
            establishment=self.establishment,
            occurred=occurred or self.time_of_message(),
            recorded_by=self.recorded_by,
            reason=self.reason,
            absorbed=absorbed,
            destination=destination,
        )

    def _name_notes_of_nothing(self) -> None:
        """Name every NTE that no mapping read: what somebody thought worth a note is not left in the message without a word."""
        for row in self.rows("NTE"):
            if row.has(3) and not row.marks:
                self.warn(
                    row.place(3), "a note that belongs to nothing that is carried: it stays in the original message"
                )

    def _consents(self, hold: Hold | None) -> tuple[Json, ...]:
        """Read the CON segments. Of a message that may be about two people nothing is known of whose they are: none is read."""
        rows = self.rows("CON")
        if hold is not None and hold.code is HoldCode.TWO_PEOPLE:
            for row in rows:
                row.leave_by("one-person")
            return ()
        said = consents_of(rows, self.sender) if rows else None
        if said is None:
            return ()
        self.tasks += [task for task in said.tasks if task not in self.tasks]
        return said.consents


def open_message(channel: Channel, body: bytes) -> Reading | Translation:
    """Parse the bytes; those that cannot be read at all give a Translation that is held."""
    try:
        message = parse(body)
    except Hl7Error as error:
        return Translation(
            bundle=collection(()),
            events=(),
            persons=(),
            fields=(),
            issues=(Issue(severity=Severity.FATAL, code="structure", path=error.path, text=error.text),),
            hold=Hold(code=HoldCode.UNREADABLE_CONTENT, path=error.path, text=error.text),
        )
    return Reading(channel, message)


def collection(resources: Sequence[Json]) -> Json:
    """Make a Bundle of type collection; FHIR JSON has no empty lists, so one without resources has no `entry`."""
    bundle: Json = {"resourceType": "Bundle", "type": "collection"}
    if resources:
        bundle["entry"] = [{"resource": resource} for resource in resources]
    return bundle
