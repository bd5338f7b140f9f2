"""Proofs of RFC 9162 section 2.1: that a leaf is in a tree, that a tree continues an older one; made from leaf hashes, and checked.

A check MUST NOT answer yes to a proof that is longer, shorter or of another size than the one that there is.
"""

from collections.abc import Callable, Iterable, Sequence

from gateway.ledger.tree import EMPTY_ROOT, HASH_BYTES, node_hash


class Hashes:
    """Every complete subtree of a list of leaves: each root and each proof of any size up to there costs log2(size) hashes."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        """`leaves` are leaf hashes in the order of their positions."""
        level = bytearray(b"".join(leaves))
        self.size = len(level) // HASH_BYTES
        self._levels = [level]
        while len(level) >= 2 * HASH_BYTES:
            below, level = level, bytearray()
            for at in range(0, len(below) - HASH_BYTES, 2 * HASH_BYTES):
                level += node_hash(
                    bytes(below[at : at + HASH_BYTES]), bytes(below[at + HASH_BYTES : at + 2 * HASH_BYTES])
                )
            self._levels.append(level)

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves. ValueError when there are not so many."""
        if not 0 <= size <= self.size:
            raise ValueError("the tree does not have that size")
        return self._root(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The path of leaf `index` in the tree of the first `size`. ValueError when it is not in it."""
        if not 0 <= index < size <= self.size:
            raise ValueError("the leaf is not in the tree of that size")
        return self._path(index, 0, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """That the tree of `new` leaves begins with that of `old`. ValueError for sizes that are not there."""
        if not 0 <= old <= new <= self.size:
            raise ValueError("the tree does not have these sizes")
        return _between(self._root, old, 0, new) if 0 < old < new else []

    def _root(self, start: int, end: int) -> bytes:
        size = end - start
        if size.bit_count() == 1:  # `start` is a multiple of it wherever the definition cuts
            at = start // size * HASH_BYTES
            return bytes(self._levels[size.bit_length() - 1][at : at + HASH_BYTES])
        cut = start + _left(size)
        return node_hash(self._root(start, cut), self._root(cut, end))

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        cut = start + _left(end - start)
        if index < cut:
            return [*self._path(index, start, cut), self._root(cut, end)]
        return [*self._path(index, cut, end), self._root(start, cut)]


def consistency_from(old: int, frontier: Sequence[bytes], newer: Sequence[bytes]) -> list[bytes]:
    """That a tree which is grown from `old` leaves by the leaf hashes `newer` continues it: no leaf of before is needed.

    `frontier` are the roots of the complete subtrees at `old`, as `Tree.frontier` gives them, largest first.
    """
    known: dict[tuple[int, int], bytes] = {}
    start = 0
    for bit, root in zip((1 << at for at in reversed(range(old.bit_length())) if old >> at & 1), frontier, strict=True):
        known[start, start + bit] = root
        start += bit

    def root_of(start: int, end: int) -> bytes:
        if end <= old:  # the definition asks only for complete subtrees there
            return known[start, end]
        if end - start == 1:
            return newer[start - old]
        cut = start + _left(end - start)
        return node_hash(root_of(start, cut), root_of(cut, end))

    return _between(root_of, old, 0, old + len(newer)) if old and newer else []


def _between(root: Callable[[int, int], bytes], old: int, start: int, end: int, *, whole: bool = True) -> list[bytes]:
    """SUBPROOF: `old` counts from the beginning of the list, `whole` says that the old tree's root is known to who checks."""
    if old == end:
        return [] if whole else [root(start, end)]
    cut = start + _left(end - start)
    if old <= cut:
        return [*_between(root, old, start, cut, whole=whole), root(cut, end)]
    return [*_between(root, old, cut, end, whole=False), root(start, cut)]


def _left(size: int) -> int:
    """The largest power of two below `size`, which is 2 or more."""
    return 1 << ((size - 1).bit_length() - 1)


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 section 2.1.3.2: is `leaf` at `index` of the tree of that size and root?"""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for hash_ in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(hash_, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2: does the tree of `new` leaves begin with the tree of `old`?"""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and (old_root == new_root if old else old_root == EMPTY_ROOT)
    hashes = [old_root, *path] if old.bit_count() == 1 else list(path)
    if not hashes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(hash_, before), node_hash(hash_, after)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, hash_)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root
