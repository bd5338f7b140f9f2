"""The wire `pdf`: everything that the letter says and nothing else, marked on every page, read aloud in order, the same bytes on any day."""

import hashlib
import io
import os
import re
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pypdf
import pytest
import typst

from fhir_profiles.compose import LETTERS
from fhir_profiles.print import paper
from fhir_profiles.print.paper import Part, Sheet, printed
from fhir_profiles.profiles.prescription_copy import MARK
from fhir_profiles.render import render
from fhir_profiles.shapes import Json
from fhir_profiles.wires.envelope import entries_of
from fhir_profiles.wires.readable import is_redacted, readable
from tests.fhir_profiles.letters.files import HEADING
from tests.fhir_profiles.validators.leaving import minimised_letters

SHEET = Sheet(
    title="A sheet",
    author="HMP Fellgate healthcare",
    mark=MARK,
    foot="Alex Example  9990000026",
    time=HEADING.time,
    points=12,
    parts=(Part(heading="One", lines=("first", "second")),),
)


@cache
def letters() -> dict[str, Json]:
    """Each letter about a person: the one with most in it."""
    found: dict[str, Json] = {}
    for letter, file, bundle in minimised_letters():
        if LETTERS[letter].about_a_person and file in {"whole file", "everything mapped"}:
            found[letter] = max(found.get(letter, {}), bundle, key=lambda each: len(each.get("entry", ())))
    return found


@cache
def body_of(letter: str) -> bytes:
    return render(letters()[letter], "pdf", HEADING).body


def pages(body: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages]


def bare(text: str) -> str:
    """A text without its line breaks and blanks, which paper puts elsewhere."""
    return re.sub(r"\s+", "", text)


def inside(body: bytes) -> str:
    """The text of the pages in one, without head and foot."""
    found = bare("".join(pages(body)))
    return re.sub(r"Page\d+of\d+", "", found)


def tags(element: Any) -> list[str]:
    """The structure of a tagged PDF, in the order in which it is read."""
    element = element.get_object() if hasattr(element, "get_object") else element
    if isinstance(element, list):
        return [tag for one in element for tag in tags(one)]
    if not isinstance(element, dict):
        return []
    own = [str(element["/S"])] if "/S" in element else []
    return [*own, *tags(element.get("/K", []))]


def test_every_line_of_every_letter_is_on_paper() -> None:
    for letter, bundle in letters().items():
        text = inside(body_of(letter))
        said = readable(entries_of(bundle, HEADING), HEADING, redacted=is_redacted(bundle))
        for part in said.parts:
            for line in (part.heading, *part.lines):
                whole = re.sub(r"Information only: not a prescription, not authority to supply\.", "", line)
                assert all(bare(word) in text for word in whole.split()), (letter, line)
                assert bare(line) in text or len(pages(body_of(letter))) > 1, (letter, line)
    assert set(letters()) == {name for name, letter in LETTERS.items() if letter.about_a_person}


def test_every_page_says_whose_it_is_and_that_it_is_no_prescription() -> None:
    for letter, bundle in letters().items():
        prescribed = any(entry["resource"]["resourceType"] == "MedicationRequest" for entry in bundle["entry"])
        found = pages(body_of(letter))
        for number, page in enumerate(found, start=1):
            assert (bare(MARK) in bare(page)) is prescribed, (letter, number)
            assert bare(f"Page {number} of {len(found)}") in bare(page)
            assert HEADING.delivery_id in page
    assert len(pages(body_of("handover"))) > 1
    assert bare(MARK) in bare(pages(body_of("prescription-copy"))[0])


def test_a_page_without_the_mark_is_found() -> None:
    """Sabotage: the same sheet without its mark has none."""
    assert bare(MARK) not in bare(pages(printed(replace(SHEET, mark="")))[0])


def test_it_can_be_read_aloud() -> None:
    for letter in ("handover", "prescription-copy", "correction"):
        reader = pypdf.PdfReader(io.BytesIO(body_of(letter)))
        root: Any = reader.trailer["/Root"]
        assert bool(root["/MarkInfo"]["/Marked"])
        assert str(root["/Lang"]) == "en-GB"
        assert bool(root["/ViewerPreferences"]["/DisplayDocTitle"])
        assert reader.metadata is not None
        assert reader.metadata.title
        found = tags(root["/StructTreeRoot"])
        assert found.count("/H1") == 1
        assert {"/H2", "/L", "/LI", "/LBody"} <= set(found)
        assert b"pdfuaid" in root["/Metadata"].get_data()  # it says of itself that it is PDF/UA


