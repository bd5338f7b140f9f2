"""The witness: it cosigns what continues, refuses what does not, remembers across processes, and nobody on the line waits for it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from gateway import witnessing
from gateway.__main__ import app
from gateway.ledger import continues
from gateway.ledger.cosignature import PublicKey, cosigned_at
from gateway.ledger.note import Head, NoteError, sign, vkey
from gateway.settings import Settings, parse_settings
from gateway.settings import Witness as WitnessSettings
from gateway.witness import Witness, WitnessError
from gateway.witness.door import create_app
from gateway.witnessing import WitnessAway, WitnessRefused
from tests.gateway.ledger.lines import ORIGIN, Line, filled
from tests.line import SETTINGS

AT = datetime(2026, 1, 15, 12, 5, tzinfo=UTC)
NAME = "witness.test/ig"
LINE = filled(8)  # heads of 24 and 48 entries
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def make(folder: Path, line: Line = LINE) -> Witness:
    Witness.create(folder, name=NAME, ledger=(vkey(ORIGIN, line.signer.public_key()),), key=b"w" * 32)
    return Witness(folder, lambda: AT)


def request(line: Line, old: int) -> bytes:
    """The ledger's present head, with the proof from `old`."""
    with line.ledger.as_signed() as signed:
        path = "".join(f"{base64.b64encode(each).decode()}\n" for each in continues(signed, old))
        return f"old {old}\n{path}\n{signed.text}".encode()


def grown(line: Line, name: str = "MORE") -> Line:
    longer = line.copy()
    longer.deliver(name, f"{name}D")
    longer.seal()
    return longer


def test_a_head_that_continues_is_cosigned_and_kept_before_it_is_answered(tmp_path: Path) -> None:
    witness = make(tmp_path / "w")
    public = PublicKey.read(witness.public_key())
    first = witness.add_checkpoint(request(LINE, 0))
    assert first.status == 200
    assert cosigned_at(LINE.head.read() + first.body, public) == AT
    assert witness.last() == LINE.head.read() + first.body
    longer = grown(LINE)
    again = Witness(tmp_path / "w", lambda: AT)  # another process
    assert again.add_checkpoint(request(longer, 48)).status == 200
    assert witness.last().split("\n")[1] == "54"
    assert witness.add_checkpoint(request(longer, 54)).status == 200  # the same head again: a fresh time


def test_the_form_of_a_cosignature_is_that_of_the_specification(tmp_path: Path) -> None:
    """Taken apart by hand, without our reader."""
    line = make(tmp_path / "w").add_checkpoint(request(LINE, 0)).body
    dash, name, blob = line.rstrip("\n").split(" ")
    raw = base64.b64decode(blob)
    seconds = int(AT.timestamp())
    assert (dash, name, len(raw), raw[4:12]) == ("—", NAME, 76, seconds.to_bytes(8, "big"))
    text = LINE.head.read().split("\n\n")[0] + "\n"
    key = Ed25519PrivateKey.from_private_bytes(b"w" * 32).public_key()
    key.verify(raw[12:], f"cosignature/v1\ntime {seconds}\n{text}".encode())


def test_what_does_not_continue_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    witness = make(tmp_path / "w")
    assert witness.add_checkpoint(request(LINE, 0)).status == 200
    kept = witness.last()
    longer, fork = grown(LINE), Line(seed="fork", head=None)
    for number in range(9):
        fork.deliver(f"F{number}", f"FD{number}")
    fork.seal()
    forged = sign(Head(origin=ORIGIN, size=48, root=b"x" * 32), LINE.signer)
    for what, status in {
        request(longer, 0): 409,  # a proof from somewhere else than what it has
        request(longer, 24): 409,
        request(fork, 48): 422,  # signed with the ledger's own key, over another history
        f"old 48\n\n{forged}".encode(): 409,
        f"old 49\n\n{LINE.head.read()}".encode(): 400,
        request(longer, 48).replace(b"\n\n", b"\n" + b"A" * 43 + b"=\n\n", 1): 422,
        f"old 48\n\n{sign(Head(origin=ORIGIN, size=60, root=b'x' * 32), OTHER)}".encode(): 403,
        f"old 0\n\n{sign(Head(origin='ledger.test/other', size=60, root=b'x' * 32), LINE.signer)}".encode(): 404,
        b"": 400,
        b"old\n\n\n": 400,
        b"old 0\nnot a hash\n\nx": 400,
        b"\xff\n\n": 400,
        b"old 0\n" + b"A" * 70_000: 400,
        b"old 0\n" + 64 * (b"A" * 43 + b"=\n") + b"\n" + LINE.head.read().encode(): 400,
    }.items():
        answer = witness.add_checkpoint(what)
        assert answer.status == status, what[:60]
        if status == 409:
            assert (answer.body, answer.content_type) == ("48\n", "text/x.tlog.size")
    assert witness.last() == kept


def test_a_new_epoch_is_accepted_by_a_person_only(tmp_path: Path) -> None:
    witness = make(tmp_path / "w")
    witness.add_checkpoint(request(LINE, 0))
    fork = Line(seed="fork")
    fork.deliver("F", "FD")
    fork.seal()
    assert witness.add_checkpoint(request(fork, 0)).status == 409
    before = witness.last()
    witness.forget("before")
    assert (tmp_path / "w" / "last.checkpoint.before").read_text("utf-8") == before
    assert witness.add_checkpoint(request(fork, 0)).status == 200


