"""What the bench sends: messages about synthetic people, every one about somebody else unless it says so. Never anybody real.

A letter about one of them is told by the NHS number in it; both numbers of a message stand in `Message`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from gateway.demo.hl7v2_messages import METHADONE, Course, Sent, admission, discharge, prescription
from gateway.demo.people import SyntheticPerson, nhs_numbers, prison_number, synthetic_person

AT = "20260310120000+0000"
ENDS = "20260320120000+0000"
RELEASED = "CR"
"""A movement reason (PV1-36) that is a release."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as bytes. `nhs_number` says whose; `order` is its place among the prescriptions of the run, 0 where it is none."""

    nhs_number: str
    order: int
    body: bytes


class Population:
    """An endless supply of synthetic people and of message ids, never the same twice in one run."""

    def __init__(self) -> None:
        self._people = _people()
        self._ids = count(1)

    def person(self) -> SyntheticPerson:
        return next(self._people)

    def admission(self, person: SyntheticPerson | None = None) -> Message:
        """ADT^A01 of somebody new, or of `person`."""
        who = person or self.person()
        return Message(nhs_number=who.nhs_number, order=0, body=admission(who, self._sent()))

    def prescription(self, person: SyntheticPerson | None = None) -> Message:
        """RDE^O11 for supply outside; its order number is in the letter."""
        who = person or self.person()
        sent = self._sent()
        order = int(sent.message_id[1:])
        course = Course(start=AT, end=ENDS, order=order_number(order))
        return Message(nhs_number=who.nhs_number, order=order, body=prescription(who, sent, METHADONE, course))

    def release(self, person: SyntheticPerson | None = None) -> Message:
        """ADT^A03 that is a release: the handover is made from the person's file."""
        who = person or self.person()
        return Message(nhs_number=who.nhs_number, order=0, body=discharge(who, self._sent(), disposition=RELEASED))

    def _sent(self) -> Sent:
        return Sent(message_id=f"B{next(self._ids):09d}", at=AT)


def order_number(order: int) -> str:
    """How a prescription's place is written in its order number."""
    return f"RX{order:09d}"


def _people() -> Iterator[SyntheticPerson]:
    first = synthetic_person(0)
    for number, nhs_number in enumerate(nhs_numbers()):
        yield replace(first, nhs_number=nhs_number, prison_number=prison_number(number))