def test_the_same_letter_is_the_same_bytes_in_any_process() -> None:
    program = (
        "import hashlib;from tests.fhir_profiles.render.test_pdf import SHEET,printed;"
        "print(hashlib.sha256(printed(SHEET)).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, env=environment)
    assert again.stdout.strip() == hashlib.sha256(printed(SHEET)).hexdigest()
    assert printed(SHEET) == printed(deepcopy(SHEET))
    assert printed(replace(SHEET, foot="other")) != printed(SHEET)
    assert "20260115120001" in str(pypdf.PdfReader(io.BytesIO(printed(SHEET))).metadata)


NAMES = (
    "Łukasz Żółć-Šťastný",
    "Siân Ŵyn Ŷ",
    "Nguyễn Thị Hằng",
    "Ærøskøbing Þór",
    "Ioannis Παπαδόπουλος",
    "Олександр Їжак",
    "محمد علي",
    "שרה לוי",
)


def test_names_of_many_alphabets_and_signs_of_none() -> None:
    hostile = (
        "#panic()",
        "$x$ *b* _i_ `r` <l> @r [c] {d} \\ // /* */",
        "\u202egnp.exe",
        "漢字",
        "\U0001f600",
        "\x00\x07",
        "a\nb",
        "\ud800",
    )
    text = inside(printed(replace(SHEET, parts=(Part(heading="Names", lines=(*NAMES, *hostile)),))))
    for name in NAMES[:6]:
        assert bare(name) in text
    for name in NAMES[6:]:  # written from right to left; readers of PDF differ in the order of words
        assert all(word in text or word[::-1] in text for word in name.split()), name
    for shown in (*hostile[:2], "[U+202E]gnp.exe", "[U+6F22][U+5B57]", "[U+1F600]", "[U+0000][U+0007]", "[U+D800]"):
        assert bare(shown) in text, shown


def test_no_word_runs_off_the_page_and_no_name_pushes_its_number_off() -> None:
    """What is printed beyond the edge is left out, whatever a program finds in the file."""
    name = "Long " * 200
    heading = "Wide" * 80
    body = printed(replace(SHEET, points=18, parts=(Part(heading=heading, lines=("W" * 400,)),)))
    assert max(len(line) for page in pages(body) for line in page.split("\n") if "WW" in line) <= 24 + len("• ")
    bundle = deepcopy(letters()["handover"])
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["resource"]["name"] = [{"family": name}]
    heights: list[float] = []
    for page in pypdf.PdfReader(io.BytesIO(render(bundle, "pdf", HEADING).body)).pages:
        page.extract_text(
            visitor_text=lambda text, cm, tm, _font, _size: (
                heights.append(tm[5] * cm[3] + cm[5]) if "Page " in text else None
            )
        )
    assert heights
    assert min(heights) > 20, "millimetres from the edge a printer prints nothing"


def test_every_sign_that_we_show_has_a_font() -> None:
    signs = [chr(number) for each in paper._SHOWN for number in each]
    held = [sign for sign in signs if paper._sign(sign, paper._SHOWN) == sign]
    assert len(held) > 2_300
    lines = tuple(" ".join(held[place : place + 200]) for place in range(0, len(held), 200))
    sheet = replace(SHEET, parts=(Part(heading="", lines=lines),))
    assert len(pages(paper._compiled(sheet, paper._SHOWN))) > 1


def test_a_sign_without_a_font_never_stops_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = replace(SHEET, parts=(Part(heading="Name", lines=("Alex 漢 Ŵ",)),))
    everything = (range(0x20, 0x10000),)
    with pytest.raises(typst.TypstError):
        paper._compiled(sheet, everything)
    monkeypatch.setattr(paper, "_SHOWN", everything)
    assert "Alex[U+6F22]Ŵ" in inside(printed(sheet))


def test_a_report_is_not_printed() -> None:
    report = next(bundle for letter, _, bundle in minimised_letters() if letter == "report")
    with pytest.raises(ValueError, match="no letter about a person"):
        render(report, "pdf", HEADING)
