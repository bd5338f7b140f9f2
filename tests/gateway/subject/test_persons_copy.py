"""The person's copy: nothing before a health professional's opinion, withheld lines in the ledger and not in the copy, and no hint of them."""

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import pypdf
import pytest
from sqlalchemy import Connection, delete
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.demo.people import synthetic_person
from gateway.ledger.entry import decode
from gateway.pipeline import Gateway
from gateway.store.schema import ledger_entry, ledger_position
from gateway.subject import acts, persons_copy
from gateway.subject.acts import ActError, What
from gateway.subject.persons_copy import Copy, Ground, Role
from gateway.subject.persons_copy import Line as CopyLine
from tests.builders import adt_a01, adt_a03, oru_r01, rde_o11
from tests.consent.test_lint_and_explain import grade
from tests.gateway.subject.reports import message_of, sign
from tests.line import Line, running

WHOSE = synthetic_person(1)


async def lived(line: Line) -> tuple[Gateway, str]:
    """A person whose handover was sent; an approved act about them."""
    await line.play(adt_a01(WHOSE), rde_o11(WHOSE), oru_r01(WHOSE), adt_a03(WHOSE))
    act = acts.ask(line.gateway, message_of(line, 0), What.REPORT, reason="a letter", by="Ada Example")
    acts.approve(line.gateway, act, reason="seen", by="Ben Example")
    return line.gateway, act


def look(gateway: Gateway, act: str, role: Role = Role.HEALTH_PROFESSIONAL, **withhold: Ground) -> None:
    persons_copy.review(gateway, act, role=role, withhold=withhold, reason="read", by="Dr Example")


