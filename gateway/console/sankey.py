"""A flow picture as shapes: columns of bars joined by bands, each as high as what flows. Pure: numbers in, numbers out.

The picture is never alone: the page has the same numbers as a table beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1000
BAR: Final = 14
GAP: Final = 14
LEAST: Final = 2.0
"""The height of the thinnest band: what flows at all is seen."""
HEIGHT: Final = 420


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One box of a column, with its label beside it."""

    name: str
    column: int
    amount: int
    x: float
    y: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Band:
    """What flows from one bar of a column to the next column's, as a path. `back` is the path of the part of it whose fields stayed, at its
    lower edge; `withheld` is that part in per cent, None where no field was counted.
    """

    column: int
    source: str
    target: str
    amount: int
    withheld: int | None
    path: str
    back: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    bars: tuple[Bar, ...]
    bands: tuple[Band, ...]
    height: float


Link = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Flows:
    """What flows along one link: letters, their fields, and the fields that stayed."""

    amount: int
    fields: int
    stayed: int


def picture(columns: Sequence[Mapping[Link, Flows]]) -> Picture:
    """Columns of links, source and target; targets of one are sources of the next."""
    amounts = _amounts(columns)
    if not amounts:
        return Picture(bars=(), bands=(), height=0)
    total = max(sum(column.values()) for column in amounts) or 1
    scale = HEIGHT / total
    bars, height = _bars(amounts, scale)
    return Picture(bars=tuple(bars.values()), bands=tuple(_bands(columns, bars, scale)), height=height)


def _amounts(columns: Sequence[Mapping[Link, Flows]]) -> list[dict[str, int]]:
    if not any(columns):
        return []
    found: list[dict[str, int]] = [{} for _ in range(len(columns) + 1)]
    for number, links in enumerate(columns):
        for source, target in sorted(links):
            amount = links[source, target].amount
            if number == 0:
                found[0][source] = found[0].get(source, 0) + amount
            found[number + 1][target] = found[number + 1].get(target, 0) + amount
    return found


def _bars(amounts: Sequence[Mapping[str, int]], scale: float) -> tuple[dict[tuple[int, str], Bar], float]:
    bars: dict[tuple[int, str], Bar] = {}
    tallest = 0.0
    for number, column in enumerate(amounts):
        y = 0.0
        x = number * (WIDTH - BAR) / (len(amounts) - 1)
        for name, amount in column.items():
            high = max(LEAST, amount * scale)
            bars[(number, name)] = Bar(
                name=name, column=number, amount=amount, x=round(x, 1), y=round(y, 1), height=round(high, 1)
            )
            y += max(high, BAR) + GAP
        tallest = max(tallest, y)
    return bars, round(tallest, 1)


def _bands(columns: Sequence[Mapping[Link, Flows]], bars: Mapping[tuple[int, str], Bar], scale: float) -> list[Band]:
    out: dict[tuple[int, str], float] = {}
    into: dict[tuple[int, str], float] = {}
    bands = []
    for number, links in enumerate(columns):
        for source, target in sorted(links):
            flows = links[source, target]
            start, end = bars[(number, source)], bars[(number + 1, target)]
            high = max(LEAST, flows.amount * scale)
            left = start.y + out.get((number, source), 0.0)
            right = end.y + into.get((number + 1, target), 0.0)
            out[(number, source)] = out.get((number, source), 0.0) + high
            into[(number + 1, target)] = into.get((number + 1, target), 0.0) + high
            low = high * flows.stayed / flows.fields if flows.fields else 0.0
            top = high - low
            bands.append(
                Band(
                    column=number,
                    source=source,
                    target=target,
                    amount=flows.amount,
                    withheld=round(100 * flows.stayed / flows.fields) if flows.fields else None,
                    path=_path(start.x + BAR, left, end.x, right, high),
                    back=_path(start.x + BAR, left + top, end.x, right + top, low) if low else "",
                )
            )
    return bands


def _path(x: float, left: float, to: float, right: float, high: float) -> str:
    middle = (x + to) / 2
    return (
        f"M{x:.1f} {left:.1f}C{middle:.1f} {left:.1f} {middle:.1f} {right:.1f} {to:.1f} {right:.1f}"
        f"V{right + high:.1f}C{middle:.1f} {right + high:.1f} {middle:.1f} {left + high:.1f} {x:.1f} {left + high:.1f}Z"
    )
