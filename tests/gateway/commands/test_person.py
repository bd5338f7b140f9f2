"""`throughgate person`: ids only, a reason always, and what was said stands in the ledger."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from fhir_profiles.shapes import PersonIdentifier
from fhir_profiles.systems import PRISON_NUMBER
from gateway import wiring
from gateway.__main__ import app
from gateway.people.find import Found, resolve
from gateway.settings import read_settings
from gateway.steps.link import LinkError
from gateway.store.schema import ledger_entry, person_apart, person_merge
from tests.builders import prison_number


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    assert run("init", str(folder)).exit_code == 0
    return folder / "throughgate.toml"


def people(installation: Path) -> tuple[str, str]:
    """Two people with a prison number each."""
    with wiring.open_parts(read_settings(installation)) as gateway:
        found = []
        for number in (1, 2):
            named = PersonIdentifier(system=PRISON_NUMBER, value=prison_number(number), path="PID-3", valid=True)
            answer = gateway.store.write(lambda c, named=named: resolve(c, gateway.keys, (named,), gateway.now()))  # type: ignore[misc]  # used at once
            assert isinstance(answer, Found)
            found.append(answer.person_id)
    return found[0], found[1]


def entries(installation: Path, event: str) -> list[dict[str, object]]:
    with wiring.open_parts(read_settings(installation)) as gateway, gateway.store.read() as c:
        bodies = [json.loads(body) for body in c.execute(select(ledger_entry.c.body)).scalars()]
    return [body["facts"] for body in bodies if body["event"] == event]


def test_two_records_are_linked(installation: Path) -> None:
    stays, goes = people(installation)
    done = run("person", "link", stays, goes, "--reason", "one person", "--json", "--config", str(installation))
    assert (done.exit_code, json.loads(done.output)) == (0, {"person": stays})
    with wiring.open_parts(read_settings(installation)) as gateway, gateway.store.read() as c:
        assert c.execute(select(person_merge.c.absorbed, person_merge.c.survivor)).one() == (goes, stays)
    assert entries(installation, "linked")[-1] == {"person": stays, "absorbed": goes}
    apart = run("person", "separate", stays, goes, "--reason", "two people", "--json", "--config", str(installation))
    said = {"separated": True, "taken_apart": True, "sent": [], "unclear": []}
    assert (apart.exit_code, json.loads(apart.output)) == (0, said)
    assert {key: entries(installation, "separated")[-1][key] for key in ("person", "other")} == {
        "person": stays,
        "other": goes,
    }
    same = run("person", "separate", stays, stays, "--reason", "two people", "--config", str(installation))
    assert isinstance(same.exception, LinkError)


def test_two_people_are_separated(installation: Path) -> None:
    one, other = people(installation)
    assert run("person", "separate", one, other, "--reason", "brothers", "--config", str(installation)).exit_code == 0
    with wiring.open_parts(read_settings(installation)) as gateway, gateway.store.read() as c:
        assert set(c.execute(select(person_apart.c.first, person_apart.c.second)).one()) == {one, other}
    assert {one, other} <= set(entries(installation, "separated")[-1].values())


@pytest.mark.parametrize("act", ["link", "separate"])
def test_an_unknown_id_and_an_empty_reason_are_refused(installation: Path, act: str) -> None:
    one, other = people(installation)
    for arguments in ((one, "NOBODY", "--reason", "x"), (one, other, "--reason", " ")):
        done = run("person", act, *arguments, "--config", str(installation))
        assert done.exit_code == 1
        assert isinstance(done.exception, LinkError)
    assert run("person", act, one, other, "--config", str(installation)).exit_code == 2


def test_a_number_is_no_argument(installation: Path) -> None:
    """An NHS number or prison number on the command line finds nobody: it would stand in shell histories."""
    one, _ = people(installation)
    done = run("person", "link", one, prison_number(2), "--reason", "x", "--config", str(installation))
    assert isinstance(done.exception, LinkError)
    assert prison_number(2) not in str(done.exception)