async def test_what_is_withheld_is_in_the_ledger_and_not_in_the_copy(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        gateway, act = await lived(line)
        found = persons_copy.lines(gateway, act)
        assert [each.at for each in found] == sorted(each.at for each in found)
        handover = next(
            each for each in found if "We wrote a letter to the drug and alcohol team outside prison." in each.sentences
        )
        tests = next(each for each in found if "test results" in each.sentences[0])
        look(gateway, act)
        whole = persons_copy.write(gateway, act).text
        assert all(sentence in whole for each in found for sentence in each.sentences)
        look(gateway, act, Role.HEALTH_PROFESSIONAL, **{handover.id: Ground.SERIOUS_HARM})
        look(gateway, act, Role.OFFICER, **{tests.id: Ground.THIRD_PARTY})
        reduced = persons_copy.write(gateway, act).text
        assert "We wrote a letter" not in reduced
        assert "test results" not in reduced
        assert "about your medicines" in reduced
        # no hint: what both say beside the lines is the same
        assert reduced.splitlines()[:6] == whole.splitlines()[:6]
        assert reduced.splitlines()[-3:] == whole.splitlines()[-3:]
        assert "We do not say if we left anything out" in whole
        assert_read_at_nine(whole)
        with gateway.store.read() as c:
            entries = [decode(row.body) for row in c.execute(ledger_entry.select()) if b"line-withheld" in row.body]
        assert {(each["facts"]["line"], each["facts"]["ground"], each["facts"]["role"]) for each in entries} == {
            (handover.id, "serious-harm", "health-professional"),
            (tests.id, "third-party", "officer"),
        }
        assert all(each["facts"]["note"] and each["at"] for each in entries)
        look(gateway, act)  # the last word of each role counts
        assert "We wrote a letter" in persons_copy.write(gateway, act).text
        sign(gateway)
        assert gateway.ledger.verify().verified


def assert_read_at_nine(text: str) -> None:
    """As what `explain` says to the person is measured: the school year, and no sentence of more than 14 words."""
    sentences = [each for each in re.split(r"(?<=[.:])\s+|\n+", text) if each]
    assert len(sentences) > 10
    assert grade(sentences) <= 4.5, (grade(sentences), sentences)
    assert max(len(each.split()) for each in sentences) <= 14, max(sentences, key=lambda each: len(each.split()))


def test_whatever_a_message_was_about_is_said_in_plain_words() -> None:
    said = [
        f"The system ehr sent us a message {persons_copy._kind(kind)}." for kind in (*persons_copy._KINDS, "RDE", "X")
    ]
    assert_read_at_nine("\n".join([*said, *persons_copy._EXTRACT]))
    with pytest.raises(AssertionError):
        assert_read_at_nine("\n".join(["We were in receipt of information concerning your rehabilitation."] * 11))


LINES = tuple(
    CopyLine(
        id=str(day),
        at=f"2026-01-{day:02d}T09:00:00+00:00",
        sentences=("The system ehr sent us a message.", "It was made."),
    )
    for day in range(1, 29)
)


def test_on_paper_it_is_the_same_words_in_large_print() -> None:
    copy = Copy(at="2026-01-30T12:00:00+00:00", told=LINES)
    reader = pypdf.PdfReader(io.BytesIO(copy.paper))
    sizes: set[float] = set()

    def see(text: str, _cm: object, matrix: list[float], _font: object, size: float) -> None:
        if text.strip():
            sizes.add(round(abs(matrix[3]) * size, 1))

    pages = [page.extract_text(visitor_text=see) for page in reader.pages]
    assert min(sizes) >= 16
    assert len(pages) > 1
    bare = "".join("".join(page.split()) for page in pages)
    for number in range(1, len(pages) + 1):
        bare = bare.replace(f"YourcopyPage{number}of{len(pages)}", "")
    for word in copy.text.split():
        assert word in bare, word
    for line in copy.text.split("\n\n"):
        assert all("".join(each.split()) in bare for each in line.split(". ")), line
    assert copy.paper == Copy(at=copy.at, told=LINES).paper
    root: Any = reader.trailer["/Root"]
    assert str(root["/Lang"]) == "en-GB"
    assert reader.metadata is not None
    assert reader.metadata.title == "What we did with information about you"


async def test_nothing_is_handed_over_before_an_opinion(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        gateway, act = await lived(line)
        some = persons_copy.lines(gateway, act)[0].id
        with pytest.raises(ActError, match="a health professional has to say first"):
            persons_copy.write(gateway, act)
        look(gateway, act, Role.OFFICER)
        with pytest.raises(ActError, match="a health professional has to say first"):
            persons_copy.write(gateway, act)
        with pytest.raises(ActError, match="only a health professional"):
            look(gateway, act, Role.OFFICER, **{some: Ground.SERIOUS_HARM})
        with pytest.raises(ActError, match="is no line of this copy"):
            look(gateway, act, NOLINE=Ground.CRIME)
        look(gateway, act)
        assert persons_copy.write(gateway, act)
        await line.play(oru_r01(WHOSE, message_id="LATER"))
        with pytest.raises(ActError, match="something has happened since"):
            persons_copy.write(gateway, act)
        unapproved = acts.ask(gateway, message_of(line, 0), What.REPORT, reason="why", by="Ada Example")
        with pytest.raises(ActError, match="a second person"):
            persons_copy.lines(gateway, unapproved)


async def test_no_copy_is_made_of_a_ledger_that_somebody_took_something_out_of(tmp_path: Path) -> None:
    """Its reader has nothing else to compare it with: what is not there would be left out, and nobody told."""
    async with running(tmp_path) as line:
        gateway, act = await lived(line)
        look(gateway, act)
        sign(gateway)
        whole = persons_copy.write(gateway, act)
        sign(gateway)
        handover = next(row for row in line.deliveries() if row.letter == "handover")
        gone = [row.id for row in line.rows(ledger_entry) if handover.decision_id.encode() in row.body]

        def take_out(c: Connection) -> None:
            for trigger in c.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'").scalars().all():
                c.exec_driver_sql(f"DROP TRIGGER {trigger}")
            c.execute(delete(ledger_position).where(ledger_position.c.entry_id.in_(gone)))
            c.execute(delete(ledger_entry).where(ledger_entry.c.id.in_(gone)))

        gateway.store.write(take_out)
        assert len(persons_copy.lines(gateway, act)) < len(whole.told), "it would say less, and look whole"
        with pytest.raises(ActError, match="does not verify"):
            persons_copy.write(gateway, act)


async def test_the_commands_go_the_whole_way(tmp_path: Path) -> None:
    """Ask, approve, report, lines, review, copy; then erase: each with its exit code, and nobody's name or number on the screen."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(WHOSE), oru_r01(WHOSE))
        first, config = message_of(line, 0), str(line.config)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--config", config])
        assert done.exit_code == code, done.output
        assert WHOSE.family not in done.output
        assert WHOSE.nhs_number not in done.output
        return done.output

    ada, ben, doctor = (("--by", who, "--reason", "why") for who in ("Ada Example", "Ben Example", "Dr Example"))
    act = run("subject-access", "ask", first, *ada).split(":")[0]
    run("subject-access", "approve", act, *ada, code=1)
    run("subject-access", "approve", act, *ben)
    files = [str(tmp_path / name) for name in ("report.json", "proof.json", "copy.txt")]
    said = run("subject-access", "report", act, "--out", files[0], "--proof", files[1])
    told = await asyncio.to_thread(Path(files[0]).read_text, "utf-8")
    unproved = json.loads(told)["unproved"]
    assert (f"{unproved} of its entries are under no signed head yet" in said) == (unproved > 0)
    again = (str(tmp_path / "again.json"), "--proof", str(tmp_path / "again-proof.json"), "--json")
    assert {"differs", "apart", "epochs", "unproved", "verified"} <= json.loads(
        run("subject-access", "report", act, "--out", *again)
    ).keys()
    line_id = run("subject-access", "lines", act).split()[0]
    run("subject-access", "copy", act, "--out", files[2], code=1)
    run("subject-access", "review", act, *doctor, "--as", "nobody", code=2)
    run("subject-access", "review", act, *doctor, "--as", "health-professional", "--withhold", f"{line_id}=crime")
    run("subject-access", "copy", act, "--out", files[2])
    assert "test results" in (await asyncio.to_thread(Path(files[2]).read_text, "utf-8"))
    paper = tmp_path / "copy.pdf"
    run("subject-access", "copy", act, "--out", str(paper))
    assert "test results" in " ".join(page.extract_text().replace("\n", " ") for page in pypdf.PdfReader(paper).pages)
    gone = run("erase", "ask", first, *ada).split(":")[0]
    run("erase", "now", gone, *ada, code=1)
    run("erase", "approve", gone, *ben)
    assert "erased: 1 records, 2 messages" in run("erase", "now", gone, *ada)
    run("subject-access", "lines", act, code=1)
