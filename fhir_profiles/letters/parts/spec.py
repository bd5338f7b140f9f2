"""What every letter states about itself. A letter without its list of required facts, or without an event, is not a letter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.shapes import Calendar, Event, Json


@dataclass(frozen=True, kw_only=True)
class RequiredFact:
    """Something that the letter must hold. `text` is the sentence that stands in its place when the file has it not (no patient data)."""

    name: str
    heading: str
    text: str
    present: Callable[[Picture], bool]


Missing = tuple[RequiredFact, ...]
AS_TEXT: Final = ("hl7v2", "hl7v2-oru", "pdf")
"""The wires that write any letter about a person out as text."""


@dataclass(frozen=True, kw_only=True)
class LetterKind:
    """One kind of letter. `write` gives the resources of its bundle, the first resource first; references are `Type/id`.

    `whole_picture`: it passes earlier letters that wait (DESIGN rule 10). `wires`: the FHIR wires that can carry it; the first is the default.
    `carries`: of what a message newly brought (and the file before it), what causes this letter; None where the letter has a rule of its own.
    `calendar`: it is closed by the calendar, of what was counted, and is about nobody.
    `hands_over`: its recipient takes over the care, so that a refusal, and a confirmation that does not come, are told to the clinical lead.
    """

    name: str
    title: str
    events: tuple[Event, ...]
    wires: tuple[str, ...]
    whole_picture: bool
    required: Missing
    write: Callable[[Picture, Missing], tuple[Json, ...]]
    carries: Callable[[Sequence[Json], Sequence[Json]], tuple[Json, ...]] | None = None
    hands_over: bool = False
    about_a_person: bool = True
    calendar: Calendar | None = None

    def __post_init__(self) -> None:
        if not self.required or not self.events or not self.wires:
            raise ValueError(f"letter {self.name}: required facts, events and wires must be stated")
        if len({fact.name for fact in self.required}) != len(self.required):
            raise ValueError(f"letter {self.name}: a required fact is stated twice")

    @property
    def every_wire(self) -> tuple[str, ...]:
        """The wires that a recipient may ask for."""
        return (*self.wires, *AS_TEXT) if self.about_a_person else self.wires

    @property
    def default_wire(self) -> str:
        return self.wires[0]
