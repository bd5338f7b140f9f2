"""What this installation would do with what comes in: the route table, and what does not fit. Pure; it MUST NOT open anything.

A route is (events, letter, recipient, for whom, wire, adapter, agreement). What has no route is not sent; what does not fit is a fault.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from consent.agreement_file import check_examples
from consent.extracts import LETTER as EXTRACT
from consent.shapes import Agreement
from fhir_profiles.shapes import Event
from gateway.recipients import Recipient
from gateway.settings import Settings

LEAVES_PRISON: Final = frozenset({Event.RELEASE.value, Event.RELEASE_UNCLEAR.value, Event.TRANSFER.value})
RELEASE_CANCELLED: Final = Event.RELEASE_CANCELLED.value


@dataclass(frozen=True, kw_only=True)
class Route:
    events: tuple[str, ...]
    letter: str
    recipient: str
    serves: str
    wire: str
    adapter: str
    agreement: str
    without_consent: str


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that does not fit: the file, and what to do."""

    place: str
    text: str


def routes(recipients: Mapping[str, Recipient], agreements: Mapping[str, Agreement]) -> tuple[Route, ...]:
    """Every way out, by agreement and recipient."""
    return tuple(
        Route(
            events=agreement.events,
            letter=agreement.letter,
            recipient=recipient.id,
            serves=serves(recipient),
            wire=recipient.letters[agreement.letter],
            adapter=recipient.adapter,
            agreement=agreement.name,
            without_consent=agreement.without_consent,
        )
        for agreement in agreements.values()
        for recipient in recipients.values()
        if _fits(recipient, agreement)
    )


def serves(recipient: Recipient) -> str:
    """For whom this is the right recipient, in words."""
    parts = (
        ("postcode areas", recipient.serves_postcode_areas),
        ("ODS", recipient.serves_ods),
        ("establishments", recipient.serves_establishments),
    )
    return "; ".join(f"{name} {', '.join(values)}" for name, values in parts if values) or "nobody"


def faults(
    settings: Settings,
    recipients: Mapping[str, Recipient],
    agreements: Mapping[str, Agreement],
    clients: Collection[str] | None = None,
) -> Iterator[Fault]:
    """Everything that does not fit together. `clients` are the registered ones; None where the store was not opened."""
    for recipient in recipients.values():
        place = f"recipients/{recipient.id}.toml"
        for letter in recipient.letters:
            if not any(_fits(recipient, agreement) and agreement.letter == letter for agreement in agreements.values()):
                yield Fault(
                    place=place, text=f"no active agreement lets `{letter}` go to class `{recipient.recipient_class}`"
                )
        unknown = set(recipient.serves_establishments) - set(settings.establishment_names())
        if (
            unknown and recipient.recipient_class != "receiving-prison"
        ):  # whose prison need not be one of this installation
            yield Fault(
                place=place,
                text=f"serves establishments that throughgate.toml does not have: {', '.join(sorted(unknown))}",
            )
        if serves(recipient) == "nobody":
            yield Fault(place=place, text="serves nobody: state ods, postcode_areas or establishments under [serves]")
    for agreement in agreements.values():
        for text in _wrong_with(agreement, recipients, agreements):
            yield Fault(place=f"agreements/{agreement.name}.toml", text=text)
    if settings.tell is None and any(agreement.undecidable == "hold" for agreement in agreements.values()):
        yield Fault(
            place="throughgate.toml", text="[tell] is missing: a held letter of care must be told to a person at once"
        )
    for channel in settings.channels if clients is not None else ():
        if channel.client not in (clients or ()):
            text = f"client `{channel.client}` is not registered: everything on this channel is refused; see `throughgate client add`"
            yield Fault(place=f"throughgate.toml: channels.{channel.name}", text=text)


def _wrong_with(
    agreement: Agreement, recipients: Mapping[str, Recipient], agreements: Mapping[str, Agreement]
) -> Iterator[str]:
    sent = agreement.letter != EXTRACT  # a file that two people ask for
    if sent and not any(_fits(recipient, agreement) for recipient in recipients.values()):
        yield f"no recipient of class `{agreement.recipient_class}` takes `{agreement.letter}`: its letters would all be held"
    if LEAVES_PRISON & set(agreement.events) and not any(_takes_back(each, agreement) for each in agreements.values()):
        yield (
            f"no active agreement for `{RELEASE_CANCELLED}` corrects it: class `{agreement.recipient_class}` "
            "would act on a release that was none"
        )
    for example in check_examples(agreement):
        if not example.passed:
            yield f"its example `{example.name}` does not come out as it says: {example.text}"


def _takes_back(correction: Agreement, agreement: Agreement) -> bool:
    return RELEASE_CANCELLED in correction.events and correction.recipient_class == agreement.recipient_class


def _fits(recipient: Recipient, agreement: Agreement) -> bool:
    return agreement.letter in recipient.letters and agreement.recipient_class == recipient.recipient_class
