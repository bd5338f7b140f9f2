"""A pseudonymised extract through a whole installation: by two people, without whoever may not be in it, linked to nobody and to no other extract."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select
from typer.testing import CliRunner

from consent.extracts import COLUMNS, HIDDEN, KNOWN_OUTSIDE, K
from fhir_profiles.systems import NHS_NUMBER
from gateway import opt_outs, shipped
from gateway.__main__ import app
from gateway.activation import take_up
from gateway.demo.people import SyntheticPerson, synthetic_person
from gateway.extracts import approval
from gateway.extracts.make import Made, make
from gateway.failpoints import hooked
from gateway.ledger.entry import decode
from gateway.opt_outs import OptOutError
from gateway.people.find import identifier_index
from gateway.pipeline import Gateway
from gateway.store.schema import checked_number, ledger_entry, message, person, person_identifier
from gateway.subject import acts, persons_copy
from gateway.subject.acts import ActError, What
from gateway.subject.erase import erase
from tests.builders import adt_a01, adt_a03, consent, fhir_message, rde_o11
from tests.flow.test_notice_of_withdrawal import relabelled
from tests.line import Line, running, sign_agreements

FIRST, SECOND, THIRD = "evaluation-extract", "second-evaluation", "third-evaluation"
BEFORE = "2026-01-14T10:00:00+00:00"
THIRTIES = [number for number in range(160) if number % 40 in range(27, 36)]
IN_IT, OPTED_OUT, REFUSED, UNASKED, SENSITIVE, ERASED, UNNOTICED = (
    THIRTIES[:22],
    THIRTIES[22:24],
    THIRTIES[24:26],
    THIRTIES[26:28],
    THIRTIES[28:29],
    THIRTIES[29:30],
    THIRTIES[30:32],
)
OLDER = [0, 40, 80]
"""In their sixties: three who look alike, too few."""
EVERYBODY = [*IN_IT, *OPTED_OUT, *REFUSED, *UNASKED, *SENSITIVE, *ERASED, *UNNOTICED, *OLDER]


def person_of(number: int) -> SyntheticPerson:
    return synthetic_person(number, pharmacy_ods=None)


def agreed(number: int, decision: str = "permit", purpose: str = "HQUALIMP") -> bytes:
    said = consent(resource_id=f"word-{number}", at=BEFORE, decision=decision, purpose=purpose)
    return fhir_message(person_of(number), resources=[said], message_id=f"W-{number}", at=BEFORE, event="consent")


def noticed(number: int) -> bytes:
    """Two are as old as many others, agreed, and were never given a notice."""
    given = consent(resource_id=f"notice-{number}", at=BEFORE, decision="permit")
    npp = {"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "npp"}
    made = {key: value for key, value in given.items() if key != "provision"} | {"category": [{"coding": [npp]}]}
    return fhir_message(person_of(number), resources=[made], message_id=f"N-{number}", at=BEFORE, event="consent")


def consents() -> list[bytes]:
    flagged = [relabelled(agreed(number), "R") for number in SENSITIVE]
    refused = [agreed(REFUSED[0], "deny"), agreed(REFUSED[1], purpose="TREAT")]
    given = [noticed(number) for number in EVERYBODY if number not in UNNOTICED]
    return [
        *(agreed(number) for number in (*IN_IT, *UNNOTICED, *OPTED_OUT, *ERASED, *OLDER)),
        *refused,
        *flagged,
        *given,
    ]


def with_agreements(line: Line) -> None:
    """The shipped one, another evaluation by another body, and another one by the same."""
    text = (shipped.agreements() / f"{FIRST}.toml").read_text("utf-8").replace("review = 2027", "review = 2099")
    (line.folder / "agreements" / f"{FIRST}.toml").write_text(text, "utf-8")
    (line.folder / "agreements" / f"{SECOND}.toml").write_text(text.replace('"ZZE01"', '"ZZE02"'), "utf-8")
    (line.folder / "agreements" / f"{THIRD}.toml").write_text(text, "utf-8")
    sign_agreements(line.config)
    assert take_up(line.gateway)


async def lived(line: Line) -> None:
    """Everybody is received; half are prescribed methadone, some released, one of them opted out."""
    with_agreements(line)
    for number in EVERYBODY:
        await line.send(adt_a01(person_of(number), message_id=f"IN-{number}"))
    for body in consents():
        await line.send(body)
    await line.settle(60)
    for number in IN_IT[::2]:
        await line.send(rde_o11(person_of(number), message_id=f"RX-{number}"))
    for number in (*IN_IT[:8], *OPTED_OUT):
        await line.send(adt_a03(person_of(number), message_id=f"OUT-{number}"))
    await line.settle(60)


def checked(gateway: Gateway, *without: int) -> None:
    """The national service gives back everybody's number but those who opted out."""
    numbers = [person_of(number).nhs_number for number in EVERYBODY if number not in (*OPTED_OUT, *without)]
    opt_outs.load(gateway, [f"{number}," for number in numbers])


