"""The picture is true to its numbers: every bar is as high as what flows through it, bands fill bars, nothing is cut off."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.console.sankey import GAP, LEAST, WIDTH, Flows, picture

LINKS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), st.integers(1, 5_000), min_size=1, max_size=9
)


@given(LINKS)
def test_bars_and_bands_are_as_high_as_what_flows(links: dict[tuple[str, str], int]) -> None:
    made = picture([{link: Flows(amount=amount, fields=8, stayed=0) for link, amount in links.items()}])
    assert sum(bar.amount for bar in made.bars if bar.column == 0) == sum(links.values())
    for side, column in (("source", 0), ("target", 1)):
        for bar in (bar for bar in made.bars if bar.column == column):
            own = [band.amount for band in made.bands if getattr(band, side) == bar.name]
            assert sum(own) == bar.amount
    columns = [sorted((bar for bar in made.bars if bar.column == column), key=lambda bar: bar.y) for column in (0, 1)]
    for bars in columns:
        for above, below in pairwise(bars):
            assert below.y >= above.y + above.height + GAP - 0.2, "bars overlap"
        if all(bar.height > LEAST for bar in bars) and len(bars) > 1:
            first, second = bars[:2]
            assert (
                abs(first.height / second.height - first.amount / second.amount)
                < 0.05 * first.amount / second.amount + 0.1
            )
    assert all(0 <= bar.x <= WIDTH and bar.y + bar.height <= made.height for bar in made.bars)


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_dark_part_of_a_band_is_what_stayed(stayed: int, left: int) -> None:
    """At its lower edge, as high as its share; of a band without counted fields nothing is said."""
    flows = Flows(amount=100, fields=stayed + left, stayed=stayed)
    (band,) = picture([{("a", "x"): flows}]).bands
    if stayed + left == 0:
        assert (band.withheld, band.back) == (None, "")
        return
    assert band.withheld == round(100 * stayed / (stayed + left))
    assert bool(band.back) is (stayed > 0)
    edges = [[float(number) for number in re.findall(r"[\d.]+", path)] for path in (band.path, band.back) if path]
    whole, dark = edges[0], edges[-1]
    if stayed:
        assert abs((dark[8] - dark[7]) / (whole[8] - whole[7]) - stayed / (stayed + left)) < 0.01
        assert abs(dark[8] - whole[8]) < 0.2, "at the lower edge"


def test_nothing_makes_no_picture() -> None:
    assert picture([{}, {}]).bars == ()
