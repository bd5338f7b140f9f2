"""What SQLAlchemy has put into an engine's words: remembered for the whole process, whoever opened the store.

SQLAlchemy remembers it for each engine object, and a store has one to read and one to write; to put a question into words takes far longer than
to ask it. What is here MUST NOT be printed or kept on a disk: beside a text stand the values that it was first asked with.
"""

from typing import Any, Final

from sqlalchemy.util import LRUCache

AT_MOST: Final = 1_000
"""Statements. The program has some hundreds."""

Key = tuple[Any, ...]


class Compiled(LRUCache[Key, Any]):
    """SQLAlchemy asks with the dialect object of its engine in front; every engine of one kind is made alike, so that its name is enough."""

    def get(self, key: Key, default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: Key, value: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), value)


COMPILED: Final = Compiled(AT_MOST)