def by_two(gateway: Gateway, name: str = FIRST, quarter: str = "2026-Q1") -> str:
    act = approval.ask(gateway, name, quarter, reason="approved by the board", by="Ada Example")
    approval.approve(gateway, act, reason="read the approval", by="Ben Example")
    return act


def rows_of(made: Made) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(made.csv.decode("utf-8-sig"))))


class Dead(Exception):
    """The process ends here."""


def dies_at(point: str) -> Callable[[str], None]:
    """Whoever passes this point is dead."""

    def pass_by(passed: str) -> None:
        if passed == point:
            raise Dead

    return pass_by


def exported(gateway: Gateway) -> list[bytes]:
    with gateway.store.read() as c:
        found = c.execute(select(ledger_entry.c.body).where(ledger_entry.c.chain.like("extract:%"))).scalars()
        return list(found)


def in_list(gateway: Gateway) -> list[bytes]:
    with gateway.store.read() as c:
        return list(c.execute(select(checked_number.c.value_index)).scalars())


def person_id_of(gateway: Gateway, number: int) -> str:
    index = identifier_index(gateway.keys, NHS_NUMBER, person_of(number).nhs_number)
    query = select(person_identifier.c.person_id).where(person_identifier.c.value_index == index)
    with gateway.store.read() as c:
        return str(c.execute(query).scalar_one())


def forgotten(gateway: Gateway, number: int) -> None:
    act = acts.ask(gateway, person_id_of(gateway, number), What.ERASURE, reason="a wrong record", by="Ada Example")
    acts.approve(gateway, act, reason="seen", by="Ben Example")
    erase(gateway, act, reason="a wrong record", by="Cas Example")


def identifying(file: bytes) -> list[str]:
    """Whatever of the people of this test stands in a file: numbers, names, days of birth, addresses, ids."""
    found = []
    for number in EVERYBODY:
        one = person_of(number)
        canaries = (one.nhs_number, one.prison_number, one.family, one.given, one.born, one.postcode, one.gp_ods)
        found += [each for each in canaries if each.lower().encode() in file.lower()]
    return found


