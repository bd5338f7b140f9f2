"""Checks what `throughgate ledger export` and `throughgate ledger prove` wrote, on any machine and without Throughgate.

    python3 verify_ledger.py ledger.txt --key 'origin+01234567+AQ...'

It needs Python 3.10 and the package `cryptography`. Compare the keys that it names with those that were written down when the gateway was
installed, or give them with --key. --checkpoint gives it a signed head that you have from somewhere else (a witness, a recipient,
minutes): the ledger must lead to it. Exit code 0: nothing is wrong; 1: something is; 2: it cannot tell, as the file is not what it reads.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EXPORT, PROOF = "throughgate-ledger-export-v1", "throughgate-ledger-proof-v1"
MEMBERS = {"v", "id", "chain", "step", "event", "at", "facts"}
PERMITS = {"release", "reduce"}
WENT = {"delivered", "confirmed", "ambiguous", "refused"}  # said only of what was sent
UNSEEN = ("rewritten and signed with a stolen key", "an old copy put back", "two ledgers shown to two people")
ENDED = {"confirmed", "refused", "withheld", "recalled", "expired"}  # nothing leaves after these
NOTE = re.compile(r"((\S+)\n([0-9]{1,18})\n([A-Za-z0-9+/]{43}=)\n)\n((?:— \S+ \S+\n)+)")
NOT_READABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError)


class Key:
    """A public key as C2SP writes it: name, key id, type and key. Type 1 signs a checkpoint, type 4 cosigns one as a witness."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.name, key_id, public = text.split("+", 2)
        raw = base64.b64decode(public, validate=True)
        self.witness, self.public = raw[:1] == b"\x04", Ed25519PublicKey.from_public_bytes(raw[1:])
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if self.id.hex() != key_id or raw[:1] not in (b"\x01", b"\x04"):
            raise ValueError(f"not a key: {text[:80]}")

    def check(self, text: str, signature: bytes) -> int:
        """When a witness signed (0 for who signs without a time). ValueError where the signature does not fit."""
        at = int.from_bytes(signature[:8], "big") if self.witness else 0
        before = f"cosignature/v1\ntime {at}\n" if self.witness else ""
        try:
            self.public.verify(signature[8:] if self.witness else signature, (before + text).encode())
        except InvalidSignature:
            raise ValueError(f"the signature of {self.name} does not fit") from None
        return at


class Head:
    """A checkpoint whose signatures fit. `by`: each key that signed it, and when."""

    def __init__(self, note: str, keys: Iterable[Key]) -> None:
        match = NOTE.fullmatch(note)
        if match is None:
            raise ValueError("it is not a signed note")
        self.size, self.root, self.by = int(match[3]), base64.b64decode(match[4]), dict[Key, int]()
        for line in match[5].splitlines():
            name, written = line[2:].split(" ")
            signature = base64.b64decode(written, validate=True)
            for key in keys:
                if (key.name, key.id) == (name, signature[:4]) and (key.witness or name == match[2]):
                    self.by[key] = key.check(match[1], signature[4:])


