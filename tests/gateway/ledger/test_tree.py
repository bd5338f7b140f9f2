"""The Merkle code against the definition of RFC 6962 written down naively, and against the published vectors."""

import hashlib
import random

import pytest

from gateway.ledger.tree import EMPTY_ROOT, Tree, leaf_hash


def naive_root(bodies: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word: MTH({}), MTH({d0}), MTH(D[n]) with k the largest power of two below n."""
    if not bodies:
        return hashlib.sha256().digest()
    if len(bodies) == 1:
        return hashlib.sha256(b"\x00" + bodies[0]).digest()
    k = 1
    while k * 2 < len(bodies):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(bodies[:k]) + naive_root(bodies[k:])).digest()


VECTORS = [  # certificate-transparency's reference inputs and the root after each
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]


def test_the_published_vectors() -> None:
    tree = Tree()
    assert (
        tree.root() == EMPTY_ROOT == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )
    for body, root in VECTORS:
        tree.append(leaf_hash(bytes.fromhex(body)))
        assert tree.root().hex() == root


def test_every_root_of_random_trees_is_the_naive_one() -> None:
    choose = random.Random(6962)
    for _ in range(1_000):
        bodies = [choose.randbytes(choose.randrange(40)) for _ in range(choose.randrange(60))]
        tree = Tree()
        for body in bodies:
            tree.append(leaf_hash(body))
        assert (tree.size, tree.root()) == (len(bodies), naive_root(bodies))


def test_a_tree_goes_on_from_its_frontier() -> None:
    bodies = [bytes([number]) for number in range(130)]
    for cut in range(131):
        tree = Tree()
        for body in bodies[:cut]:
            tree.append(leaf_hash(body))
        tree = Tree.from_bytes(cut, tree.frontier())
        for body in bodies[cut:]:
            tree.append(leaf_hash(body))
        assert tree.root() == naive_root(bodies)


@pytest.mark.parametrize(("size", "frontier"), [(1, b""), (0, b"x" * 32), (3, b"x" * 32), (2, b"x" * 31)])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, frontier: bytes) -> None:
    with pytest.raises(ValueError, match="one root for each bit"):
        Tree.from_bytes(size, frontier)


def test_a_leaf_is_no_node() -> None:
    """Second preimages: a body that looks like an inner node has another hash."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    tree = Tree()
    tree.append(left)
    tree.append(right)
    assert leaf_hash(left + right) != tree.root()
