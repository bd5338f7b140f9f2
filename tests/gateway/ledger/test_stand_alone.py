"""The stand-alone verifier: small, alone, right about what is good, and able to find each thing that can be wrong with a file."""

import ast
import base64
import importlib.util
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import shipped
from gateway.commands.ledger_verify import UNDETECTABLE
from gateway.ledger import NotProvable, export_lines, prove, prove_delivery, prove_entry
from gateway.ledger.note import Head, sign, vkey
from gateway.states import DELIVERY_MOVES, DeliveryState
from tests.gateway.ledger.lines import ORIGIN, Line, filled

FILE = shipped.verifier()
MOST_LINES = 300
LINE = filled()
KEY = vkey(ORIGIN, LINE.signer.public_key())
NOBODY_CAN_TELL = f"Without a witness nobody can tell: {'; '.join(UNDETECTABLE.values())}"
NOT_ALL = "that these are all no proof shows"
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def exported(line: Line) -> list[bytes]:
    with line.ledger.as_signed() as signed:
        return list(export_lines(signed))


GOOD = exported(LINE)
HEADS = json.loads(GOOD[0])["checkpoints"]
FIRST = 1 + HEADS  # the line of entry 0


def proved(some_id: str) -> dict[str, Any]:
    with LINE.ledger.as_signed() as signed:
        return prove_delivery(signed, some_id)


@pytest.fixture(scope="module")
def verifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_ledger", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(verifier: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs it over lines or a proof; exit code and what it said."""

    def over(what: list[bytes] | dict[str, Any], *arguments: str) -> tuple[int, str]:
        file = tmp_path / "file"
        file.write_bytes(b"".join(what) if isinstance(what, list) else json.dumps(what).encode())
        code = verifier.main([str(file), *arguments])
        return code, capsys.readouterr().out

    return over


