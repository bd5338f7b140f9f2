"""The record of processing and the evidence for a DPIA say what is in force, whole and of nobody, and leave open what they cannot know."""

import json
import re

from consent.shapes import Agreement
from gateway.accountability import _KEPT, DOCUMENTS, OPEN, files
from gateway.settings import Retention
from gateway.store.schema import ledger_entry, message
from tests.console.site import ALEX, Site


def exported(site: Site) -> list[str]:
    found = [json.loads(row.body) for row in site.rows(ledger_entry)]
    return [each["facts"].get("about") or each["facts"].get("what") for each in found if each["event"] == "exported"]


def test_each_document_is_taken_away_with_its_entry_and_names_nobody(site: Site) -> None:
    page = site.as_("aron", "GET", "/console/documents").text
    for name in DOCUMENTS:
        for ending, kind in ((".html", "text/html"), (".md", "text/markdown")):
            path = f"/console/documents/{name}{ending}"
            assert f'href="{path}"' in page
            answer = site.as_("aron", "GET", path)
            assert answer.status == 200
            assert answer.headers["content-type"].startswith(kind)
            assert answer.headers["content-disposition"] == f'attachment; filename="throughgate-{name}{ending}"'
            assert exported(site)[-1] == name
            for each in site.line.gateway.agreements.values():
                assert each.name in answer.text
            for secret in (ALEX.family, ALEX.nhs_number, ALEX.prison_number):
                assert secret not in answer.text
    for refused in ("article-30", "article-30.pdf", "nothing.md", "..%2Fnothing.md"):
        assert site.as_("aron", "GET", f"/console/documents/{refused}").status == 404, refused


def row_of(text: str, name: str) -> str:
    found = re.search(rf"^\| {re.escape(name)} \| (.*) \|$", text, re.MULTILINE)
    assert found is not None, name
    return found[1]


def test_the_record_has_what_article_30_asks_for_of_each_agreement(site: Site) -> None:
    gateway = site.line.gateway
    text = files(gateway, "article-30")["article-30.md"]
    for each in gateway.agreements.values():
        part = text[text.index(f"### {each.name}: ") :].split("\n### ")[0]
        for needed in ("Controller", "Purpose", "Categories of data that leave", "Categories of recipients", "State"):
            assert row_of(part, needed).strip(), (each.name, needed)
        assert OPEN in row_of(part, "Transfers outside the United Kingdom")
        assert each.digest in row_of(part, "Digest")
        assert "signed by" in row_of(part, "State")
    assert row_of(text, "a letter as it left") == str(gateway.settings.retention.letter)
    assert set(_KEPT) == set(Retention.model_fields), "each category has its words"
    assert "no witness is configured" in text
    report = next(each for each in gateway.agreements.values() if each.regime == "anonymous")
    assert "Nothing about a person leaves" in text[text.index(f"### {report.name}: ") :].split("\n### ")[0]


def test_the_evidence_says_what_was_measured_and_what_does_not_hold(site: Site) -> None:
    gateway = site.line.gateway
    text = files(gateway, "dpia-evidence")["dpia-evidence.md"]
    held = len(site.ids(message, state="held"))
    assert row_of(text, "messages: held") == str(held)
    assert "are open" in text
    handover: Agreement = gateway.agreements["handover"]
    assert row_of(text, "handover").count("|") >= 4
    assert handover.fields[0].why in text.replace("\\", "")
    signed = text[text.index("Every flow was signed by two people") :]
    assert row_of(signed, "handover").endswith("yes")
