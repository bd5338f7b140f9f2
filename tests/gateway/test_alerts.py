"""Each alert of deploy/alerts.yml goes off on a series that shows its harm, alone, and on none that does not.

The rules are few words of Prometheus's language, which is read here as its documentation says; a word more fails until it is read too.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ALERTS = (Path(__file__).resolve().parents[2] / "deploy" / "alerts.yml").read_text("utf-8")
MINUTES = 300
Labels = frozenset[tuple[str, str]]
Series = Mapping[str, Callable[[int], float | None]]
"""`name{label="word"}` -> its value at a minute; None while it is not scraped."""

_UNITS: Final = {"m": 1, "h": 60, "d": 1_440}
_SELECTOR = re.compile(r"(\w+)(?:\{([^}]*)\})?(?:\[(\d+)([mhd])\])?")
_MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
_RULE = re.compile(r"(.+) (==|>|<) (-?[0-9.]+)")
_AGGREGATE = re.compile(r"(sum|max)(?: by \(([\w, ]+)\) ?)?\((.+)\)")
_RANGE = re.compile(r"(increase|delta)\((.+)\)")
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": lambda one, other: one == other,
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alert: what it asks, and for how many minutes it has to hold."""

    name: str
    expression: str
    minutes: int


def rules() -> list[Rule]:
    found = []
    for block in re.split(r"^ +- alert: ", ALERTS, flags=re.MULTILINE)[1:]:
        name = block.splitlines()[0]
        (expression,) = re.findall(r"^ +expr: (.+)$", block, re.MULTILINE)
        lasting = re.findall(r"^ +for: (\d+)([mhd])$", block, re.MULTILINE)
        minutes = sum(int(number) * _UNITS[unit] for number, unit in lasting)
        found.append(Rule(name=name, expression=expression, minutes=minutes))
    return found


def read(expression: str, series: Series, minute: int) -> dict[Labels, float]:
    """The value of an expression at a minute, by its labels."""
    if rule := _RULE.fullmatch(expression):
        inner, operator, number = rule.groups()
        holds = _OPERATORS[operator]
        return {key: value for key, value in read(inner, series, minute).items() if holds(value, float(number))}
    if aggregate := _AGGREGATE.fullmatch(expression):
        function, by, inner = aggregate.groups()
        kept = set(by.split(", ")) if by else set()
        groups: dict[Labels, list[float]] = {}
        for labels, value in read(inner, series, minute).items():
            groups.setdefault(frozenset(pair for pair in labels if pair[0] in kept), []).append(value)
        of_all: Callable[[list[float]], float] = sum if function == "sum" else max
        return {labels: of_all(values) for labels, values in groups.items()}
    if ranged := _RANGE.fullmatch(expression):
        function, inner = ranged.groups()
        return {labels: changed(function, values) for labels, values in window(inner, series, minute).items()}
    return {labels: values[-1] for labels, values in window(expression, series, minute).items()}


def changed(function: str, values: Sequence[float]) -> float:
    """`increase` takes a fall for a counter that began again at nought; `delta` is the difference, whatever happened between."""
    if function == "delta":
        return values[-1] - values[0]
    return sum(now if now < before else now - before for before, now in itertools.pairwise(values))


def window(selector: str, series: Series, minute: int) -> dict[Labels, list[float]]:
    match = _SELECTOR.fullmatch(selector)
    assert match is not None, f"a word that is not read here: {selector}"
    name, matchers, number, unit = match.groups()
    first = minute - (int(number) * _UNITS[unit] if number else 0)
    found: dict[Labels, list[float]] = {}
    for each, value_at in series.items():
        said = _SELECTOR.fullmatch(each)
        assert said is not None
        labels = {label: word for label, _, word in _MATCHER.findall(said[2] or "")}
        if said[1] != name or not all(
            fits(labels.get(a, ""), how, b) for a, how, b in _MATCHER.findall(matchers or "")
        ):
            continue
        values = [value for at in range(max(0, first), minute + 1) if (value := value_at(at)) is not None]
        if values and value_at(minute) is not None:
            found[frozenset(labels.items())] = values
    return found


def fits(word: str, how: str, wanted: str) -> bool:
    if how == "=~":
        return re.fullmatch(wanted, word) is not None
    return (word == wanted) is (how == "=")


def going_off(series: Series) -> set[str]:
    """Every alert that goes off in these minutes."""
    found = set()
    for rule in rules():
        since: dict[Labels, int] = {}
        for minute in range(MINUTES):
            true = read(rule.expression, series, minute)
            since = {labels: since.get(labels, minute) for labels in true}
            if any(minute - began >= rule.minutes for began in since.values()):
                found.add(rule.name)
                break
    return found


def flat(value: float) -> Callable[[int], float]:
    return lambda _: value


def growing(a_minute: float) -> Callable[[int], float]:
    """As an age does, in seconds a minute; or a number."""
    return lambda minute: minute * a_minute


def at(minute: int, before: float, after: float) -> Callable[[int], float]:
    return lambda now: before if now < minute else after


def letter(name: str, state: str) -> str:
    return f'throughgate_delivery_oldest_seconds{{letter="{name}", state="{state}"}}'


def count(what: str, label: str, word: str) -> str:
    return f'throughgate_{what}{{{label}="{word}"}}'


