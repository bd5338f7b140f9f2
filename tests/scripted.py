"""A script in the place of Hypothesis's data: a property is asked one known question, so that a sabotage test can show what it would see."""


class Scripted:
    """Gives these, in this order, whatever strategy is asked for."""

    def __init__(self, *drawn: object) -> None:
        self._drawn = iter(drawn)

    def draw(self, strategy: object) -> object:
        del strategy
        return next(self._drawn)