def test_a_folder_is_made_once_and_only_for_a_ledger(tmp_path: Path) -> None:
    make(tmp_path / "w")
    assert {file.stat().st_mode & 0o077 for file in (tmp_path / "w").iterdir()} == {0}
    with pytest.raises(WitnessError, match="there already"):
        make(tmp_path / "w")
    with pytest.raises(WitnessError, match="name"):
        Witness.create(tmp_path / "a", name="two words", ledger=(), key=b"w" * 32)
    with pytest.raises(WitnessError, match="not a public key"):
        Witness.create(tmp_path / "a", name=NAME, ledger=("x",), key=b"w" * 32)
    with pytest.raises(WitnessError, match="not the folder"):
        Witness(tmp_path, lambda: AT)


def test_a_public_key_must_fit_its_id() -> None:
    good = str(PublicKey(name=NAME, key=OTHER.public_key(), cosigns=True))
    assert str(PublicKey.read(good)) == good
    for bad in (good.replace("+", "-"), good[:-4], "x" + good, good.replace(NAME, "other"), ""):
        with pytest.raises(NoteError):
            PublicKey.read(bad)


# The gateway's side


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "head").mkdir()
    text = SETTINGS.format(
        installation="test", folder=tmp_path, store_url="sqlite:///x.db", bus_url="memory://", send_timeout_seconds=1
    )
    return parse_settings(text, "throughgate.toml")


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return make(tmp_path / "w")


@asynccontextmanager
async def served(settings: Settings, witness: Witness) -> AsyncIterator[Settings]:
    """The witness behind its real door; the settings of a gateway that asks it."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(witness), port=0, ws="none", lifespan="off", log_config=None, access_log=False)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined,unused-ignore]  # older uvicorn takes signals here
    task = asyncio.create_task(server._serve())
    for _ in range(1_000):
        if server.started:
            break
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    asked = WitnessSettings(url=f"http://127.0.0.1:{port}", key=witness.public_key(), timeout_seconds=2)
    try:
        yield settings.model_copy(update={"witness": asked})
    finally:
        server.should_exit = True
        await task


async def test_a_gateway_gets_its_head_cosigned_and_finds_its_way_back(settings: Settings, witness: Witness) -> None:
    async with served(settings, witness) as asking:
        assert witnessing.last_witnessed(asking, AT) is None
        await witnessing.ask(asking, LINE.ledger)
        seen = witnessing.last_witnessed(asking, AT)
        assert seen is not None
        assert (seen.name, seen.size, seen.age_seconds) == (NAME, 48, 0)
        longer = grown(LINE)
        await witnessing.ask(asking, longer.ledger)
        # the answer was lost: the witness knows more than the gateway remembers
        longest = grown(longer, "MOST")
        assert witness.add_checkpoint(request(longest, 54)).status == 200
        await witnessing.ask(asking, longest.ledger)
        last = witnessing.last_word(asking)
        assert last.split("\n")[1] == "60"
        assert longest.ledger.verify([last]).verified
        # and this host put an old copy back, database and head file together
        with pytest.raises(WitnessRefused, match="has seen 60 entries, this ledger has 48"):
            await witnessing.ask(asking, LINE.ledger)
        assert LINE.ledger.verify().verified  # alone it cannot tell
        assert not LINE.ledger.verify([last]).verified  # with the witness's word it can
        assert witnessing.last_word(asking) == last


async def test_what_answers_and_is_not_the_witness_is_not_believed(settings: Settings, witness: Witness, tmp_path: Path) -> None:  # fmt: skip
    Witness.create(tmp_path / "false", name=NAME, ledger=(vkey(ORIGIN, LINE.signer.public_key()),), key=b"f" * 32)
    async with served(settings, Witness(tmp_path / "false", lambda: AT)) as asking:
        assert asking.witness is not None
        true = asking.witness.model_copy(update={"key": witness.public_key()})
        with pytest.raises(WitnessAway, match="not the witness"):
            await witnessing.ask(asking.model_copy(update={"witness": true}), LINE.ledger)
    with pytest.raises(WitnessAway, match="did not answer"):
        await witnessing.ask(asking, LINE.ledger)
    assert witnessing.last_word(asking) == ""


def test_the_commands_of_a_witness(tmp_path: Path) -> None:
    folder, key = str(tmp_path / "w"), vkey(ORIGIN, LINE.signer.public_key())
    made = CliRunner().invoke(app, ["witness", "init", folder, "--name", NAME, "--ledger", key])
    assert made.exit_code == 0, made.output
    assert PublicKey.read(made.output.strip()).cosigns
    assert CliRunner().invoke(app, ["witness", "init", folder, "--name", NAME, "--ledger", key]).exit_code == 1
    Witness(Path(folder), lambda: AT).add_checkpoint(request(LINE, 0))
    assert CliRunner().invoke(app, ["witness", "show", folder]).output.startswith(LINE.head.read())
    assert CliRunner().invoke(app, ["witness", "forget", folder]).exit_code == 0
    assert CliRunner().invoke(app, ["witness", "show", folder]).output == ""
    assert CliRunner().invoke(app, ["witness", "serve", folder, "--host", "0.0.0.0"]).exit_code == 2