def leaf(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """RFC 6962 section 2.1: the roots of the complete subtrees, largest first."""

    def __init__(self) -> None:
        self.size, self.roots = 0, list[bytes]()

    def add(self, found: bytes) -> None:
        size = self.size
        while size & 1:
            found, size = node(self.roots.pop(), found), size >> 1
        self.roots.append(found)
        self.size += 1

    def root(self) -> bytes:
        found = self.roots[-1] if self.roots else hashlib.sha256(b"").digest()
        for each in reversed(self.roots[:-1]):
            found = node(each, found)
        return found


def climb(place: int, last: int, path: Sequence[bytes], start: bytes) -> tuple[bytes, bytes, bool]:
    """RFC 9162 sections 2.1.3.2 and 2.1.4.2: the new root and the old one that a path leads to, and whether it ends there."""
    before = after = start
    for each in path:
        if not last:
            return b"", b"", False
        if place & 1 or place == last:
            before, after = node(each, before), node(each, after)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            after = node(after, each)
        place, last = place >> 1, last >> 1
    return after, before, last == 0


def consistent(old: Head, new: Head, path: Sequence[bytes]) -> bool:
    if not 0 < old.size < new.size:
        return not path and (old.size == 0 or (old.size, old.root) == (new.size, new.root))
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    hashes = [*path] if old.size & (old.size - 1) else [old.root, *path]
    return bool(hashes) and climb(place, last, hashes[1:], hashes[0]) == (new.root, old.root, True)


class Entries:
    """What entries say: their form, the steps of their chains, and that nothing went that was not let go before, byte for byte."""

    def __init__(self, faults: list[str]) -> None:
        self.faults, self.delivered = faults, 0
        self.steps, self.decisions, self.deliveries = dict[str, int](), dict[str, Any](), dict[str, Any]()

    def read(self, position: int, body: bytes) -> Any:
        """An entry's members; None, with a fault, where it is none."""
        try:
            entry = json.loads(body)
            canonical = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
            if canonical == body and set(entry) == MEMBERS and entry["v"] == 1 and isinstance(entry["facts"], dict):
                return entry
        except NOT_READABLE:
            pass
        self.faults.append(f"position {position}: this is not an entry")
        return None

    def add(self, position: int, entry: Any, first_step: int = 1) -> None:
        chain, step, event, facts = entry["chain"], entry["step"], entry["event"], entry["facts"]
        if step != self.steps.get(chain, first_step - 1) + 1:
            self.faults.append(f"position {position}: step {step} of {chain} is out of order")
        self.steps[chain] = step
        if event == "decided":
            known = self.decisions.setdefault(facts.get("decision", chain), {"mark": None})
            known.update(chain=chain, outcome=facts.get("outcome"), mark=facts.get("mark", known["mark"]))
        self.faults += [f"position {position}: delivery {chain} is {text}" for text in self.went(chain, event, facts)]

    def went(self, chain: str, event: str, facts: Any) -> Iterator[str]:
        known = self.deliveries.setdefault(chain, {"decision": chain, "sent": False, "ended": ""})
        known["decision"] = facts.get("decision", known["decision"])
        if event == "sending":
            decision = self.decisions.get(known["decision"], {"outcome": None, "mark": None, "chain": None})
            report = decision["outcome"] == "counted" and decision["chain"] == chain
            if decision["outcome"] not in PERMITS and not report:
                yield "sent, and nothing before let it go"
            elif facts.get("mark") is None or facts["mark"] != decision["mark"]:
                yield "sent with other bytes than were let go"
            if known["ended"]:
                yield f"sent after it was {known['ended']}"
            known["sent"] = True
        if event in WENT and not known["sent"]:
            yield f"{event}, and was never sent"
        known["ended"] = event if event in ENDED else known["ended"]
        self.delivered += event == "delivered"


class Verifier:
    """One run: what is wrong, and what can be said."""

    def __init__(self, trusted: Sequence[Key], others: Sequence[str]) -> None:
        self.faults, self.said, self.trusted, self.others = list[str](), list[str](), trusted, others
        self.current, self.all = list[Key](), list[Key]()

    def take_keys(self, file: Any) -> None:
        """The keys of a file, those in use and those before, checked against the ones that were given."""
        self.current, former = [Key(each) for each in file["keys"]], [Key(each) for each in file["former"]]
        known = {key.text for key in self.trusted if not key.witness}
        for key in (*self.current, *former):
            if key.name != file["origin"] or (known and key.text not in known):
                self.faults.append(f"keys: {key.text} is not one of yours, or not of this ledger")
        if not known:
            texts = ", ".join(key.text for key in (*self.current, *former))
            self.said.append(f"the keys are the file's own word: compare them, or give them with --key: {texts}")
        self.all = [*self.current, *former, *(key for key in self.trusted if key.witness)]

    def head(self, where: str, note: str, *, current: bool = False) -> Head | None:
        """A checkpoint, signed by a key of the ledger (by one in use); None, with a fault, where it is not."""
        try:
            found = Head(note, self.all)
        except (ValueError, TypeError) as error:
            self.faults.append(f"{where}: {error}")
            return None
        if not set(found.by) & set(self.current if current else (key for key in self.all if not key.witness)):
            self.faults.append(f"{where}: it is not signed by a key of this ledger")
            return None
        return found

    def export(self, lines: Iterator[bytes]) -> None:
        file = json.loads(next(lines))
        self.take_keys(file)
        notes = [json.loads(next(lines)) for _ in range(file["checkpoints"])]
        last = self.head("the head", notes[-1], current=True)
        others = [self.head(f"your checkpoint {number}", note) for number, note in enumerate(self.others, 1)]
        heads = [*(self.head(f"checkpoint {number}", note) for number, note in enumerate(notes[:-1], 1)), last, *others]
        roots: dict[int, bytes] = {}
        for head in filter(None, heads):
            if roots.setdefault(head.size, head.root) != head.root:
                self.faults.append(f"fork: two roots were signed for the first {head.size} entries")
        tree, entries = Tree(), Entries(self.faults)
        self.compare(tree, roots)
        for position, line in enumerate(lines):
            entry = entries.read(position, line.rstrip(b"\n"))
            if entry is not None:
                entries.add(position, entry)
            tree.add(leaf(line.rstrip(b"\n")))
            self.compare(tree, roots)
        for size in sorted(each for each in {file["entries"], *roots} if each > tree.size):
            self.faults.append(f"cut off: {size} entries were signed, {tree.size} are here")
        if last and tree.size > last.size:
            self.faults.append(f"{tree.size - last.size} entries are here that the head does not cover")
        self.said.append(f"{tree.size} entries, {entries.delivered} deliveries among them")
        self.witnessed([*filter(None, heads)], [*filter(None, others)])

    def compare(self, tree: Tree, roots: dict[int, bytes]) -> None:
        if tree.size in roots and roots[tree.size] != tree.root():
            self.faults.append(f"the first {tree.size} entries are not those that were signed")

    def proof(self, file: Any) -> None:
        if file["format"] != PROOF:
            raise ValueError("of another version")
        self.take_keys(file)
        head, about = self.head("the head", file["checkpoint"], current=True), file["about"]
        entries, named, before, person = Entries(self.faults), set[str](), -1, "subject-access" in about
        if head is None:
            return
        for each in file["entries"]:
            body, place = each["entry"].encode(), each["position"]
            path = [base64.b64decode(one, validate=True) for one in each["path"]]
            if not 0 <= place < head.size or climb(place, head.size - 1, path, leaf(body))[::2] != (head.root, True):
                self.faults.append(f"position {place}: this entry is not in the ledger that was signed")
            self.faults += [f"position {place}: this entry is out of order"] * (place <= before)
            entry, before = entries.read(place, body) or {"chain": "", "id": ""}, place
            chain, named = entry["chain"], named | {entry["chain"], entry["id"]}
            if chain and "entry" not in about:  # a delivery's proof has of a message's chain only what was decided
                whole = chain == about.get("delivery") or (person and (entry["step"] == 1 or chain in entries.steps))
                entries.steps.pop("" if whole else chain, None)
                entries.add(place, entry, 1 if whole else entry["step"])
        told = " ".join(f"{what} {which}" for what, which in sorted(about.items()))
        self.faults += [f"nothing here is of {told}"] * (not about or not {*about.values()} <= named)
        if note := file["consistency"]:
            first = self.head("the first head", note["checkpoint"])
            if first and not consistent(first, head, [base64.b64decode(one, validate=True) for one in note["path"]]):
                self.faults.append(f"the head does not continue the one of {first.size} entries")
        self.said.append(f"{len(file['entries'])} entries of {told}; that these are all no proof shows")
        self.said += ["your checkpoint is not looked at: only an export leads from one to another"] * bool(self.others)
        self.witnessed([head], [])

    def witnessed(self, found: Sequence[Head], others: Sequence[Head]) -> None:
        witnesses = [key for key in self.trusted if key.witness]
        seen = max((head.size for head in found if head in others or {*witnesses} & {*head.by}), default=0)
        for key in witnesses:
            if sizes := [(head.size, head.by[key]) for head in found if key in head.by]:
                size, at = max(sizes)
                self.said.append(f"witnessed by {key.name} up to {size} entries, {at} seconds after 1970")
            else:
                self.faults.append(f"witness: {key.name} has cosigned nothing of this")
        where = f"Behind the {seen} entries that were seen elsewhere" if seen else "Without a witness"
        self.said.append(f"{where} nobody can tell: {'; '.join(UNSEEN)}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", action="append", default=[], help="a public key that you trust (a witness's too)")
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, help="a signed head from elsewhere")
    given = parser.parse_args(arguments)
    try:
        run = Verifier([Key(each) for each in given.key], [each.read_text("utf-8") for each in given.checkpoint])
        with given.file.open("rb") as lines:
            export = EXPORT in next(lines).decode()
            lines.seek(0)
            run.export(lines) if export else run.proof(json.loads(lines.read()))
    except NOT_READABLE as error:
        sys.stdout.write(f"CANNOT TELL: not a whole export or proof ({type(error).__name__}: {error})\n")
        return 2
    verdict = f"NOT VERIFIED: {len(run.faults)} things are wrong" if run.faults else "verified"
    sys.stdout.write("\n".join([*run.said, *(f"WRONG: {fault}" for fault in run.faults), verdict]) + "\n")
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
