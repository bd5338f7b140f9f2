"""Moments at which a decision can change although nobody says anything: a period of a consent begins or ends, or an agreement ends.

A letter that waits over such a moment is asked about again. There is no clock here: both ends are arguments. It MUST NOT decide.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from consent.reading import text
from consent.shapes import Agreement, RegisteredConsent
from consent.when import BEGINNING, END, bounds, instant, span


def passed(consents: Iterable[RegisteredConsent], agreement: Agreement, since: str, until: str) -> bool:
    """Lies such a moment between `since` and `until` (instants)? True also where that cannot be known.

    The later of the two counts as in between, whichever it is: a clock that was turned back passes the same moments the other way.
    """
    known = instant(since), instant(until)
    if known[0] is None or known[1] is None:
        return True
    after, up_to = sorted((known[0], known[1]))
    moments = [moment for each in consents for moment in _of_consent(each.consent)]
    return any(after < moment <= up_to for moment in (*moments, *_of_agreement(agreement)))


def _of_consent(consent: object) -> Iterator[datetime]:
    """Its own date and every period in it, at any depth; not `dataPeriod`, which is compared with data and not with now."""
    waiting: list[object] = [consent]
    if isinstance(consent, dict):
        issued = span(text(consent, "dateTime"))
        if issued is not None:
            yield issued.start
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            period = item.get("period")
            if isinstance(period, dict):
                limits = bounds(period)
                yield from (moment for moment in (limits.start, limits.end) if moment not in (BEGINNING, END))
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _of_agreement(agreement: Agreement) -> Iterator[datetime]:
    last = span(agreement.text.get("ends", ""))
    if last is not None:
        yield last.end
