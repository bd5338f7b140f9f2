"""The tables of the sharing rules run as tests: each cell is one decision."""

from typing import Any

import pytest

from consent.disclosure_control import CellCount, close_cells
from consent.kinds import KINDS, how_much
from consent.prohibitions import FORBIDDEN
from fhir_profiles.terminology import laws_opened_by_agreement
from tests.consent.made import NHS, ask, label, patient, resource
from tests.spec.tables import HERE, PAGES, cells, read_page
from tests.spec.words import BY_LAW, KEEPS_BACK, LETTERS, OUTCOMES, PARTS, PERMITS_ALL, SAID, TURNS, UNNOTICED

WHO, SPLIT, LAW, TURNED, DATA, CELLS = (read_page(name) for name in PAGES)
PERSON = patient(identifier=[{"system": NHS, "value": "9990000018"}])


@pytest.mark.parametrize(("said", "recipient", "outcome"), cells(WHO))
def test_who_gets_what(said: str, recipient: str, outcome: str) -> None:
    agreed, kinds = LETTERS[recipient]
    things = (PERSON, *(resource(kind, f"r{place}") for place, kind in enumerate(kinds)))
    decision = ask(*SAID[said], resources=things, under=agreed, noticed=said not in UNNOTICED)
    assert decision.outcome == OUTCOMES[outcome]


HANDOVER = (
    PERSON,
    resource("CarePlan", "plan", ["R", "SUD"], created="2026-01-03"),
    resource("MedicationRequest", "script", ["R", "SUD"], authoredOn="2026-01-03"),
    resource("Observation", "test", ["R", "SUD"], effectiveDateTime="2026-01-04"),
    resource("Observation", "hiv", ["R", "HIV"], effectiveDateTime="2025-06-04"),
    resource("Flag", "risk", ["R"], period={"start": "2025-12-01"}),
)


@pytest.mark.parametrize("row", SPLIT.rows, ids=[row[0] for row in SPLIT.rows])
def test_parts_of_a_letter(row: tuple[str, ...]) -> None:
    expected = dict(zip(SPLIT.columns[1:], row[1:], strict=True))
    decision = ask(*KEEPS_BACK[row[0]], resources=HANDOVER)
    assert decision.outcome == OUTCOMES[expected["letter"]]
    assert decision.withheld_marker == (expected["marker"] == "yes")
    votes = {vote.resource: vote.vote for vote in decision.votes}
    for part, name in PARTS.items():
        if expected[part] != "-":
            assert (votes[name] == "permit") == (expected[part] == "in"), part


@pytest.mark.parametrize(("said", "recipient", "fate"), cells(LAW))
def test_what_a_law_forbids(said: str, recipient: str, fate: str) -> None:
    mark, consents = BY_LAW[said]
    agreed, kinds = LETTERS[recipient]
    protected = resource("Condition", "protected", None, meta={"security": [label("R"), mark]})
    things = (PERSON, *(resource(kind, f"r{place}") for place, kind in enumerate(kinds)), protected)
    decision = ask(*consents, resources=things, under=agreed, opened=laws_opened_by_agreement())
    votes = {vote.resource: vote for vote in decision.votes}
    assert (votes["Condition/protected"].vote == "permit") == (fate == "told")
    assert fate == "told" or votes["Condition/protected"].rule == FORBIDDEN


@pytest.mark.parametrize(("said", "recipient", "fate"), cells(TURNED))
def test_what_turns_a_meaning(said: str, recipient: str, fate: str) -> None:
    """With everybody's yes: nothing but the agreement keeps it back."""
    agreed, kinds = LETTERS[recipient]
    things = {each["id"]: each for each in (PERSON, *(resource(kind, f"r{n}") for n, kind in enumerate(kinds)))}
    turned = TURNS[said]
    made = (
        PERSON | turned if turned["resourceType"] == "Patient" else resource(turned["resourceType"], "turned", **turned)
    )
    decision = ask(*PERMITS_ALL, resources=(things | {made["id"]: made}).values(), under=agreed)
    vote = next(each for each in decision.votes if each.resource == f"{made['resourceType']}/{made['id']}")
    leaves = made["resourceType"] in agreed.tree.children
    assert fate == ("not in it" if not leaves else TURNED_FATES[vote.rule == "modifier-left-out", decision.outcome])


TURNED_FATES = {
    (False, "release"): "told",
    (True, "hold"): "the letter waits",
    (True, "withhold"): "no letter",
    (True, "reduce"): "stays back",
}


@pytest.mark.parametrize(("kind", "recipient", "answer"), cells(DATA))
def test_kinds_of_data(kind: str, recipient: str, answer: str) -> None:
    agreed, _ = LETTERS[recipient]
    assert how_much(agreed, kind) == answer


@pytest.mark.parametrize("row", CELLS.rows)
def test_cells(row: tuple[str, ...]) -> None:
    tested, unexpected, tested_shown, shown, then = row
    (cell,) = close_cells([CellCount(group="opiates", tested=int(tested), positive=int(unexpected))], ("opiates",))
    assert (cell.tested, cell.shown, cell.fate) == (tested_shown, shown, then)


def test_every_word_is_used_and_known() -> None:
    """A row without a meaning, or a meaning without a row, is a rule that nobody reads."""
    assert [row[0] for row in WHO.rows] == list(SAID)
    assert [row[0] for row in SPLIT.rows] == list(KEEPS_BACK)
    assert [row[0] for row in LAW.rows] == list(BY_LAW)
    assert [row[0] for row in TURNED.rows] == list(TURNS)
    assert set(LAW.columns[1:]) < set(LETTERS)
    assert set(TURNED.columns[1:]) < set(LETTERS)
    assert [row[0] for row in DATA.rows] == list(KINDS)
    assert list(WHO.columns[1:]) == list(LETTERS)
    assert set(DATA.columns[1:]) < set(LETTERS)


@pytest.mark.parametrize("page", [WHO, SPLIT, LAW, TURNED, DATA, CELLS], ids=lambda page: page.heading)
def test_a_page_can_be_read_and_rendered(page: Any) -> None:
    assert page.heading
    assert len(page.text.split()) > 20
    assert len({row[0] for row in page.rows}) == len(page.rows) or page is CELLS


def test_every_page_is_rendered() -> None:
    assert sorted(PAGES) == sorted(page.stem for page in HERE.glob("*.txt"))


def test_a_table_can_fail() -> None:
    """Sabotage: the opposite of a cell is not what is decided."""
    agreed, kinds = LETTERS["community provider"]
    things = (PERSON, *(resource(kind, f"r{place}") for place, kind in enumerate(kinds)))
    assert ask(*SAID["refused everybody"], resources=things, under=agreed).outcome != OUTCOMES["leaves"]
    with pytest.raises(FileNotFoundError):
        read_page("no-such-page")
