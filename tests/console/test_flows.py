"""Flows by letter, purpose and kind of data: the numbers are those of the tables, and each band leads to exactly its letters."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from consent.kinds import KINDS
from gateway.console.through import NO_AGREEMENT, NOBODY, Through, through
from gateway.store.schema import decision, delivery
from tests.console.site import Site, open_site
from tests.console.test_exports import read, take

BAND = re.compile(r'<a href="(/console/letters\?[^"]*)" aria-label="[^"]*: (\d+) letters">')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("flows")) as made:
        yield made


def test_each_view_counts_what_is_there_and_its_bands_lead_to_their_letters(site: Site) -> None:
    kept = site.rows(delivery)
    agreements = tuple(site.line.gateway.agreements.values())
    for by in Through:
        names = Counter(name for row in kept for name in through(agreements, by, (row.letter, row.recipient_class)))
        rows = read(take(site, "ines", f"flows?by={by}").text)
        counted: Counter[str] = Counter()
        for row in rows[1:]:
            counted[row[1]] += int(row[4])
        assert counted == names, by
        page = site.as_("ines", "GET", f"/console/flows?by={by}").text
        bands = BAND.findall(page)
        assert len(bands) >= 3
        for path, letters in bands[:: 1 if by is not Through.DATA else 9]:
            there = site.as_("ines", "GET", html.unescape(path)).text
            assert there.count("<td><a href=") == int(letters), path
    assert len(names) > 5, "a letter has several kinds of data"
    assert site.as_("ines", "GET", "/console/flows?by=person").status == 404


FIELD = re.compile(r'numeric">(\d+)</td><td class="nhsuk-table__cell--numeric">(\d+)</td><td>')


def test_the_fields_of_letters_are_those_that_a_decision_lists(site: Site) -> None:
    """Counted when it was decided: what waits for a person is left out, and of what did not leave everything stayed."""
    decided = {row.id: row for row in site.rows(decision)}
    composed = stayed = 0
    for row in site.rows(delivery):
        own = decided[row.decision_id]
        page = site.as_("aron", "GET", f"/console/decisions/{own.id}").text
        fields = [(int(before), int(left)) for before, left in FIELD.findall(page[page.index('id="fields"') :])]
        assert (own.fields_composed, own.fields_left) == tuple(map(sum, zip(*fields, strict=True))), own.letter
        if own.outcome != "hold":
            composed += own.fields_composed
            stayed += own.fields_composed - own.fields_left
    assert 0 < stayed < composed
    rows = read(take(site, "ines", "flows").text)[1:]
    assert (sum(int(row[8]) for row in rows), sum(int(row[9]) for row in rows)) == (composed, stayed)
    page = site.as_("ines", "GET", "/console/flows").text
    assert f"{stayed} ({round(100 * stayed / composed)} %) did not leave" in page
    assert "tg-band--back" in page


def test_without_an_agreement_nothing_is_said_of_purpose_and_data(site: Site) -> None:
    agreements = tuple(site.line.gateway.agreements.values())
    report = next(each for each in agreements if each.regime == "anonymous")
    pair = (report.letter, report.recipient_class)
    assert through(agreements, Through.DATA, pair) == ("figures about nobody",)
    assert through([replace(report, fields=(), identifier_systems=())], Through.DATA, pair) == (NOBODY,)
    assert through(agreements, Through.PURPOSE, ("handover", "nobody")) == (NO_AGREEMENT,)
    assert set(through(agreements, Through.DATA, ("handover", "community-provider"))) <= {*KINDS, NO_AGREEMENT}
    answer = site.as_("ines", "GET", "/console/letters?purpose=no+agreement+in+force")
    assert (answer.status, "None." in answer.text) == (200, True), "every letter here has its agreement"


def test_letters_without_what_a_consent_keeps_back_are_counted(site: Site) -> None:
    """The last of the file: it changes a decision."""

    def in_part() -> list[int]:
        return [int(row[6]) for row in read(take(site, "ines", "flows").text)[1:]]

    assert not any(in_part())
    left = site.rows(delivery, state="delivered")[0]

    def reduce(c: object) -> None:
        own = decision.update().where(decision.c.id == left.decision_id)
        c.execute(own.values(outcome="reduce"))  # type: ignore[attr-defined]  # a connection, in a test

    site.line.gateway.store.write(reduce)
    assert sum(in_part()) == len([row for row in site.rows(delivery) if row.decision_id == left.decision_id])

    def stayed() -> int:
        return sum(int(row[9]) for row in read(take(site, "ines", "flows").text)[1:])

    before, own = stayed(), site.rows(decision, id=left.decision_id)[0]
    site.line.gateway.store.write(
        lambda c: c.execute(delivery.update().where(delivery.c.id == left.id).values(state="recalled"))
    )
    assert stayed() - before == own.fields_left > 0, "of what was recalled everything stayed"
