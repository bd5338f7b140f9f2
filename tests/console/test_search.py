"""Messages are found by ids and closed words, page by page, by an index and never by reading the table through."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from sqlalchemy import Connection, insert, text
from sqlalchemy.dialects import postgresql, sqlite

from gateway.console import search
from gateway.console.search import LISTED, PIECE, Wanted, walk
from gateway.store import open_store
from gateway.store.schema import consent, decision, delivery, message
from tests.console.site import ALEX, Site
from tests.engines import database


def found(site: Site, query: str, name: str = "aron") -> list[str]:
    answer = site.as_(name, "GET", f"/console/search?{query}")
    assert answer.status == 200, query
    return re.findall(r'href="/console/messages/([0-9A-Z]+)"', answer.text)


def test_each_word_finds_what_it_says_newest_first(site: Site) -> None:
    rows = sorted(site.rows(message), key=lambda row: -row.sequence)
    everything = [row.id for row in rows]
    assert found(site, "") == [], "nothing is shown before anything is asked"
    assert found(site, "state=") == everything
    some = rows[2]
    for query, wanted in {
        f"id={some.id}": [some.id],
        f"id={site.ids(delivery)[0]}": [site.rows(delivery)[0].message_id],
        f"id={site.ids(decision)[0]}": [site.rows(decision)[0].message_id],
        f"id={'7' * 26}": [],
        f"id={'7' * 20}": [],
        "state=held": [row.id for row in rows if row.state == "held"],
        f"sender={some.client}": [row.id for row in rows if row.client == some.client],
        "kind=ADT%5EA03": [row.id for row in rows if row.kind == "ADT^A03"],
        "kind=ADT%5EA03&state=held": [row.id for row in rows if (row.kind, row.state) == ("ADT^A03", "held")],
        f"establishment={some.establishment}&kind=ORU%5ER01": [row.id for row in rows if row.kind == "ORU^R01"],
        "kind=unreadable": [row.id for row in rows if row.kind == "unreadable"],
        "kind=hmpps-event": [],
        f"consent={site.ids(consent)[0]}": [site.rows(consent)[0].message_id],
        f"consent={site.ids(consent)[0]}&state=rejected": [],
        "from=2020-01-01": everything,
        "to=2020-01-01": [],
        "from=2020-01-01&to=2100-01-01+09:30": everything,
    }.items():
        assert found(site, query) == wanted, query
    middle = rows[len(rows) // 2].received_at
    assert found(site, f"from={middle}".replace("+", "%2B")) == [row.id for row in rows if row.received_at >= middle]
    for refused in (
        "state=lost",
        "from=yesterday",
        "before=x",
        "before=-1",
        "sender=nobody",
        "establishment=x",
        "establishment=ZZZ",
    ):
        assert site.as_("aron", "GET", f"/console/search?{refused}").status == 404, refused
    assert site.as_("aron", "GET", f"/console/search?number={ALEX.nhs_number}").status in (400, 404, 422)


FIELDS = [name for name in search.PARAMETERS if name != "before"]


def test_a_nul_is_asked_of_no_database(site: Site) -> None:
    """PostgreSQL takes none as text: a 500 for whoever typed one."""
    for name in FIELDS:
        typed = {name: "a\0b"}
        assert site.as_("aron", "GET", f"/console/search?{urlencode(typed)}").status == 400, name
        assert site.as_("aron", "POST", "/console/search", typed).status == 400, name


NUMBERS = (ALEX.nhs_number, f"{ALEX.nhs_number[:3]} {ALEX.nhs_number[3:6]} {ALEX.nhs_number[6:]}", ALEX.prison_number)


def test_what_could_be_somebodys_stands_in_no_address(site: Site) -> None:
    """A number in any field of the form leads nowhere, and no page takes one from an address; a form that is right leads to the page."""
    written = [*NUMBERS, *(each.lower() for each in NUMBERS), ALEX.family, f"2026-01-01 {ALEX.nhs_number}"]
    written += ["smith", "smith-jones", "LEE", "KIM", "fhir-smith"]
    written += [f"2026-01-01 09:00:00.{ALEX.nhs_number}", f"2026-01-01 09:00 {ALEX.prison_number}"]
    for name in FIELDS:
        for typed in written:
            answer = site.as_("aron", "POST", "/console/search", {name: typed, "kind" if name != "kind" else "to": ""})
            assert answer.status == 422, (name, typed)
            assert "location" not in answer.headers, (name, typed)
            assert typed not in answer.text, (name, typed)
            assert site.as_("aron", "GET", f"/console/search?{urlencode({name: typed})}").status == 404, (name, typed)
    form = {"kind": " ADT^A03 ", "from": "2026-01-01", "to": "2100-01-01 09:30", "sender": site.rows(message)[0].client}
    answer = site.as_("aron", "POST", "/console/search", {**dict.fromkeys(FIELDS, ""), **form})
    assert answer.status == 303
    path, _, query = answer.headers["location"].partition("?")
    assert (path, dict(parse_qsl(query))) == ("/console/search", {name: said.strip() for name, said in form.items()})
    assert found(site, query)
    nothing = site.as_("aron", "POST", "/console/search", dict.fromkeys(FIELDS, "")).headers["location"]
    assert len(found(site, nothing.partition("?")[2])) == len(site.rows(message))


def test_pages_have_every_message_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LISTED", 3)
    monkeypatch.setattr(search, "PIECE", 2)
    monkeypatch.setattr(search, "LOOKED_AT", 8)
    everything = [row.id for row in sorted(site.rows(message), key=lambda row: -row.sequence)]
    seen, query = [], "kind="
    while query:
        page = site.as_("aron", "GET", f"/console/search?{query}").text
        seen += re.findall(r'href="/console/messages/([0-9A-Z]+)"', page)
        older = re.search(r'href="\?([^"]*)">Older', page)
        query = older[1].replace("&amp;", "&") if older is not None else ""
    assert seen == everything


def rows(number: int) -> Iterator[dict[str, Any]]:
    for each in range(1, number + 1):
        yield {
            "sequence": each,
            "id": f"{each:026d}",
            "body_index": b"",
            "client": f"client-{each % 7}",
            "channel": "http",
            "format": "hl7v2",
            "kind": "ADT^A01",
            "establishment": "ZFG",
            "processing_id": "P",
            "state": "released",
            "step": 1,
            "attempts": 0,
            "received_at": f"2026-01-{1 + each // 1000:02d}T00:00:00.{each:06d}Z",
        }


WALKS: tuple[tuple[dict[str, str], tuple[str, str] | None], ...] = (
    ({}, None),
    ({"sender": "client-3"}, None),
    ({"establishment": "ZFG"}, None),
    ({"kind": "ADT^A01"}, None),
    ({"state": "released"}, None),
    ({"sender": "client-3", "state": "held"}, None),
    ({}, ("1" * 26, "2" * 26)),
)


def plans(c: Connection, dialect: Any, explain: str) -> list[str]:
    """How the engine walks for each kind of search, in the middle of the table."""
    found_ = []
    for words, ids in WALKS:
        query = walk(Wanted(words=words, since=None, until=None, before=None, ids=ids), 100, 4_000)
        said = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        found_.append("\n".join(str(row) for row in c.execute(text(f"{explain} {said}".replace(":", r"\:")))))
    return found_


def test_no_search_reads_the_table_through_on_sqlite(tmp_path: Any) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    try:
        store.write(lambda c: c.execute(insert(message), list(rows(5_000))))
        store.write(lambda c: c.execute(text("ANALYZE")))
        with store.read() as c:
            found_ = plans(c, sqlite.dialect(), "EXPLAIN QUERY PLAN")
            for plan in found_:
                assert "SEARCH message USING" in plan, plan
                assert "SCAN" not in plan, plan
            whole = "EXPLAIN QUERY PLAN SELECT id FROM message WHERE reason = 'x'"
            assert "SCAN message" in "\n".join(str(row) for row in c.execute(text(whole))), "sabotage: a scan is seen"
    finally:
        store.close()
    assert LISTED < PIECE


@pytest.mark.slow
def test_no_search_reads_the_table_through_on_postgresql() -> None:
    store = open_store(database().fresh())
    try:
        store.write(lambda c: c.execute(insert(message), list(rows(5_000))))
        store.write(lambda c: c.execute(text("ANALYZE message")))
        with store.read() as c:
            for plan in plans(c, postgresql.dialect(), "EXPLAIN"):  # type: ignore[no-untyped-call]  # has no types
                assert "Index" in plan, plan
                assert "Seq Scan" not in plan, plan
            whole = c.execute(text("EXPLAIN SELECT id FROM message WHERE reason = 'x'"))
            assert "Seq Scan" in "\n".join(str(row) for row in whole), "sabotage: a scan is seen"
    finally:
        store.close()
