"""Two functions and a constant, for the guard on the mutation run: what is noticed of them and what is not is known. Never imported by anything else."""

LIMIT = 3


def older(one: int, other: int) -> bool:
    """Is the first the greater?"""
    return one > other


def within(number: int) -> bool:
    """Is it below the limit?"""
    return number < LIMIT