AGE = growing(60)
UP = 'up{job="throughgate"}'
SILENCE = 'throughgate_channel_silence_seconds{channel="ehr"}'
GOES_OFF: list[tuple[str, Series]] = [
    ("GatewayDown", {UP: flat(0)}),
    ("FeedSilent", {SILENCE: AGE}),
    *[
        ("DoorTrouble", {f'throughgate_door_events{{channel="ehr", event="{word}"}}': at(20, 0, 1)})
        for word in ("failures", "too_large", "over_memory", "refused_connections", "refused_certificates", "left_out")
    ],
    *[("HandoverNotLeft", {letter("handover", state): AGE}) for state in ("queued", "sending", "held")],
    ("HandoverNotCollected", {letter("handover", "waiting"): AGE}),
    ("HandoverAmbiguous", {letter("handover", "ambiguous"): AGE}),
    ("HandoverUnconfirmed", {"throughgate_handovers_unconfirmed": flat(1)}),
    ("LetterAmbiguous", {letter("prescription-copy", "ambiguous"): AGE}),
    *[
        ("LetterNotLeft", {letter("transfer", state): growing(600)})
        for state in ("queued", "sending", "held", "waiting")
    ],
    ("LetterParked", {count("deliveries", "state", "parked"): at(20, 0, 1)}),
    ("LetterRefused", {count("deliveries", "state", "refused"): at(20, 7, 8)}),
    ("LetterExpired", {count("deliveries", "state", "expired"): at(20, 7, 8)}),
    ("MessageParked", {count("messages", "state", "parked"): at(20, 0, 1)}),
    ("MessageHeld", {count("message_oldest_seconds", "state", "held"): AGE}),
    ("MessageStuck", {count("message_oldest_seconds", "state", "received"): AGE}),
    ("RejectionsRising", {count("messages", "state", "rejected"): growing(2)}),
    *[
        ("AttemptsFailing", {count("attempts", "outcome", word): growing(2)})
        for word in ("transient", "ambiguous", "refused")
    ],
    ("WithheldRising", {count("decisions", "outcome", "withhold"): growing(1)}),
    ("PersonNotTold", {"throughgate_untold_oldest_seconds": AGE}),
    ("TasksPilingUp", {count("tasks", "role", "clinical-lead"): flat(51)}),
    ("LedgerLagging", {"throughgate_ledger_unsigned_seconds": AGE}),
    ("LedgerUnwitnessed", {"throughgate_ledger_unwitnessed_seconds": AGE}),
    ("ErasedInFiles", {"throughgate_erased_in_files_seconds": growing(3_600)}),
    *[
        ("LimitNear", {count("limit_used_ratio", "limit", name): flat(0.81)})
        for name in ("unfinished_messages", "unfinished_deliveries", "store_bytes")
    ],
]


@pytest.mark.parametrize(("name", "series"), GOES_OFF, ids=[f"{name} {min(series)}" for name, series in GOES_OFF])
def test_it_goes_off_and_no_other_does(name: str, series: Series) -> None:
    assert going_off(series) == {name}


def test_every_alert_is_asked() -> None:
    assert {name for name, _ in GOES_OFF} == {rule.name for rule in rules()}


def ordinary(minute: int) -> Iterable[tuple[str, float]]:
    """A day on which all is well: a feed that speaks every two hours, letters that take minutes, one that is refused long ago."""
    yield UP, 1
    yield SILENCE, minute % 120 * 60
    for name in ("handover", "transfer"):
        for state in ("queued", "sending", "held", "waiting", "ambiguous"):
            yield letter(name, state), minute % 4 * 60
    for state, number in (("parked", 0), ("refused", 7), ("expired", 2), ("delivered", 10_000 + minute * 5)):
        yield count("deliveries", "state", state), number
    for state, number in (("parked", 0), ("rejected", 100 + minute), ("released", 10_000 + minute * 5)):
        yield count("messages", "state", state), number
    yield count("message_oldest_seconds", "state", "received"), minute % 4 * 60
    yield count("attempts", "outcome", "transient"), 500 + minute
    yield count("decisions", "outcome", "withhold"), 300 + minute // 5
    yield "throughgate_untold_oldest_seconds", minute % 2 * 60
    yield "throughgate_ledger_unsigned_seconds", minute % 2 * 60
    yield 'throughgate_door_events{channel="ehr", event="frames"}', minute * 10


def well(minute: int) -> dict[str, float]:
    return dict(ordinary(minute))


def test_none_goes_off_on_an_ordinary_day() -> None:
    def of(name: str) -> Callable[[int], float]:
        return lambda now: well(now)[name]

    assert going_off({name: of(name) for name in well(0)}) == set()


@pytest.mark.parametrize(
    "name",
    [
        count("deliveries", "state", "refused"),
        count("deliveries", "state", "expired"),
        count("messages", "state", "rejected"),
        count("attempts", "outcome", "transient"),
        count("decisions", "outcome", "withhold"),
    ],
)
def test_none_goes_off_when_retention_takes_old_rows(name: str) -> None:
    """What is counted in tables falls when they are swept: that is no counter that began again, and nobody is woken for 9,000 refusals of years ago."""
    assert going_off({name: at(100, 10_000, 9_000)}) == set()


@pytest.mark.parametrize(
    "series",
    [
        {UP: at(1, 0, 1)},
        {SILENCE: flat(14_399)},
        {'throughgate_door_events{channel="ehr", event="failures"}': at(20, 5, 0)},
        {letter("handover", "queued"): flat(899)},
        {count("deliveries", "state", "parked"): lambda minute: float(minute % 5 == 0)},
    ],
    ids=[
        "away for a minute",
        "silent, and not yet for long",
        "a restart",
        "queued for a moment",
        "parked for a moment",
    ],
)
def test_none_goes_off_below_its_bound(series: Series) -> None:
    assert going_off(series) == set()
