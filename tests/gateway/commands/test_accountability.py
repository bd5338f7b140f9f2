"""`accountability`: each document, as HTML and Markdown, each entered before it is made."""

import json
from collections import defaultdict
from pathlib import Path

from sqlalchemy import select
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.accountability import DOCUMENTS
from gateway.settings import read_settings
from gateway.store.schema import ledger_entry
from gateway.wiring import open_parts
from tests.line import make_installation


def test_the_command_writes_each_document_and_enters_it(tmp_path: Path) -> None:
    config, to = make_installation(tmp_path, defaultdict(lambda: 9)), tmp_path / "out"
    done = CliRunner().invoke(app, ["accountability", "--to", str(to), "--config", str(config), "--json"])
    assert done.exit_code == 0, done.output
    written = [Path(each) for each in json.loads(done.stdout)["files"]]
    assert {each.name for each in written} == {f"{name}.{ending}" for name in DOCUMENTS for ending in ("html", "md")}
    assert all("handover" in each.read_text("utf-8") for each in written)
    with open_parts(read_settings(config)) as gateway, gateway.store.read() as c:
        entries = [json.loads(body) for body in c.execute(select(ledger_entry.c.body)).scalars()]
    assert [each["facts"]["what"] for each in entries if each["event"] == "exported"] == list(DOCUMENTS)
