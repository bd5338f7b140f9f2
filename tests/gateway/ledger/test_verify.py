"""Every edit of a signed ledger is found; what is not signed is counted as not covered; the verifier itself can be seen to fail."""

import base64
import random
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, func, insert, select, update

from gateway import shipped
from gateway.commands.ledger_verify import UNDETECTABLE
from gateway.ledger import HeadInMemory, Ledger
from gateway.ledger.entry import decode, encode
from gateway.ledger.note import Head, sign, vkey
from gateway.ledger.tree import Tree, leaf_hash
from gateway.store.schema import ledger_entry, ledger_head, ledger_position
from gateway.witness import Witness
from tests.faults.account import Account, number
from tests.gateway.ledger.lines import AT, ORIGIN, Line, clock, filled

ALONE = 10
"""How many of each are also looked at without a witness."""
CLEAN = number(50, 1_000)
"""Clean ledgers: 50 in make test, 1,000 in the soak."""
LINE = filled()
SIZE = 72

Mutation = Callable[[Line, random.Random], None]


def entry_at(c: Connection, position: int) -> Any:
    return c.execute(
        select(ledger_entry)
        .join(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
        .where(ledger_position.c.position == position)
    ).one()


def rewrite(c: Connection, position: int, *, rehash: bool, **facts: Any) -> None:
    """Gives an entry other facts, in canonical form; with `rehash` its leaf fits again."""
    row = entry_at(c, position)
    members = decode(row.body)
    body = encode(
        entry_id=row.id,
        chain=row.chain,
        step=row.step,
        event=members["event"],
        at=members["at"],
        facts=members["facts"] | facts,
    )
    c.execute(update(ledger_entry).where(ledger_entry.c.id == row.id).values(body=body))
    if rehash:
        c.execute(
            update(ledger_position).where(ledger_position.c.position == position).values(leaf_hash=leaf_hash(body))
        )


def shift(c: Connection, start: int, by: int) -> None:
    """Renumbers the positions from `start` on."""
    far = 1_000_000
    c.execute(
        update(ledger_position)
        .where(ledger_position.c.position >= start)
        .values(position=ledger_position.c.position + far)
    )
    c.execute(update(ledger_position).where(ledger_position.c.position >= far).values(position=ledger_position.c.position - far + by))  # fmt: skip


def root_again(c: Connection, signer: Ed25519PrivateKey | None) -> None:
    """Makes every kept head fit the edited leaves: with a key of the editor's own, or with the row alone."""
    leaves = list(c.scalars(select(ledger_position.c.leaf_hash).order_by(ledger_position.c.position)))
    for row in c.execute(select(ledger_head)).all():
        tree = Tree()
        for leaf in leaves[: row.size]:
            tree.append(leaf)
        values: dict[str, Any] = {"root": tree.root(), "frontier": tree.frontier()}
        if signer:
            values["note"] = sign(Head(origin=ORIGIN, size=tree.size, root=tree.root()), signer)
        c.execute(update(ledger_head).where(ledger_head.c.size == row.size).values(values))


def changed(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)
    line.edit(lambda c: rewrite(c, at, rehash=False, reason="other"))


def changed_and_rehashed(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)
    line.edit(lambda c: rewrite(c, at, rehash=True, reason="other"))


def changed_rehashed_and_rooted(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)

    def change(c: Connection) -> None:
        rewrite(c, at, rehash=True, reason="other")
        root_again(c, None)

    line.edit(change)


def changed_and_signed_by_another_key(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)
    other = Ed25519PrivateKey.from_private_bytes(choose.randbytes(32))

    def change(c: Connection) -> None:
        rewrite(c, at, rehash=True, reason="other")
        root_again(c, other)

    line.edit(change)
    with line.store.read() as c:
        forged = c.execute(select(ledger_head.c.note).order_by(ledger_head.c.size.desc()).limit(1)).scalar_one()
    line.head.replace(line.head.read(), forged)


def byte_flipped(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)

    def change(c: Connection) -> None:
        row = entry_at(c, at)
        body = bytearray(row.body)
        body[choose.randrange(len(body))] ^= 1 << choose.randrange(8)
        c.execute(update(ledger_entry).where(ledger_entry.c.id == row.id).values(body=bytes(body)))

    line.edit(change)


def removed(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)

    def change(c: Connection) -> None:
        row = entry_at(c, at)
        c.execute(delete(ledger_position).where(ledger_position.c.position == at))
        c.execute(delete(ledger_entry).where(ledger_entry.c.id == row.id))

    line.edit(change)


def removed_and_closed_up(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)

    def change(c: Connection) -> None:
        row = entry_at(c, at)
        c.execute(delete(ledger_position).where(ledger_position.c.position == at))
        c.execute(delete(ledger_entry).where(ledger_entry.c.id == row.id))
        shift(c, at, -1)

    line.edit(change)


def swapped(line: Line, choose: random.Random) -> None:
    one, two = choose.sample(range(SIZE), 2)

    def change(c: Connection) -> None:
        for old, new in ((one, -1), (two, one), (-1, two)):
            c.execute(update(ledger_position).where(ledger_position.c.position == old).values(position=new))

    line.edit(change)


def bodies_swapped(line: Line, choose: random.Random) -> None:
    one, two = choose.sample(range(SIZE), 2)

    def change(c: Connection) -> None:
        a, b = entry_at(c, one), entry_at(c, two)
        for row, body, position in ((a, b.body, one), (b, a.body, two)):
            c.execute(update(ledger_entry).where(ledger_entry.c.id == row.id).values(body=body))
            c.execute(
                update(ledger_position).where(ledger_position.c.position == position).values(leaf_hash=leaf_hash(body))
            )

    line.edit(change)


def inserted(line: Line, choose: random.Random) -> None:
    at = choose.randrange(SIZE)

    def change(c: Connection) -> None:
        shift(c, at, 1)
        body = encode(entry_id="INSERTED", chain="INSERTED", step=1, event="viewed", at=AT, facts={})
        c.execute(insert(ledger_entry).values(id="INSERTED", chain="INSERTED", step=1, body=body))
        c.execute(insert(ledger_position).values(position=at, entry_id="INSERTED", leaf_hash=leaf_hash(body)))

    line.edit(change)


def cut_off(line: Line, choose: random.Random) -> None:
    keep = choose.randrange(SIZE)

    def change(c: Connection) -> None:
        gone = list(c.scalars(select(ledger_position.c.entry_id).where(ledger_position.c.position >= keep)))
        c.execute(delete(ledger_position).where(ledger_position.c.position >= keep))
        c.execute(delete(ledger_entry).where(ledger_entry.c.id.in_(gone)))

    line.edit(change)


def cut_off_with_its_heads(line: Line, choose: random.Random) -> None:
    cut_off(line, choose)

    def change(c: Connection) -> None:
        size = c.scalar(select(func.count()).select_from(ledger_position))
        c.execute(delete(ledger_head).where(ledger_head.c.size > size))

    line.edit(change)


def row_says_otherwise(line: Line, choose: random.Random) -> None:
    """The columns that the program reads, with the body left alone."""
    at = choose.randrange(SIZE)
    column = choose.choice([ledger_entry.c.chain, ledger_entry.c.step])

    def change(c: Connection) -> None:
        row = entry_at(c, at)
        value = 90 if column is ledger_entry.c.step else "OTHER"
        c.execute(update(ledger_entry).where(ledger_entry.c.id == row.id).values({column.name: value}))

    line.edit(change)


def head_file_turned_back(line: Line, choose: random.Random) -> None:
    with line.store.read() as c:
        notes = list(c.scalars(select(ledger_head.c.note).order_by(ledger_head.c.size)))
    line.head.replace(line.head.read(), choose.choice(notes[:-1]))


def head_file_forged(line: Line, choose: random.Random) -> None:
    other = Ed25519PrivateKey.from_private_bytes(choose.randbytes(32))
    line.head.replace(line.head.read(), sign(Head(origin=ORIGIN, size=SIZE, root=choose.randbytes(32)), other))


def kept_head_changed(line: Line, choose: random.Random) -> None:
    line.edit(
        lambda c: c.execute(update(ledger_head).where(ledger_head.c.size == 24).values(root=choose.randbytes(32)))
    )


def signed_again_with_the_stolen_key(line: Line, choose: random.Random) -> None:
    """Everything that is kept here fits again: entries, leaves, heads, head file."""
    at = choose.randrange(SIZE)

    def change(c: Connection) -> None:
        rewrite(c, at, rehash=True, reason="other")
        root_again(c, line.signer)

    line.edit(change)
    with line.store.read() as c:
        forged = c.execute(select(ledger_head.c.note).order_by(ledger_head.c.size.desc()).limit(1)).scalar_one()
    line.head.replace(line.head.read(), forged)


def everything_put_back(line: Line, choose: random.Random) -> None:
    """An old copy of the database, with the head file of then."""
    line.become(choose.choice(EARLIER).copy())


def forked(line: Line, choose: random.Random) -> None:
    """Another history from an earlier head on, signed with the ledger's own key: shown to somebody else."""
    line.become(choose.choice(EARLIER).copy())
    for count in range(choose.randrange(1, 12)):
        line.deliver(f"OTHER{count}", f"OTHERD{count}")
    line.seal()


CLASSES: dict[str, tuple[Mutation, ...]] = {
    "bit flip": (byte_flipped,),
    "field edit": (changed,),
    "delete": (removed, removed_and_closed_up),
    "swap": (swapped,),
    "insert": (inserted,),
    "truncate": (cut_off, cut_off_with_its_heads),
    "body swap": (bodies_swapped,),
    "index edit": (row_says_otherwise,),
    "head edit": (head_file_turned_back, head_file_forged, kept_head_changed),
    "re-hash everything": (changed_and_rehashed, changed_rehashed_and_rooted, changed_and_signed_by_another_key),
    "re-sign with the stolen key": (signed_again_with_the_stolen_key,),
    "restore an old copy": (everything_put_back,),
    "fork": (forked,),
}
"""The 13 classes of reference/security.md, P27."""
ONLY_WITH_A_WITNESS = (signed_again_with_the_stolen_key, everything_put_back, forked)
MUTATIONS = [mutation for some in CLASSES.values() for mutation in some]
RUNS = number(53, 527)
"""Of each of 19 mutations: 1,007 in make test, 10,013 in the soak."""
EARLIER = (filled(4), filled(8))


def witnessed(line: Line) -> str:
    """What a witness that watched this ledger has: its last head, cosigned."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / "w"
        Witness.create(made, name="witness.test/ig", ledger=(vkey(ORIGIN, line.signer.public_key()),), key=b"w" * 32)
        witness = Witness(made, clock)
        answer = witness.add_checkpoint(f"old 0\n\n{line.head.read()}".encode())
        assert answer.status == 200
        return witness.last()


SEEN = witnessed(LINE)


def test_there_are_thirteen_classes_and_the_earlier_copies_are_earlier() -> None:
    assert len(CLASSES) == 13
    assert len(MUTATIONS) == len(set(MUTATIONS)) == 19
    assert [line.ledger.verify().entries for line in EARLIER] == [24, 48]
    with LINE.store.read() as c:
        heads = set(c.scalars(select(ledger_head.c.note)))
    assert {line.head.read() for line in EARLIER} <= heads


def test_what_nobody_can_tell_without_a_witness_is_said_by_both_verifiers_and_by_the_guide() -> None:
    """A class that is added, removed or found in another way has to be said of where people read it."""
    unseen = [name for name, some in CLASSES.items() if set(some) & set(ONLY_WITH_A_WITNESS)]
    assert list(UNDETECTABLE) == unseen
    assert f"UNSEEN = {tuple(UNDETECTABLE.values())}".replace("'", '"') in shipped.verifier().read_text("utf-8")
    guide = (Path(__file__).parents[3] / "docs" / "ig-guide.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-zA-Z -]+)` \| .* \| (always|with a witness) \|$", guide, re.MULTILINE)
    assert dict(rows) == {name: "with a witness" if name in unseen else "always" for name in CLASSES}


def test_the_ledger_that_is_edited_below_was_good() -> None:
    found = LINE.copy().ledger.verify([SEEN])
    assert found.faults == ()
    assert (found.entries, found.covered, found.uncovered, found.verified) == (SIZE, SIZE, 0, True)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_edit_is_found(mutation: Mutation, account: Callable[..., Account]) -> None:
    """With what a witness has, each of them; without it all but three, and those never: nothing here may promise more."""
    for seed in range(RUNS):
        line = LINE.copy()
        mutation(line, random.Random(seed))
        assert not line.ledger.verify([SEEN]).verified, f"{mutation.__name__} with seed {seed} was not found"
        if seed < ALONE:
            alone = line.ledger.verify()
            assert alone.verified == (mutation in ONLY_WITH_A_WITNESS), f"{mutation.__name__} with seed {seed}"
        line.store.close()
    note = "edits, each found with what a witness has"
    account(name=f"ledger-edits/{mutation.__name__}", attempted=RUNS, acked=RUNS, recovered=0, note=note)


def test_a_ledger_that_went_on_is_no_fault() -> None:
    """0 false alarms: random ledgers, each with what a witness had seen of them some time before."""
    for seed in range(CLEAN):
        choose = random.Random(seed)
        line = Line(seed=f"clean {seed}")
        seen = []
        for count in range(choose.randrange(1, 5)):
            line.deliver(f"M{count}", f"D{count}")
            if choose.random() < 0.6:
                line.seal()
                seen.append(line.head.read())
        assert line.ledger.verify(seen[-1:]).faults == (), seed
        line.store.close()


def test_an_edit_that_changes_nothing_is_not_found() -> None:
    """Sabotage of the test above: the hands alone (triggers gone, same bytes written) leave the ledger good."""
    line = LINE.copy()
    line.edit(lambda c: rewrite(c, 5, rehash=True))
    assert line.ledger.verify().verified


def test_what_is_not_covered_is_counted_and_its_edit_is_not_found() -> None:
    line = LINE.copy()
    line.deliver("LATE", "LATED")
    line.ledger.sequence()
    line.enter("LATER", "received")
    found = line.ledger.verify()
    assert (found.entries, found.covered, found.uncovered, found.verified) == (SIZE + 7, SIZE, 7, True)
    line.edit(lambda c: rewrite(c, SIZE + 1, rehash=True, reason="other"))
    assert line.ledger.verify().verified
    line.seal()
    line.edit(lambda c: rewrite(c, SIZE + 1, rehash=True, reason="again"))
    assert not line.ledger.verify().verified


def test_an_unsequenced_entry_must_have_the_form_of_one() -> None:
    line = LINE.copy()
    line.edit(lambda c: c.execute(insert(ledger_entry).values(id="X", chain="X", step=1, body=b"{}")))
    assert any("unsequenced entry X" in fault for fault in line.ledger.verify().faults)


def test_the_root_is_that_of_the_head_file() -> None:
    line = LINE.copy()
    signed = base64.b64decode(line.head.read().split("\n")[2])
    assert line.ledger.verify().root == signed.hex()


def test_an_empty_ledger_is_good() -> None:
    found = Line().ledger.verify()
    assert (found.entries, found.covered, found.verified) == (0, 0, True)


def test_many_faults_are_cut_short_but_never_verified() -> None:
    line = LINE.copy()
    line.edit(lambda c: c.execute(update(ledger_position).values(leaf_hash=b"x" * 32)))
    line.edit(lambda c: c.execute(update(ledger_entry).values(body=b"{}")))
    found = line.ledger.verify()
    assert len(found.faults) == 100
    assert not found.verified


def test_another_installation_s_key_or_origin_is_found() -> None:
    line = LINE.copy()
    other = Ledger(
        store=line.store,
        signer=Ed25519PrivateKey.from_private_bytes(b"o" * 32),
        head=HeadInMemory(line.head.read()),
        origin=ORIGIN,
        clock=lambda: None,  # type: ignore[arg-type,return-value]  # the clock is never asked
    )
    assert not other.verify().verified
