"""Was a dose swallowed under watch, and was it kept down? Read from the words of a clinic. It must never take a limit or a denial for a yes.

INVARIANT: a dose that is said to be supervised and was not, or that was vomited, is taken for tolerance that the person may not have.
"""

import re
from typing import Final

_CLAUSE: Final = re.compile(r"[.;,\n]+|\b(?:and|but|then)\b")
_NOT_A_WORD: Final = re.compile(r"[^a-z']+")
_DENIED: Final = re.compile(
    r"\b(?:un|non|not|no longer|never) ?supervised(?: consumption)?\b"
    r"|\b(?:no|without)(?: supervised consumption| supervision)\b"
    r"|\bsupervised(?: consumption)? no?$"
)
_SAID: Final = re.compile(r"\bsupervised?\b")
_LIMITED: Final = re.compile(
    r"\b(?:not|no|never|nor|cannot|\w+n't|unless|until|except|if|when|previously|formerly|declined|refused|part|partly|partially|first|"
    r"collection|pick|weekdays?|weekends?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|mon|tue|tues|wed|thu|thurs|fri|sat|sun)\b"
)
"""Words beside which it is not said of every dose, or not of the swallowing of it."""

_LOST: Final = re.compile(
    r"\b(?:vomit\w*|regurgitat\w*|emesis|(?:threw|thrown|throwing|brought|bringing)(?: it| this| all| some| the dose| dose| medication)?(?: back)? up"
    r"|(?:spat|spit|spitting)(?: it| this| the dose| dose| medication)?(?: back)? out"
    r"|(?:was|been|being|is|were) sick|sick (?:after|within|straight|immediately|afterwards|following|on)"
    r"|(?:un|not |\w*n't |never )(?:retained?|kept down|keep down|keep it down|tolerated|absorbed|swallowed?)"
    r"|(?:failed|refused|unable) to (?:retain|keep|swallow)\w*)\b"
)
_KEPT: Final = re.compile(
    r"\b(?:no|not|nil|never|without|denie[sd]|denying|did not|didn't|has not|hasn't|hadn't|had not)(?: any| been| be| or| nausea| had| have)* "
    r"(?:vomit\w*|regurgitat\w*|emesis|sick|brought up|thrown up|throw up|spat out|spit out)(?: or regurgitat\w*)?"
    r"|\b(?:vomit\w*|regurgitat\w*|emesis|sick) (?:none|nil|no)$"
)
_NOT_WHOLLY: Final = re.compile(r"\b(?:until|till|except|unless)\b")


def lost_in_words(text: str) -> bool:
    """Say whether a text says that a dose, or some of it, was not kept down. A plain denial does not; whatever else does."""
    clauses = (_NOT_A_WORD.sub(" ", clause).strip() for clause in _CLAUSE.split(text.lower()))
    return any(_LOST.search(c if _NOT_WHOLLY.search(c) else _KEPT.sub(" ", c)) is not None for c in clauses)


def supervised_in_words(text: str) -> bool | None:
    """Say whether a text says that doses are taken under supervision. None: it does not say it, says both, or says it of some doses alone."""
    answers = [_said(clause) for clause in _CLAUSE.split(text.lower()) if "supervis" in clause]
    return answers[0] if answers and all(answer is answers[0] for answer in answers) else None


def _said(clause: str) -> bool | None:
    words = _NOT_A_WORD.sub(" ", clause).strip()
    rest = _DENIED.sub(" ", words)
    denied, stated = rest != words, _SAID.search(rest) is not None
    return None if denied == stated or _LIMITED.search(rest) is not None else stated
