"""What left about nobody, and how much it tells of somebody at most: the page says what was entered and printed, and nothing more."""

import json
import re
from typing import Any

from sqlalchemy import Connection

from consent.disclosure_control import BELONGS_AT_MOST, POSITIVE_AT_MOST
from fhir_profiles.letters.indicators import COLUMNS
from gateway.ledger import record
from gateway.steps.indicators import chain_of, printed
from gateway.store.schema import delivery, ledger_entry
from tests.console.site import Site


def reports_of(site: Site) -> list[Any]:
    """What left about nobody: a month is over, whichever test is the first here."""
    if not (made := [row for row in site.rows(delivery) if row.message_id is None]):
        site.line.clock.advance(days=45)
        site.run(site.line.gateway.settle())
        site.cookies["aron"] = site.log_in("aron")
        made = [row for row in site.rows(delivery) if row.message_id is None]
    assert made, "a month is over"
    return made


def test_each_report_stands_there_with_its_measures_and_margins(site: Site) -> None:
    reports = reports_of(site)
    closed = [
        json.loads(row.body)["facts"] for row in site.rows(ledger_entry) if json.loads(row.body)["event"] == "closed"
    ]
    assert len(closed) == len(reports)
    text = site.as_("aron", "GET", "/console/risk").text
    for row in reports:
        assert f"/console/letters/{row.id}" in text
    for facts in closed:
        assert f"{facts['belongs']} % ({BELONGS_AT_MOST - facts['belongs']} below)" in text
        assert f"{facts['positive']} % ({float(POSITIVE_AT_MOST - facts['positive'])} below)" in text
        assert facts["period"] in text
    assert "0 of " in text, "one person's result is in no cell that is printed"
    taken = site.as_("aron", "GET", "/console/export/risk").text
    assert all(row.id in taken for row in reports)


def test_a_table_that_was_printed_is_listed_once(site: Site) -> None:
    gateway = site.line.gateway
    for _ in range(2):
        assert set(printed(gateway, "2025-Q3").shown.values()) == {"0"}
    text = site.as_("aron", "GET", "/console/risk").text
    assert text.count("2025-Q3") == 1
    assert "2025-Q2" not in text
    rows = site.rows(ledger_entry, chain=chain_of("2025-Q3"))
    assert [json.loads(row.body)["step"] for row in rows] == list(range(1, len(gateway.establishments) + 2))


def test_a_table_has_its_measure_and_who_received_a_part_of_it(site: Site) -> None:
    """The fewest people that a printed number can count; a small number is any small one; the other measure does not apply, and it says why."""
    gateway = site.line.gateway
    entered: dict[str, str | int] = {"what": "aggregate", "quarter": "2025-Q2", "small": 7, "base": 5, "row": "ZFG"}
    figures: dict[str, str | int] = dict.fromkeys(
        (column.replace(" ", "_") for column in (*COLUMNS, "total")), "hidden"
    )
    figures |= {"confirmed": 20, "total": 30}
    letters = reports_of(site)
    printed(gateway, "2025-Q3")

    def work(c: Connection) -> None:
        facts: dict[str, str | int | bool] = {**entered, **figures}
        made: dict[str, Any] = {"entry_id": gateway.ids.entry(), "chain": chain_of("2025-Q2"), "step": 1}
        record(c, **made, event="exported", at=gateway.now(), facts=facts)
        c.execute(delivery.update().where(delivery.c.id == letters[0].id).values(letter="indicators"))

    gateway.store.write(work)
    text = site.as_("aron", "GET", "/console/risk").text
    row = re.search(r"<tr><td>2025-Q2</td>.*?</tr>", text)
    assert row is not None
    # 20 stands for 18 at least, 8 are behind any printed number: one in eighteen is 5.6 %, below one in eight by 6.9
    assert [f">{said}<" in row[0] for said in ("7", "5", f"2 of {len(figures)}", "5.6 % (6.9 below)")] == [True] * 4
    nothing = re.search(r"<tr><td>2025-Q3</td>.*?</tr>", text)
    assert nothing is not None
    assert "nobody is behind a printed number" in nothing[0]
    assert "<strong>Positive</strong> does not apply" in text
    received = text[text.index('id="received"') :].split("<h2")[0]
    assert f"/console/letters/{letters[0].id}" in received
    assert letters[0].id in site.as_("aron", "GET", "/console/export/risk").text


def test_an_extract_is_listed_once_and_whoever_was_left_out_of_it_is_not(site: Site) -> None:
    gateway = site.line.gateway
    facts: dict[str, str | int | bool] = {
        "what": "evaluation-extract", "agreement": "evaluation-extract", "recipient": "ZZE07", "quarter": "2025-Q4", "sha256": "0" * 64,
        "k": 10, "rows": 4321, "suppressed": 5432, "opted_out": 6543, "not_agreed": 7654, "sensitive": 8765,
    }  # fmt: skip

    def work(c: Connection) -> None:
        for step in (1, 2):
            made: dict[str, Any] = {
                "entry_id": gateway.ids.entry(),
                "chain": "extract:evaluation-extract:2025-Q4",
                "step": step,
            }
            record(c, **made, event="exported", at=gateway.now(), facts=facts)

    assert "Extracts for evaluators" in site.as_("aron", "GET", "/console/risk").text
    gateway.store.write(work)
    for path in ("risk", "export/risk"):
        text = site.as_("aron", "GET", f"/console/{path}").text
        assert text.count("ZZE07") == 1, "made again it is the same file"
        assert all(said in text for said in ("2025-Q4", "4321", "10.0"))
        assert not [each for each in ("5432", "6543", "7654", "8765") if each in text], path
