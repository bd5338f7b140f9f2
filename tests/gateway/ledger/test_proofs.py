"""Proofs against an independent implementation: the recursion of RFC 9162 section 2.1 written down word for word, on lists of bodies."""

import hashlib
import random

import pytest

from gateway.ledger.proofs import Hashes, consistency_from, is_consistent, is_included
from gateway.ledger.tree import EMPTY_ROOT, Tree, leaf_hash

TREES = 1_000
"""Random trees, each with a random path and a random consistency proof. In make test."""
SPOILED = 200
"""Of which every kind of change is tried. In make test."""


def split(number: int) -> int:
    """The largest power of two smaller than n (section 2.1.1)."""
    k = 1
    while 2 * k < number:
        k = 2 * k
    return k


def mth(bodies: list[bytes]) -> bytes:
    """MTH(D[n])."""
    if len(bodies) == 0:
        return hashlib.sha256(b"").digest()
    if len(bodies) == 1:
        return hashlib.sha256(bytes([0]) + bodies[0]).digest()
    k = split(len(bodies))
    return hashlib.sha256(bytes([1]) + mth(bodies[:k]) + mth(bodies[k:])).digest()


def path(m: int, bodies: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) (section 2.1.3.1)."""
    if len(bodies) == 1:
        return []
    k = split(len(bodies))
    if m < k:
        return [*path(m, bodies[:k]), mth(bodies[k:])]
    return [*path(m - k, bodies[k:]), mth(bodies[:k])]


def proof(m: int, bodies: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) (section 2.1.4.1)."""
    return subproof(m, bodies, b=True)


def subproof(m: int, bodies: list[bytes], *, b: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if m == len(bodies):
        return [] if b else [mth(bodies)]
    k = split(len(bodies))
    if m <= k:
        return [*subproof(m, bodies[:k], b=b), mth(bodies[k:])]
    return [*subproof(m - k, bodies[k:], b=False), mth(bodies[:k])]


def test_roots_and_proofs_of_random_trees_are_those_of_the_definition() -> None:
    choose = random.Random(9162)
    for _ in range(TREES):
        bodies = [choose.randbytes(choose.randrange(40)) for _ in range(choose.randrange(1, 70))]
        hashes = Hashes(leaf_hash(body) for body in bodies)
        size = choose.randrange(1, len(bodies) + 1)
        index, old = choose.randrange(size), choose.randrange(1, size + 1)
        roots = [hashes.root(old), hashes.root(size)]
        assert roots == [mth(bodies[:old]), mth(bodies[:size])]
        tree = Tree()
        for body in bodies[:size]:
            tree.append(leaf_hash(body))
        assert tree.root() == roots[1]
        inclusion, consistency = hashes.inclusion(index, size), hashes.consistency(old, size)
        assert inclusion == path(index, bodies[:size])
        assert consistency == proof(old, bodies[:size])
        tree = Tree()
        for body in bodies[:old]:
            tree.append(leaf_hash(body))
        frontier = [tree.frontier()[at : at + 32] for at in range(0, 32 * old.bit_count(), 32)]
        assert consistency_from(old, frontier, [leaf_hash(body) for body in bodies[old:size]]) == consistency
        assert is_included(leaf_hash(bodies[index]), index, size, inclusion, roots[1])
        assert is_consistent(old, size, roots[0], roots[1], consistency)


def test_every_size_of_small_trees() -> None:
    bodies = [bytes([number]) for number in range(20)]
    hashes = Hashes(leaf_hash(body) for body in bodies)
    for new in range(1, 21):
        for old in range(new + 1):
            found = hashes.consistency(old, new)
            assert found == (proof(old, bodies[:new]) if old else [])
            assert is_consistent(old, new, hashes.root(old), hashes.root(new), found)
        for index in range(new):
            assert is_included(leaf_hash(bodies[index]), index, new, hashes.inclusion(index, new), hashes.root(new))


def test_a_spoiled_proof_is_refused() -> None:
    """Sabotage of the checks: they can say no, to each kind of change."""
    choose = random.Random(6962)
    for _ in range(SPOILED):
        leaves = [choose.randbytes(32) for _ in range(choose.randrange(2, 60))]
        hashes, size = Hashes(leaves), len(leaves)
        index, old = choose.randrange(size), choose.randrange(1, size)
        root, old_root = hashes.root(size), hashes.root(old)
        inclusion, consistency = hashes.inclusion(index, size), hashes.consistency(old, size)
        other = choose.randbytes(32)
        assert not is_included(other, index, size, inclusion, root)
        assert not is_included(leaves[index], index, size, inclusion, other)
        assert not is_included(leaves[index], index, size, [*inclusion, other], root)
        assert not is_included(leaves[index], index, size, inclusion[:-1], root)
        assert not is_included(leaves[index], (index + 1) % size, size, inclusion, root)
        assert not is_consistent(old, size, other, root, consistency)
        assert not is_consistent(old, size, old_root, other, consistency)
        assert not is_consistent(old, size, old_root, root, [*consistency, other])
        assert not is_consistent(old, size, old_root, root, consistency[:-1])
        assert not is_consistent(old, size, old_root, root, [])


def test_the_ends() -> None:
    hashes = Hashes([])
    assert (hashes.size, hashes.root(0)) == (0, EMPTY_ROOT)
    one = Hashes([b"x" * 32])
    assert one.root(1) == b"x" * 32
    assert one.inclusion(0, 1) == one.consistency(0, 1) == one.consistency(1, 1) == []
    assert is_consistent(0, 1, EMPTY_ROOT, b"x" * 32, [])
    assert not is_consistent(0, 1, b"y" * 32, b"x" * 32, [])
    assert not is_consistent(1, 1, b"y" * 32, b"x" * 32, [])
    assert not is_consistent(2, 1, b"x" * 32, b"x" * 32, [])
    assert not is_included(b"x" * 32, 1, 1, [], b"x" * 32)
    with pytest.raises(ValueError, match="not in the tree"):
        one.inclusion(1, 1)
    with pytest.raises(ValueError, match="does not have"):
        one.consistency(1, 2)
    with pytest.raises(ValueError, match="does not have"):
        one.root(2)
