"""When somebody left custody by a person's file, and whether two words about it mean one movement. Pure: every instant is given.

Of HMPPS's two feeds of movements one tells at once what the other holds back for 45 minutes, in which a movement may be reversed
(ministryofjustice/prison-offender-events). In those minutes a release ends nothing. This module MUST NOT delay or stop a handover.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from fhir_profiles import systems
from fhir_profiles.days import instant_of
from fhir_profiles.elements import as_object, as_objects, as_text, identifier_value, of_type, well_formed
from fhir_profiles.shapes import Json

REVERSAL_WINDOW: Final = timedelta(minutes=45)
REVERSIBLE: Final[Json] = {"system": systems.LOCAL_CODE + "movement-feed", "code": "at-once"}
"""`meta.tag` of a stay whose end comes from a feed that a reversal can still follow; any other end holds from the moment it is told."""
READMITTED: Final[Json] = {"system": systems.LOCAL_CODE + "movement-feed", "code": "readmitted"}
"""`meta.tag` of a stay that goes on again on a booking that had ended: a release in the minutes before it was none."""


def place_of(stay: Json) -> str:
    """Give the agency id of the establishment whose stay this is, or nothing."""
    return identifier_value(as_object(stay.get("serviceProvider")).get("identifier"), systems.AGENCY)


def stays_that_go_on(resources: Sequence[Json], as_of: str | None) -> tuple[Json, ...]:
    """Give the stays in an establishment that are in progress, or whose end can still be reversed at `as_of` (an instant; None: none can).

    A stay that began before another one there ended is the same one, told by another system: it has ended with it. Of a stay whose
    beginning nobody told counts since when it is known to go on (`known_to_go_on`).
    """
    stays = _stays(resources)
    over = [each for each in stays if _is_inpatient(each) and not _goes_on(each, as_of)]

    def ended_elsewhere(stay: Json) -> bool:
        began = _known_since(stay)
        ends = (_end(other) for other in over if place_of(other) == place_of(stay))
        return began is not None and any(end is not None and end > began for end in ends)

    return tuple(each for each in stays if _goes_on(each, as_of) and not ended_elsewhere(each))


def ends_a_stay_that_goes_on(resources: Sequence[Json], brought: Sequence[Json]) -> bool:
    """Say whether a stay among `brought` is the end of one that goes on in the same establishment by the file. A visit to its clinic is no stay."""
    ended = {
        place_of(each) for each in _stays(brought) if _is_inpatient(each) and as_text(each.get("status")) == "finished"
    }
    return bool(ended & {place_of(each) for each in stays_that_go_on(resources, None)})


def known_to_go_on(stay: Json, when: str | None) -> None:
    """Write into a stay that goes on, if nothing says when it began, since when that is known (R4 Encounter.statusHistory).

    Without it another system's end of the same stay could not end it: somebody who came back from court and was then released by the health
    record's word alone would be in custody for good.
    """
    if when is not None and stay["status"] == "in-progress" and "start" not in as_object(stay.get("period")):
        stay["statusHistory"] = [{"status": "in-progress", "period": {"start": when}}]


def left_at(resources: Sequence[Json], told: datetime | None) -> datetime | None:
    """Give when the stay ended whose end was told at `told`: the last end that could be known then; `told` when the file has none."""
    stays = (each for each in _stays(resources) if as_text(each.get("status")) == "finished")
    ends = (end for end in map(_end, stays) if end is not None and (told is None or end < told + REVERSAL_WINDOW))
    return max(ends, default=told)


def last_left(resources: Sequence[Json]) -> tuple[str, str] | None:
    """Give the establishment that was left last, and when as written; None when the file has no stay that ended at a known time."""
    ended = [(end, each) for each in _stays(resources) if (end := _end(each)) is not None and not _goes_on(each, None)]
    if not ended:
        return None
    _, stay = max(ended, key=lambda one: one[0])
    return place_of(stay), as_text(as_object(stay.get("period")).get("end"))


def can_be_reversed(resources: Sequence[Json]) -> bool:
    """Say whether a stay among these was ended by the feed that tells at once."""
    return any(_is_reversible(each) and as_text(each.get("status")) == "finished" for each in _stays(resources))


def was_taken_back(resources: Sequence[Json], brought: Sequence[Json], occurred: str | None) -> bool:
    """Say whether a release that can be reversed, of the stay among `brought` at `occurred`, is known to have been: its reversal came first.

    Somebody who came back on the same booking, to the same establishment, within the window after it, is in custody. At the very same instant
    too: nobody is readmitted and released at once, while a reversal that is entered together with what it reverses has its time. INVARIANT:
    absent never decides: a day without a time says of neither which came first, and whoever leaves is handed over.
    """
    left = _timed(occurred)
    places = {place_of(each) for each in _stays(brought) if _is_reversible(each)}
    if left is None:
        return False
    returns = (
        _timed(as_object(each.get("period")).get("start"))
        for each in _stays(resources)
        if as_text(each.get("status")) == "in-progress" and place_of(each) in places and _is_tagged(each, READMITTED)
    )
    return any(back is not None and left <= back < left + REVERSAL_WINDOW for back in returns)


def _timed(text: object) -> datetime | None:
    """Give an instant that was told with its time of day."""
    return instant_of(text) if isinstance(text, str) and len(text) > len("2026-01-15") else None


def same_movement(one: datetime | None, other: str | None) -> bool | None:
    """Say whether two instants are of one movement out, or of one and its reversal; None when either is not known."""
    moment = instant_of(other)
    if one is None or moment is None:
        return None
    return abs(moment - one) < REVERSAL_WINDOW


def _goes_on(stay: Json, as_of: str | None) -> bool:
    if as_text(stay.get("status")) == "in-progress":
        return True
    ended, now = _end(stay), instant_of(as_of)
    if as_text(stay.get("status")) != "finished" or ended is None or now is None:
        return False
    return _is_reversible(stay) and now - ended < REVERSAL_WINDOW


def _is_inpatient(stay: Json) -> bool:
    return as_text(as_object(stay.get("class")).get("code")) == "IMP"


def _stays(resources: Sequence[Json]) -> tuple[Json, ...]:
    return tuple(each for each in of_type(well_formed(resources), "Encounter") if place_of(each))


def _known_since(stay: Json) -> datetime | None:
    told = [as_object(each.get("period")).get("start") for each in as_objects(stay.get("statusHistory"))]
    return next(filter(None, map(instant_of, (as_object(stay.get("period")).get("start"), *told))), None)


def _end(stay: Json) -> datetime | None:
    return instant_of(as_object(stay.get("period")).get("end"))


def _is_reversible(stay: Json) -> bool:
    return _is_tagged(stay, REVERSIBLE)


def _is_tagged(stay: Json, wanted: Json) -> bool:
    tags = as_objects(as_object(stay.get("meta")).get("tag"))
    return any((tag.get("system"), tag.get("code")) == (wanted["system"], wanted["code"]) for tag in tags)