async def test_an_extract_holds_who_agreed_and_nobody_else(tmp_path: Path) -> None:  # noqa: PLR0915  one installation for every question: thirty people are dear
    async with running(tmp_path) as line:
        await lived(line)
        gateway = line.gateway
        # INVARIANT: direct care does not ask: who opted out is handed over like everybody
        handed = {row.person_id: row.state for row in line.deliveries(letter="handover")}
        assert {handed[person_id_of(gateway, number)] for number in (*IN_IT[:8], *OPTED_OUT)} == {"delivered"}
        with pytest.raises(ActError, match="no agreement in force"):
            approval.ask(gateway, "handover", "2025-Q4", reason="why", by="Ada Example")
        with pytest.raises(ValueError, match="not over"):
            approval.ask(gateway, FIRST, "2026-Q1", reason="why", by="Ada Example")
        line.clock.advance(days=80)
        act = approval.ask(gateway, FIRST, "2026-Q1", reason="approved by the board", by="Ada Example")
        with pytest.raises(ActError, match="second person has to approve"):
            make(gateway, act)
        with pytest.raises(ActError, match="who asked cannot approve"):
            approval.approve(gateway, act, reason="me again", by="ada example")
        approval.approve(gateway, act, reason="read", by="Ben Example")
        with pytest.raises(OptOutError, match="never checked"):
            make(gateway, act)
        checked(gateway)
        line.clock.advance(days=8)
        with pytest.raises(OptOutError, match="more than 7 days"):
            make(gateway, act)
        assert exported(gateway) == [], "what was refused left nothing"
        checked(gateway)
        forgotten(gateway, ERASED[0])
        index = identifier_index(gateway.keys, NHS_NUMBER, person_of(ERASED[0]).nhs_number)
        assert index not in in_list(gateway), "an erasure takes the number out of the list too"

        with hooked(dies_at("extract-entry.before-commit")), pytest.raises(Dead):
            make(gateway, act)
        assert exported(gateway) == [], "nobody had it"

        made = make(gateway, act)
        rows = rows_of(made)
        assert tuple(rows[0]) == COLUMNS
        assert len(rows) == len(IN_IT)
        assert made.extract.suppressed == len(OLDER)
        left = made.left_out
        assert (left.opted_out, left.not_agreed, left.sensitive, left.not_noticed) == (
            len(OPTED_OUT),
            len(REFUSED) + len(UNASKED),
            len(SENSITIVE),
            len(UNNOTICED),
        )
        groups = Counter(tuple(row[name] for name in KNOWN_OUTSIDE) for row in rows)
        assert groups == {("male", "30-39", "2026-01", "ZFG"): len(IN_IT)}
        assert min(groups.values()) >= K
        assert Counter(row["treatment"] for row in rows) == {"opioid-substitution": 11, "none-recorded": 11}
        assert Counter(row["handover"] for row in rows) == {"unconfirmed": 8, "none": 14}
        assert {row["reception"] for row in rows} == {HIDDEN}, "everybody was received"
        assert identifying(made.csv) == []
        with gateway.store.read() as c:
            ids = [*c.execute(select(person.c.id)).scalars(), *c.execute(select(message.c.id)).scalars()]
        assert not any(each.encode() in made.csv for each in ids)
        (entry,) = exported(gateway)
        facts = decode(entry)["facts"]
        assert (facts["recipient"], facts["rows"], facts["sha256"]) == ("ZZE01", len(IN_IT), made.sha256)
        assert identifying(entry) == []
        assert not any(each["pseudonym"].encode() in entry for each in rows)

        with hooked(dies_at("extract-entry.after-commit")), pytest.raises(Dead):
            make(gateway, act)
        assert [decode(each)["facts"]["sha256"] for each in exported(gateway)] == [made.sha256] * 2, (
            "entered, had or not"
        )

        # two recipients, two quarters: nobody can be linked; the same one again is the same file; one body has one of a quarter
        assert make(gateway, act).csv == made.csv
        other = rows_of(make(gateway, by_two(gateway, SECOND)))
        with pytest.raises(ActError, match="this body has an extract"):
            approval.ask(gateway, THIRD, "2026-Q1", reason="another question", by="Ada Example")
        for number in EVERYBODY[:22]:
            await line.send(rde_o11(person_of(number), message_id=f"LATER-{number}"))
        await line.settle(60)
        line.clock.advance(days=92)
        checked(gateway, ERASED[0])
        later = rows_of(make(gateway, by_two(gateway, quarter="2026-Q2")))
        names = [{row["pseudonym"] for row in each} for each in (rows, other, later)]
        assert [len(each) for each in names] == [22, 22, 22]
        assert len(set().union(*names)) == 66

        # what changed since could be subtracted, so there is no other file of a quarter
        checked(gateway, *IN_IT[:1])
        with pytest.raises(ActError, match="could be subtracted"):
            make(gateway, by_two(gateway))
        told_of_all(gateway)
        config = line.config
    said = CliRunner().invoke(app, ["extract", "now", act, "--out", str(tmp_path / "x.csv"), "--config", str(config)])
    assert said.exit_code == 1
    assert not (tmp_path / "x.csv").exists()


