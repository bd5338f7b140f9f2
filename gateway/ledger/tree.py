"""The Merkle tree of RFC 6962 section 2.1, grown from the right by a frontier: the roots of its complete subtrees, largest first."""

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32


def leaf_hash(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that only grows. It keeps log2(size) hashes, not the leaves."""

    def __init__(self, size: int = 0, frontier: Iterable[bytes] = ()) -> None:
        self.size = size
        self._frontier = list(frontier)
        if len(self._frontier) != size.bit_count():
            raise ValueError("a frontier has one root for each bit of its size")

    @classmethod
    def from_bytes(cls, size: int, frontier: bytes) -> "Tree":
        """From what `frontier` answered at that size. ValueError when the length does not fit."""
        if len(frontier) != HASH_BYTES * size.bit_count():
            raise ValueError("a frontier has one root for each bit of its size")
        return cls(size, (frontier[at : at + HASH_BYTES] for at in range(0, len(frontier), HASH_BYTES)))

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash."""
        node = leaf
        size = self.size
        while size & 1:
            node = node_hash(self._frontier.pop(), node)
            size >>= 1
        self._frontier.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self._frontier:
            return EMPTY_ROOT
        root = self._frontier[-1]
        for node in reversed(self._frontier[:-1]):
            root = node_hash(node, root)
        return root

    def frontier(self) -> bytes:
        return b"".join(self._frontier)