def test_it_keeps_its_limits() -> None:
    source = FILE.read_text("utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported <= sys.stdlib_module_names | {"cryptography"}
    assert not imported & {"importlib", "subprocess", "socket"}


def test_it_runs_alone_on_another_machine(tmp_path: Path) -> None:
    """A copy of it, in a folder of its own, with no path to us."""
    (tmp_path / "verify_ledger.py").write_bytes(FILE.read_bytes())
    (tmp_path / "good.txt").write_bytes(b"".join(GOOD))
    bad = [*GOOD]
    bad[FIRST + 5] = bad[FIRST + 5].replace(b"DELIVERY", b"DELIVERX")
    (tmp_path / "bad.txt").write_bytes(b"".join(bad))
    code = (
        "import sys, verify_ledger as v\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('gateway', 'consent', 'adapters', 'fhir_profiles')]\n"
        f"sys.exit(v.main(['good.txt', '--key', {KEY!r}]) * 10 + v.main(['bad.txt', '--key', {KEY!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"72 entries, 12 deliveries among them\n{NOBODY_CAN_TELL}\nverified\n" in done.stdout
    assert "NOT VERIFIED" in done.stdout


def test_a_good_export_is_verified_and_the_keys_are_named(run: Run) -> None:
    assert run(GOOD, "--key", KEY) == (0, f"72 entries, 12 deliveries among them\n{NOBODY_CAN_TELL}\nverified\n")
    code, said = run(GOOD)
    assert code == 0
    assert KEY in said


def spoil(lines: list[bytes], choose: random.Random) -> list[bytes]:
    """One change of a random kind to an export."""
    lines = [*lines]
    at, other = choose.sample(range(FIRST, len(lines)), 2)
    kind = choose.randrange(7)
    if kind == 0:  # a bit
        line = bytearray(lines[at])
        line[choose.randrange(len(line) - 1)] ^= 1 << choose.randrange(7)
        lines[at] = bytes(line)
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        lines.insert(at, lines[other])
    elif kind == 4:
        del lines[at:]
    elif kind == 5:  # another field, in canonical form
        entry = json.loads(lines[at])
        entry["facts"]["reason"] = "other"
        lines[at] = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    else:  # a checkpoint with another root, signed by somebody else
        number = choose.randrange(1, FIRST)
        size = int(json.loads(lines[number]).split("\n")[1])
        note = sign(Head(origin=ORIGIN, size=size, root=choose.randbytes(32)), OTHER)
        lines[number] = json.dumps(note, ensure_ascii=False).encode() + b"\n"
    return lines


def test_every_change_to_an_export_is_found(run: Run) -> None:
    """300 in make test."""
    choose = random.Random(300)
    for number in range(300):
        code, said = run(spoil(GOOD, choose), "--key", KEY)
        assert code in (1, 2), f"change {number} was not found: {said}"


def test_an_export_by_another_key_is_found_only_with_the_key_that_was_written_down(run: Run) -> None:
    """Honest: whoever forges the whole file with a key of his own is found by the key on paper, not by the file."""
    forged = filled()
    forged.signer = OTHER
    header = json.loads(GOOD[0]) | {"keys": [vkey(ORIGIN, OTHER.public_key())], "checkpoints": 1}
    head = json.loads(GOOD[FIRST - 1]).split("\n")
    note = sign(Head(origin=ORIGIN, size=int(head[1]), root=base64.b64decode(head[2])), OTHER)
    lines = [json.dumps(header).encode() + b"\n", json.dumps(note).encode() + b"\n", *GOOD[FIRST:]]
    assert run(lines)[0] == 0
    code, said = run(lines, "--key", KEY)
    assert code == 1
    assert "is not one of yours" in said


def test_a_checkpoint_from_elsewhere_shows_a_fork(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(json.loads(GOOD[2]), "utf-8")
    code, said = run(GOOD, "--key", KEY, "--checkpoint", str(kept))
    assert code == 0
    assert NOBODY_CAN_TELL not in said
    assert NOBODY_CAN_TELL.replace("Without a witness", "Behind the 48 entries that were seen elsewhere") in said
    assert NOBODY_CAN_TELL in run(proved("DELIVERY3"), "--key", KEY, "--checkpoint", str(kept))[1], (
        "no proof looks at it"
    )
    kept.write_text(sign(Head(origin=ORIGIN, size=24, root=b"f" * 32), LINE.signer), "utf-8")
    code, said = run(GOOD, "--key", KEY, "--checkpoint", str(kept))
    assert code == 1
    assert "fork: two roots were signed for the first 24 entries" in said
    kept.write_text(sign(Head(origin=ORIGIN, size=99, root=b"f" * 32), LINE.signer), "utf-8")
    assert "cut off: 99 entries were signed, 72 are here" in run(GOOD, "--key", KEY, "--checkpoint", str(kept))[1]


MEANING: dict[str, tuple[tuple[Any, ...], str]] = {
    "nothing let it go": (
        ("D", "queued", "sending", "delivered"),
        "position 1: delivery D is sent, and nothing before",
    ),
    "never sent": (("D", "queued", "delivered"), "position 1: delivery D is delivered, and was never sent"),
    "other bytes": (
        (
            "D",
            ("decided", {"decision": "X", "outcome": "release", "mark": "m"}),
            ("queued", {"decision": "X"}),
            ("sending", {"mark": "n"}),
        ),
        "position 2: delivery D is sent with other bytes than were let go",
    ),
    "bytes that nothing names": (
        (
            "D",
            ("decided", {"decision": "X", "outcome": "release"}),
            ("queued", {"decision": "X"}),
            "sending",
        ),
        "position 2: delivery D is sent with other bytes than were let go",
    ),
    "withheld": (
        ("D", ("decided", {"decision": "X", "outcome": "withhold"}), ("queued", {"decision": "X"}), "sending"),
        "position 2: delivery D is sent, and nothing before let it go",
    ),
    "recalled": (
        (
            "D",
            ("decided", {"decision": "X", "outcome": "release"}),
            ("queued", {"decision": "X"}),
            "recalled",
            "sending",
        ),
        "position 3: delivery D is sent after it was recalled",
    ),
}


@pytest.mark.parametrize("name", MEANING)
def test_a_ledger_that_is_whole_signed_and_wrong(run: Run, name: str) -> None:
    chain, text = MEANING[name]
    line = Line()
    line.enter(*chain)
    line.seal()
    code, said = run(exported(line), "--key", KEY)
    assert code == 1
    assert text in said


def test_nothing_goes_after_an_end_in_both(verifier: ModuleType) -> None:
    """Its list of ends is that of states.py."""
    ends = {each.value for each in DeliveryState if not DELIVERY_MOVES[each]}
    assert ends == verifier.ENDED


def test_a_delivery_is_proved(run: Run) -> None:
    for number in range(12):
        made = proved(f"DELIVERY{number}")
        assert len(made["entries"]) == 4  # decided, queued, sending, delivered
        assert (made["consistency"] is None) == (number >= 8)  # what the head is the first to cover
        assert run(made, "--key", KEY) == (
            0,
            f"4 entries of delivery DELIVERY{number}; {NOT_ALL}\n{NOBODY_CAN_TELL}\nverified\n",
        )


def test_an_entry_is_proved(run: Run) -> None:
    with LINE.store.read() as c:
        ids = list(c.exec_driver_sql("SELECT entry_id FROM ledger_position WHERE position IN (0, 35, 71)").scalars())
    for entry_id in ids:
        with LINE.ledger.as_signed() as signed:
            assert run(prove_entry(signed, entry_id), "--key", KEY)[0] == 0


def test_every_change_to_a_proof_is_found(run: Run) -> None:
    made = proved("DELIVERY3")
    spoiled = 0
    for at in range(4):
        for change in (
            {"position": made["entries"][at]["position"] + 1},
            {"entry": made["entries"][at]["entry"].replace('"step":', '"step": ')},
            {"entry": made["entries"][at]["entry"].replace("release", "withhold").replace("DELIVERY3", "DELIVERY4")},
            {"path": made["entries"][at]["path"][:-1]},
            {"path": [*made["entries"][at]["path"], base64.b64encode(b"x" * 32).decode()]},
        ):
            other = json.loads(json.dumps(made))
            other["entries"][at] |= change
            assert run(other, "--key", KEY)[0] == 1
            spoiled += 1
        without = json.loads(json.dumps(made))
        del without["entries"][at]
        assert run(without, "--key", KEY)[0] == (
            1 if at < 3 else 0
        )  # who leaves the last out proves less, and nothing wrong
    path: list[str] = made["consistency"]["path"]
    for another in ([], path[:-1], path[::-1]):
        assert run({**made, "consistency": {**made["consistency"], "path": another}}, "--key", KEY)[0] == 1
    assert run({**made, "entries": []}, "--key", KEY)[0] == 1
    assert run({**made, "checkpoint": made["consistency"]["checkpoint"]}, "--key", KEY)[0] == 1
    assert spoiled == 20


@pytest.mark.parametrize("what", [[b"{}\n"], [b"not json\n"], [b""], GOOD[:2], [b'{"format":"other"}\n']])
def test_what_is_no_export_it_cannot_tell(run: Run, what: list[bytes]) -> None:
    code, said = run(what)
    assert code == 2
    assert said.startswith("CANNOT TELL")


def test_nothing_that_is_not_under_the_head_is_proved() -> None:
    line = LINE.copy()
    line.deliver("LATE", "LATED")
    line.ledger.sequence()
    with line.ledger.as_signed() as signed:
        with pytest.raises(NotProvable, match="no entry under the signed head"):
            prove_delivery(signed, "LATED")
        with pytest.raises(NotProvable, match="no entry"):
            prove_entry(signed, "NOBODY")
    line.edit(lambda c: c.exec_driver_sql("DELETE FROM ledger_position WHERE position = 7"))
    with line.ledger.as_signed() as signed, pytest.raises(NotProvable, match="position 7 is not there"):
        list(export_lines(signed))


def test_a_proof_that_is_about_something_else_is_found(run: Run) -> None:
    """What a proof is about is its own word: it has to hold it. One that names a delivery, and proves another one, proves nothing of it."""
    made = proved("DELIVERY3")
    code, said = run({**made, "about": {"delivery": "DELIVERY4"}}, "--key", KEY)
    assert code == 1
    assert "nothing here is of delivery DELIVERY4" in said
    for about in ({"entry": "NOBODY"}, {"subject-access": "NOBODY"}, {}):
        assert run({**made, "about": about}, "--key", KEY)[0] == 1


def test_the_order_of_a_proof_is_that_of_the_ledger(run: Run) -> None:
    """A release that came after the sending, listed before it, would look like its permit."""
    line = Line()
    mark, own = {"mark": "m"}, {"decision": "X"}
    line.enter("D", ("queued", own), ("sending", mark))
    line.enter("M", ("decided", {**own, **mark, "outcome": "release"}))
    line.seal()
    with line.ledger.as_signed() as signed:
        made = prove_delivery(signed, "D")
    assert "sent, and nothing before let it go" in run(made, "--key", KEY)[1]
    made["entries"].sort(key=lambda each: json.loads(each["entry"])["chain"], reverse=True)
    assert [json.loads(each["entry"])["chain"] for each in made["entries"]] == ["M", "D", "D"]
    code, said = run(made, "--key", KEY)
    assert code == 1
    assert "out of order" in said
    twice = proved("DELIVERY3")
    twice["entries"].insert(0, twice["entries"][0])
    assert run(twice, "--key", KEY)[0] == 1


def test_an_officers_proof_with_a_hole_is_found(run: Run) -> None:
    """Of a chain that begins with its first entry none is left out but at its end; and it is said that a proof cannot show that it is all."""
    ids = [json.loads(each["entry"])["id"] for number in (3, 4) for each in proved(f"DELIVERY{number}")["entries"]]
    with LINE.ledger.as_signed() as signed:
        made = prove(signed, {"subject-access": "DELIVERY3"}, ids)
    code, said = run(made, "--key", KEY)
    assert code == 0
    assert "8 entries of subject-access DELIVERY3" in said
    without = json.loads(json.dumps(made))
    at = next(n for n, each in enumerate(made["entries"]) if json.loads(each["entry"])["event"] == "sending")
    del without["entries"][at]
    assert run(without, "--key", KEY)[0] == 1


def test_a_proof_says_that_it_cannot_show_that_it_is_all(run: Run) -> None:
    for about in ("DELIVERY3", "DELIVERY4"):
        assert NOT_ALL in run(proved(about), "--key", KEY)[1]


def test_a_row_that_was_moved_to_another_chain_leaves_nothing_out_of_a_proof(run: Run) -> None:
    """Whose an entry is its bytes say. Somebody hides the end of a delivery in the tables: its proof has it all the same."""
    line = LINE.copy()
    line.edit(
        lambda c: c.exec_driver_sql("UPDATE ledger_entry SET chain = 'ELSE' WHERE chain = 'DELIVERY3' AND step = 3")
    )
    with line.ledger.as_signed() as signed:
        made = prove_delivery(signed, "DELIVERY3")
    assert len(made["entries"]) == 4
    assert run(made, "--key", KEY)[0] == 0
    assert not line.ledger.verify().verified
