"""An officer's pages over a store of millions of messages: the same answers, and a twentieth of them slower than 300 ms at most (soak).

The store is a played story whose finished messages, decisions and letters were copied under other ids, each copy about another person. What
the pages do not read (bodies, the ledger) is not copied. On SQLite: one box.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from statistics import quantiles

import pytest
from sqlalchemy import Connection, Table, func, select

from gateway.console.disclosures import MOST_A_DAY
from gateway.store.schema import decision, delivery, message
from tests.console.site import ALEX, BAILEY, CASEY, DREW, PEOPLE, Site, open_site
from tests.console.test_disclosures import FORM
from tests.faults.account import PROPERTY, SOAKING, Account, number

MESSAGES = number(3_000, 3_000_000)
PEOPLE_COPIED = MESSAGES // 20
TURNS_AT_ONCE = 2_000
SPAN_DAYS = 20
ASKED = number(12, 100)
"""Requests of each kind; of a dozen the slowest alone would be nearly the p95."""
SLOWEST_MS = 300.0
OF_FINISHED = "message_id IN (SELECT id FROM base_message)"
BASE = {
    "message": "state = 'released'",
    "decision": OF_FINISHED,
    "delivery": f"{OF_FINISHED} AND ended_at IS NOT NULL",  # a copy of one that still waits fits no seal: the line would try thousands
}
OTHER = "printf('%07d', turn.n * 7919 % 9999991) || substr({}, 1, 13)"
"""Another id: beginnings that lie as far apart as random ones do."""
LATER = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', :started, printf('+%d seconds', turn.n * :seconds))"
CHANGED = {
    **dict.fromkeys(("id", "message_id", "decision_id"), OTHER),
    **dict.fromkeys(("received_at", "created_at", "decided_at", "ended_at"), LATER),
    **dict.fromkeys(("key_index", "bundle_index", "supersedes"), "NULL"),
    "person_id": "printf('COPY%07d', turn.n % :people)",
}


def copying(table: Table) -> str:
    """The statement that copies the base rows of a table once for each turn."""
    columns = [each.name for each in table.columns if each.name != "sequence"]
    values = [CHANGED.get(name, "{}").format(f"base.{name}") for name in columns]
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM base_{table.name} base, turn ORDER BY turn.n"


def fill(site: Site) -> int:
    """Copies until there are so many messages; how many there are."""
    store = site.line.gateway.store

    def begin(c: Connection) -> tuple[int, str]:
        for name, which in BASE.items():
            c.exec_driver_sql(f"CREATE TABLE base_{name} AS SELECT * FROM {name} WHERE {which}")
        c.exec_driver_sql("CREATE TABLE turn (n INTEGER PRIMARY KEY)")
        count, newest = c.exec_driver_sql("SELECT count(*), max(received_at) FROM base_message").one()
        c.exec_driver_sql(
            "WITH RECURSIVE some(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM some WHERE n + 1 < ?) "
            "INSERT INTO person (id, wrapped_key, consent_version, file_version, link_version, created_at) "
            "SELECT printf('COPY%07d', some.n), x'00', 0, 0, 0, ? FROM some",
            (PEOPLE_COPIED, newest),
        )
        return int(count), str(newest)

    count, newest = store.write(begin)
    later_made = store.write(_without_indexes)
    rounds = MESSAGES // count + 1
    said = {
        "started": datetime.fromisoformat(newest).strftime("%Y-%m-%d %H:%M:%S"),
        "seconds": SPAN_DAYS * 86_400 / rounds,
        "people": PEOPLE_COPIED,
    }
    for first in range(0, rounds, TURNS_AT_ONCE):

        def some(c: Connection, first: int = first) -> None:
            c.exec_driver_sql("DELETE FROM turn")
            c.exec_driver_sql(
                "INSERT INTO turn VALUES (?)", [(n,) for n in range(first, min(first + TURNS_AT_ONCE, rounds))]
            )
            for table in (message, decision, delivery):
                c.exec_driver_sql(copying(table), said)

        store.write(some)
    for statement in later_made:
        store.write(lambda c: c.exec_driver_sql(statement))  # noqa: B023  # called at once
    later(site, days=SPAN_DAYS)
    with store.read() as c:
        return int(c.execute(select(func.count()).select_from(message)).scalar_one())


def _without_indexes(c: Connection) -> list[str]:
    """Takes the indexes of the filled tables away while they are filled, and answers what makes them again: one sort of each is quicker than
    millions of places that lie far apart. What stays keeps rows unique.
    """
    rows = c.exec_driver_sql(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql LIKE 'CREATE INDEX%' "
        "AND tbl_name IN ('message', 'decision', 'delivery')"
    ).all()
    assert rows, "there are some"
    for row in rows:
        c.exec_driver_sql(f"DROP INDEX {row.name}")
    return [str(row.sql) for row in rows]


def later(site: Site, *, days: int) -> None:
    """Everybody's sessions ended meanwhile: they log in again."""
    site.line.clock.advance(days=days)
    for name in PEOPLE:
        site.cookies[name] = site.log_in(name)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, int]]:
    with open_site(tmp_path_factory.mktemp("scale")) as site:
        yield site, fill(site)


def p95(site: Site, ask: Callable[[int], None]) -> float:
    """Milliseconds within which 19 of 20 were answered; as many in a day as one officer may ask."""
    took = []
    for turn in range(ASKED):
        if turn and turn % MOST_A_DAY == 0:
            later(site, days=1)
        started = time.monotonic()
        ask(turn)
        took.append((time.monotonic() - started) * 1_000)
    return quantiles(took, n=20, method="inclusive")[-1]


def test_lookup_search_and_flows_answer_as_quickly_as_in_a_small_store(
    filled: tuple[Site, int], record_property: Callable[[str, object], None]
) -> None:
    site, there = filled
    assert there >= MESSAGES
    numbers = [each.nhs_number for each in (ALEX, BAILEY, CASEY, DREW)]

    def look_up(turn: int) -> None:
        path = site.as_("ines", "POST", "/console/disclosures", {**FORM, "number": numbers[turn % 4]}).headers[
            "location"
        ]
        assert site.as_("ivor", "POST", path, {"answer": "yes"}).status == 303
        journey = site.as_("ines", "GET", path)
        assert (journey.status, "ADT^A03" in journey.text) == (200, True)

    def search(turn: int) -> None:
        asked = (
            "sender=fellgate-ehr&state=released",
            "kind=ADT%5EA03",
            "establishment=ZFG&from=2026-01-20&to=2026-01-21",
            f"id={site.rows(message, state='held')[0].id}",
        )[turn % 4]
        answer = site.as_("ines", "GET", f"/console/search?{asked}")
        assert (answer.status, "/console/messages/" in answer.text) == (200, True), asked

    def flows(_turn: int) -> None:
        answer = site.as_("ines", "GET", "/console/flows")
        assert (answer.status, "<svg" in answer.text) == (200, True)

    took = {ask.__name__: p95(site, ask) for ask in (look_up, search, flows)}
    said = ", ".join(f"{name} {ms:.0f} ms" for name, ms in took.items())
    done = 3 * ASKED
    made = Account(
        name="pages-at-scale", attempted=done, acked=done, recovered=0, note=f"{there:,} messages; p95: {said}"
    )
    record_property(PROPERTY, made.line())
    if SOAKING:
        assert max(took.values()) < SLOWEST_MS
