"""What is odd about a sharing agreement that reads well and whose examples hold: said to whoever signs it. It decides nothing and stops nothing.

What an agreement may never say is an error of its reader (`agreement_file.py`); this is what somebody may have meant otherwise.
"""

from collections.abc import Iterator, Sequence

from consent.paths import compile_paths, permits
from consent.reading import text
from consent.shapes import Agreement, Outcome, Reason

PSEUDONYM = "pseudonym:"

TEXTS = {
    "path-covered": "a path lies inside one of another reason that lets it leave already: its own reason is not why it leaves",
    "identifier-beside-pseudonym": "an identifier leaves beside the pseudonym that stands for it, which then hides nobody",
    "review-after-end": "its review is not before its end: it will stop without anybody having looked",
    "refusal-not-shown": "no example shows what a recorded refusal does, and without one this flow needs no consent",
    "unknown-not-shown": "it holds what cannot be decided, and no example shows that",
    "twice": "another agreement lets the same letter go to the same class at the same event: nobody can say which holds",
}


def lint(agreement: Agreement, others: Sequence[Agreement] = ()) -> tuple[Reason, ...]:
    """Remarks on one agreement beside the others of its folder, each rule once, sorted."""
    found = {*_on_fields(agreement), *_on_words(agreement), *_on_examples(agreement)}
    if any(_is_twice(agreement, other) for other in others):
        found.add("twice")
    return tuple(Reason(rule=rule, text=TEXTS[rule]) for rule in sorted(found))


def _on_fields(agreement: Agreement) -> Iterator[str]:
    for why in {item.why for item in agreement.fields}:
        wider = compile_paths(tuple(item.path for item in agreement.fields if item.why != why))
        own = [item.path for item in agreement.fields if item.why == why]
        # One that has something reserved below it is named for that.
        if any(permits(wider, path) and not any(one.startswith(f"{path}.") for one in own) for path in own):
            yield "path-covered"
    systems = agreement.identifier_systems
    if any(f"{PSEUDONYM}{system}" in systems for system in systems):
        yield "identifier-beside-pseudonym"


def _on_words(agreement: Agreement) -> Iterator[str]:
    if agreement.text["review"] >= agreement.text["ends"]:
        yield "review-after-end"


def _on_examples(agreement: Agreement) -> Iterator[str]:
    kept = {Outcome.WITHHOLD, Outcome.REDUCE, Outcome.HOLD}
    refused = [
        item
        for item in agreement.examples
        if item.expect in kept and any(text(consent, "status") in ("rejected", "inactive") for consent in item.consents)
    ]
    if agreement.without_consent == "implied" and not refused:
        yield "refusal-not-shown"
    if agreement.undecidable == "hold" and not any(item.expect is Outcome.HOLD for item in agreement.examples):
        yield "unknown-not-shown"


def _is_twice(one: Agreement, other: Agreement) -> bool:
    same = one.letter == other.letter and one.recipient_class == other.recipient_class
    return same and one.name != other.name and not {*one.events}.isdisjoint(other.events)
