"""The document that is signed says what the agreements say, all of it, and can be read by everybody."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from shutil import copyfile

import pytest
from typer.testing import CliRunner

from consent.agreement_file import read_agreement
from consent.document import Heading, Paragraph, Table, markdown, page
from consent.ig_document import Rules, ig_document
from consent.kinds import KINDS, HowMuch, how_much
from consent.shapes import PermittedPath
from gateway import shipped
from gateway.__main__ import app
from tests.consent.made import AGREEMENTS

EVERY = tuple(
    read_agreement(path.read_text("utf-8"), path.stem)
    for path in (*sorted(AGREEMENTS.glob("*.toml")), *sorted((AGREEMENTS / "drafts").glob("*.toml")))
)
RULES = Rules(heading="A rule", text="A rule <of> | one cell.", columns=("who", "what"), rows=(("all", "none"),))
BLOCKS = ig_document(EVERY, {"handover": "in force"}, [RULES])
NAMED = {each.name: each for each in EVERY}


def tables(caption: str, blocks: tuple[object, ...] = BLOCKS) -> list[Table]:
    return [each for each in blocks if isinstance(each, Table) and each.caption.startswith(caption)]


def seen_by(path: str, blocks: tuple[object, ...] = BLOCKS) -> tuple[str, ...]:
    """What the list of every field says of one."""
    found = [
        row[1:]
        for table in tables(f"{path.split('.', maxsplit=1)[0]}: every field", blocks)
        for row in table.rows
        if row[0] == path
    ]
    assert len(found) == 1
    return found[0]


def test_all_that_is_signed_is_in_it() -> None:
    text = page("x", BLOCKS)
    plain = markdown("x", BLOCKS).replace("\\", "")
    for each in EVERY:
        words = [*each.text.values(), *each.paths, *(one.why for one in each.fields), each.digest, each.title]
        words += [example.name for example in each.examples]
        assert not [word for word in words if " ".join(word.split()) not in plain], each.name
        assert f"{each.name}: what may leave, and why it is necessary" in text
    assert "A rule &lt;of&gt; | one cell." in text


def test_who_may_see_a_field_is_who_the_gate_would_let() -> None:
    both = "gp (gp-prescription-copy); pharmacy (prescription-copy)"
    assert seen_by("MedicationRequest.identifier.value")[0] == both
    assert seen_by("Patient.photo", with_photograph()) == ("community-provider (handover)", "nobody")
    assert "prison-security (harm-disclosure)" in seen_by("Patient.name")[0]
    assert "prison-security" not in seen_by("Patient.birthDate")[0]
    assert "family (family-contact)" in seen_by("Patient.name")[1], "a draft is told as a draft"
    # A wider path lets out what is below it, also where it does not name it.
    assert "gp (gp-copy)" in seen_by("Patient.communication")[0]
    narrow = replace(NAMED["handover"], fields=(PermittedPath(path="Patient.name", why="to know them"),))
    wide = ig_document(
        [narrow, replace(narrow, name="other", fields=(PermittedPath(path="Patient.name.family", why="x"),))], {}
    )
    assert seen_by("Patient.name.family", wide) == ("community-provider (handover, other)",)


def with_photograph() -> tuple[object, ...]:
    """Sabotage: one path more in one agreement."""
    handover = NAMED["handover"]
    wider = replace(handover, fields=(*handover.fields, PermittedPath(path="Patient.photo", why="none")))
    return ig_document([wider, *(each for each in EVERY if each.name != "handover")], {})


def test_the_matrix_is_of_the_agreements() -> None:
    inside, drafts = tables("Who may have which kind of data"), tables("The same for drafts")
    assert [row[0] for row in inside[0].rows] == list(KINDS) == [row[0] for row in drafts[0].rows]
    said = {
        (row[0], one): cell for row in inside[0].rows for one, cell in zip(inside[0].columns[1:], row[1:], strict=True)
    }
    assert said["medicine and dose", "pharmacy"] == "yes"
    of_security = {kind: cell for (kind, one), cell in said.items() if one == "prison-security" and cell != "no"}
    by_two_people = {"prison number", "name", "message in words", "test or assessment result", "day of a test"}
    assert of_security.keys() == by_two_people | {"figures about nobody", "day of anything"}
    assert how_much(NAMED["ndtms"], "NHS number") is HowMuch.PSEUDONYM


def test_every_class_in_force_is_a_column() -> None:
    columns = tables("Who may have which kind of data")[0].columns[1:]
    assert set(columns) == {each.recipient_class for each in EVERY if not each.draft}


def test_state_is_told() -> None:
    (overview,) = tables("Every agreement")
    states = {row[0]: row[-1] for row in overview.rows}
    assert states["handover"] == "in force"
    assert {states[each.name] for each in EVERY if each.draft} == {"draft"}


class Reader(HTMLParser):
    """What an assistive reader rests on; raises where a tag is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.faults: list[str] = []
        self.lang = ""
        self.captions = 0
        self.tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        if tag == "html":
            self.lang = given.get("lang", "")
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append(int(tag[1:]))
        if tag == "th" and given.get("scope") not in ("col", "row"):
            self.faults.append("th without scope")
        if tag in ("script", "link", "img", "iframe"):
            self.faults.append(tag)
        self.captions += tag == "caption"
        self.tables += tag == "table"

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    if reader.open:
        reader.faults.append("not closed")
    if reader.captions != reader.tables:
        reader.faults.append("a table without a caption")
    steps_down = zip(reader.headings, reader.headings[1:], strict=False)
    if any(after > before + 1 for before, after in steps_down) or reader.headings[:1] != [1]:
        reader.faults.append("heading levels")
    if [link for link in reader.links if not link.startswith("#") or link[1:] not in reader.ids]:
        reader.faults.append("a link that leads out or nowhere")
    if len(set(reader.ids)) != len(reader.ids):
        reader.faults.append("an id twice")
    return reader