def told_of_all(gateway: Gateway) -> None:
    """Who is in it and who is not is told the same."""
    told = []
    for number in (IN_IT[0], REFUSED[0]):
        act = acts.ask(gateway, person_id_of(gateway, number), What.REPORT, reason="a letter", by="Ada Example")
        acts.approve(gateway, act, reason="seen", by="Ben Example")
        told.append([each for each in persons_copy.lines(gateway, act) if "table" in each.sentences[0]])
    assert told[0] == told[1]
    assert len(told[0]) == 3, "of two evaluations, one with two quarters"


async def test_the_list_of_the_national_service_is_not_the_list_of_who_opted_out(tmp_path: Path) -> None:
    """The wrong list would turn every no into a yes. And the command says what a person has to know, and no number of anybody."""
    async with running(tmp_path) as line:
        for number in range(4):
            await line.send(adt_a01(person_of(number), message_id=f"IN-{number}"))
        await line.settle(60)
        numbers = [person_of(number).nhs_number for number in range(6)]
        with pytest.raises(OptOutError, match="1 of 4 people on file"):
            opt_outs.load(line.gateway, numbers[:1])
        with pytest.raises(OptOutError, match="line 2: not an NHS number"):
            opt_outs.load(line.gateway, [numbers[0], "9990000000"])
        with pytest.raises(OptOutError, match="empty"):
            opt_outs.load(line.gateway, ["", ","])
        assert in_list(line.gateway) == []
        assert (opt_outs.load(line.gateway, numbers).in_it, len(in_list(line.gateway))) == (4, 6)
        assert opt_outs.load(line.gateway, numbers[:3]).numbers == len(in_list(line.gateway)) == 3, "replaced whole"
        joined = person_id_of(line.gateway, 0)
        other = identifier_index(line.gateway.keys, NHS_NUMBER, numbers[5])
        second = {"system": NHS_NUMBER, "value_index": other, "person_id": joined}
        with line.gateway.store.read() as c:
            assert joined in opt_outs.without_opt_out(c, line.gateway)
        line.gateway.store.write(lambda c: c.execute(insert(person_identifier).values(**second)))
        with line.gateway.store.read() as c:
            assert joined not in opt_outs.without_opt_out(c, line.gateway), "an opt-out of either number is theirs"
        mine = person_identifier.c.value_index == other
        line.gateway.store.write(lambda c: c.execute(delete(person_identifier).where(mine)))
        config = line.config
    file = tmp_path / "given-back.dat"
    file.write_text("".join(f"{number},\n" for number in numbers))
    said = CliRunner().invoke(app, ["opt-out", "import", str(file), "--config", str(config), "--json"])
    assert json.loads(said.output) == {"numbers": 6, "on_file": 4, "in_it": 4}
    args = ["extract", "ask", FIRST, "2025-Q4", "--by", "Ada Example", "--reason", "why", "--config", str(config)]
    assert CliRunner().invoke(app, args).exit_code == 1, "not in force here"


async def test_sabotage_without_the_guard_the_one_who_opted_out_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes the check away has as many rows more as people opted out: what is asserted above can fail."""
    async with running(tmp_path) as line:
        with_agreements(line)
        for number in (*IN_IT[:10], *OPTED_OUT):
            await line.send(agreed(number))
            await line.send(noticed(number))
        await line.settle(60)
        line.clock.advance(days=80)
        checked(line.gateway)
        act = by_two(line.gateway)
        monkeypatch.setattr(
            "gateway.extracts.make.without_opt_out",
            lambda c, _parts: frozenset(c.execute(select(person.c.id)).scalars()),
        )
        assert len(rows_of(make(line.gateway, act))) == 12
        monkeypatch.undo()
        with pytest.raises(ActError, match="could be subtracted"):
            make(line.gateway, act)
        line.gateway.store.write(lambda c: c.execute(delete(checked_number)))
        with pytest.raises(OptOutError, match="never checked"):
            make(line.gateway, act)
