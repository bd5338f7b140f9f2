"""`ledger export` and `ledger prove`: what they write of a real flow satisfies the stand-alone verifier, says nothing about anybody, is entered."""

import json
import subprocess
import sys
from pathlib import Path

from sqlalchemy import select
from typer.testing import CliRunner, Result

from gateway.__main__ import app
from gateway.demo.invariants import marks
from gateway.settings import read_settings
from gateway.store.schema import ledger_entry
from gateway.wiring import open_parts
from tests.builders import PERSON, adt_a01, adt_a03, oru_r01, rde_o11
from tests.line import running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def verified(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "verify_ledger.py", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_what_leaves_the_ledger_of_a_real_flow_is_verified_elsewhere(tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11(), oru_r01(), adt_a03())
        delivery_id = line.deliveries(letter="handover")[0].id
        config = str(line.config)
    done = run(
        "ledger", "export", str(away / "ledger.txt"), "--verifier", str(away / "verify_ledger.py"), "--json", "--config", config
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    made = json.loads(done.output)
    key = json.loads((away / "ledger.txt").read_text("utf-8").splitlines()[0])["keys"][0]
    assert f"{made['entries']} entries, " in verified(away, "ledger.txt", "--key", key)
    done = run("ledger", "prove", delivery_id, "--out", str(away / "proof.json"), "--config", config)
    assert done.exit_code == 0, done.output
    assert f"of delivery {delivery_id}" in verified(away, "proof.json", "--key", key)
    for file in ("ledger.txt", "proof.json"):
        text = (away / file).read_bytes()
        assert not [mark for mark in marks(PERSON) if mark.encode() in text]
    assert run("ledger", "export", str(away / "ledger.txt"), "--config", config).exit_code == 1
    assert run("ledger", "prove", "NOBODY", "--config", config).exit_code == 1
    with open_parts(read_settings(Path(config))) as parts, parts.store.read() as c:
        entered = [
            json.loads(body)["facts"] for body in c.scalars(select(ledger_entry.c.body)) if b'"exported"' in body
        ]
    assert entered == [{"what": "ledger"}, {"what": "proof", "about": delivery_id}, {"what": "ledger"}]