def test_the_page_can_be_read_by_everybody() -> None:
    reader = read(page("Sharing agreements", BLOCKS))
    assert reader.faults == []
    assert reader.lang == "en-GB"
    assert reader.tables > 3 * len(EVERY)


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ('<th scope="col">', "<th>", "th without scope"),
        ('href="#part-', 'href="#no-part-', "a link that leads out or nowhere"),
        ("<h1>", "<h1><link>", "link"),
        ("</table>", "", "</div> closes nothing"),
    ],
)
def test_what_cannot_be_read_is_found(good: str, bad: str, fault: str) -> None:
    """Sabotage of the reader above."""
    text = page("x", BLOCKS)
    assert good in text
    assert fault in read(text.replace(good, bad, 1)).faults


def test_markdown_keeps_its_tables() -> None:
    """A cell with the marks of Markdown in it stays one cell, and no mark of HTML stays one."""
    table = Table(caption="a|b", columns=("x", "y"), rows=(("1|2", "*<b>* [a](b)"),))
    text = markdown("t", (Heading(level=2, text="#h"), Paragraph(text="p\nq"), table))
    row = text.splitlines()[-1]
    assert row == "| 1\\|2 | \\*\\<b\\>\\* \\[a\\](b) |"
    assert "p q" in text


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["agreements", "render", *arguments])
    return done.exit_code, done.output


def test_the_command_writes_both(tmp_path: Path) -> None:
    code, output = run("--to", str(tmp_path / "out"), "--json")
    said = json.loads(output)
    assert code == 0
    assert [Path(name).name for name in said["files"]] == ["sharing-agreements.html", "sharing-agreements.md"]
    assert set(said["drafts"]) < set(said["agreements"])
    assert read((tmp_path / "out" / "sharing-agreements.html").read_text("utf-8")).faults == []


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "made" / "agreements").mkdir(parents=True)
    copyfile(shipped.settings_template(), tmp_path / "made" / "throughgate.toml")
    config = ("--config", str(tmp_path / "made" / "throughgate.toml"))
    code, output = run(*config, "--to", str(tmp_path / "out"))
    assert (code, "there is no agreement in" in output) == (1, True)
    broken = tmp_path / "made" / "agreements" / "report.toml"
    broken.write_text((AGREEMENTS / "report.toml").read_text("utf-8").replace('flow = "F9"', 'flow = "F99"'), "utf-8")
    code, output = run(*config, "--to", str(tmp_path / "out"))
    assert (code, f"{broken}: flow: must be one of" in output) == (1, True)
    assert not (tmp_path / "out").exists()


def test_a_document_of_drafts_only_says_so() -> None:
    blocks = ig_document([NAMED["board-report"]], {})
    assert not tables("Who may have which kind of data", blocks)
    assert tables("The same for drafts", blocks)
