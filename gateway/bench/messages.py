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
    """One message as bytes. `nhs_number` says whose; `order` is its place among the prescriptions of the run, 0 where it is none.

    `before` are messages of the same person that are sent first and ask for no letter.
    """

    nhs_number: str
    order: int
    body: bytes
    before: tuple[bytes, ...] = ()

    @property
    def event(self) -> str:
        """MSH-9 as far as it says what happened: `ADT^A03`."""
        return "^".join(self.body.decode().split("|")[8].split("^")[:2])


class Population:
    """An endless supply of synthetic people and of message ids, never the same twice in one run."""

    def __init__(self) -> None:
        self._people = _people()
        self._ids = count(1)

    def person(self) -> SyntheticPerson:
        return next(self._people)

    def admission(self, person: SyntheticPerson | None = None) -> Message:
        """ADT^A01 of somebody new, or of `person`; no letter follows."""
        who = person or self.person()
        return Message(nhs_number=who.nhs_number, order=0, body=admission(who, self._sent()))

    def prescription(self, person: SyntheticPerson | None = None) -> Message:
        """RDE^O11 for supply outside; its order number is in the letter."""
        who = person or self.person()
        sent = self._sent()
        order = int(sent.message_id[1:])
        course = Course(start=AT, end=ENDS, order=order_number(order))
        return Message(nhs_number=who.nhs_number, order=order, body=prescription(who, sent, METHADONE, course))

    def stay(self) -> Message:
        """A whole stay: reception, a prescription for custody, and the release, whose handover is made from what came before."""
        who = self.person()
        sent = self._sent()
        custody = Course(start=AT, order_type="I", order=f"C{sent.message_id}")
        before = (self.admission(who).body, prescription(who, sent, METHADONE, custody))
        release = discharge(who, self._sent(), disposition=RELEASED)
        return Message(nhs_number=who.nhs_number, order=0, body=release, before=before)

    def _sent(self) -> Sent:
        return Sent(message_id=f"B{next(self._ids):09d}", at=AT)


def order_number(order: int) -> str:
    """How a prescription's place is written in its order number."""
    return f"RX{order:09d}"


def _people() -> Iterator[SyntheticPerson]:
    first = synthetic_person(0)
    for number, nhs_number in enumerate(nhs_numbers()):
        yield replace(first, nhs_number=nhs_number, prison_number=prison_number(number))


def twenty_results(number: int) -> bytes:
    """ORU^R01 with twenty observations, half of them drug tests, under order numbers of its own."""
    header = (
        "MSH|^~\\&|LAB|ZFG|T|H|20260310120000||ORU^R01^ORU_R01|M{0}|P|2.5.1\r"
        "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI||Example^Sam||19850713|M\r"
        "PV1|1|I|B2-014^^^ZFG||||||||||||||||V-700^^^NOMIS\rORC|RE|P{0}|F{0}\r"
        "OBR|1|P{0}|F{0}|1234^Urine drug screen^L|||20260310090000|||||||||||||||20260310110000||LAB|F||||||therapeutic\r"
    )
    drug_test = "OBX|{0}|CE|19295-5^Opiates^LN|{0}|POS^Positive^L|||A|||F|||20260310090000\r"
    chemistry = "OBX|{0}|NM|2345-7^Glucose^LN|{0}|5.{0}|mmol/L|3.0-6.0|N|||F|||20260310090000\r"
    results = ((drug_test if place % 2 else chemistry).format(place) for place in range(1, 21))
    return (header.format(number) + "".join(results)).encode()
