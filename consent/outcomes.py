"""What became of every path of a letter for its recipient, and the one rule that decided it. Grouped by rule, to be kept with the decision.

It only says what was decided and minimised: it MUST NOT decide, and MUST NOT hold a value of the letter. A path is a type and its elements,
`Patient.address`; one that no group names has the outcome of the longest that it begins with. A group that names resources and no path is
about the whole of them, before any other; one that names neither is about the whole letter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from consent.paths import Node, compile_paths
from consent.reading import label_of, obj, objects, text
from consent.shapes import Decision, Json, Outcome, ResourceVote, Vote, Withheld


class PathOutcome(StrEnum):
    """What became of a path."""

    LEAVES = "leaves"
    PART = "part"
    """Some of its repetitions leave: those that the rule does not keep back."""
    STAYS = "stays"
    WAITS = "waits"
    """A person has to look."""
    COUNTED = "counted"


@dataclass(frozen=True, kw_only=True)
class PathGroup:
    """Paths with one outcome by one rule; where a consent decided, its id, version and provision path."""

    outcome: PathOutcome
    rule: str
    consent: str = ""
    version: str = ""
    provision: str = ""
    resources: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    """Of texts that the last look cut: `Type/id path` for each, with the id under which the resource left."""


_ABOUT_THE_WHOLE = (
    "error",
    "agreement-mismatch",
    "agreement-ended",
    "several-people",
    "nothing-asked",
    "subject-denied",
    "nothing-left",
    "leak-scan",
    "sensitive-person",
    "no-recipient",
)
"""Rules that end a whole letter; of several the first here is the one that decided."""
_NOWHERE = {
    Outcome.WITHHOLD: PathOutcome.STAYS,
    Outcome.HOLD: PathOutcome.WAITS,
    Outcome.COUNTED: PathOutcome.COUNTED,
}
_VOTED = {Vote.PERMIT: PathOutcome.LEAVES, Vote.DENY: PathOutcome.STAYS, Vote.HOLD: PathOutcome.WAITS}
_BY_VALUE = frozenset(
    {"identifier-system", "not-in-letter", "nothing-left", "sensitive-place", "leak-scan", "modifier-left-out"}
)
"""Rules of minimise that look at a value: of one path they may keep back one repetition and let another leave."""
_MADE_AGAIN = frozenset({"resourceType", "id"})

_Key = tuple[bool, PathOutcome, str, str, str, str]
_Named = dict[str, None]


class _Groups:
    """Groups in the making, in the order in which their rules come up."""

    def __init__(self) -> None:
        self._held: dict[_Key, tuple[_Named, _Named]] = {}

    def whole(self, outcome: PathOutcome, rule: str, vote: ResourceVote | None = None) -> _Named:
        """The resources of a group that is about the whole of them."""
        return self._of(outcome, rule, vote, whole=True)[0]

    def paths(self, outcome: PathOutcome, rule: str, vote: ResourceVote | None = None) -> tuple[_Named, _Named]:
        """The resources, none for any, and the paths of a group."""
        return self._of(outcome, rule, vote, whole=False)

    def _of(self, outcome: PathOutcome, rule: str, vote: ResourceVote | None, *, whole: bool) -> tuple[_Named, _Named]:
        source = (vote.consent, vote.version, vote.provision) if vote is not None else ("", "", "")
        return self._held.setdefault((whole, outcome, rule, *source), ({}, {}))

    def made(self) -> tuple[PathGroup, ...]:
        return tuple(
            PathGroup(
                outcome=outcome,
                rule=rule,
                consent=consent,
                version=version,
                provision=provision,
                resources=tuple(resources),
                paths=tuple(paths),
            )
            for (_, outcome, rule, consent, version, provision), (resources, paths) in self._held.items()
        )


def path_outcomes(composed: Json | None, decision: Decision, withheld: Sequence[Withheld]) -> tuple[PathGroup, ...]:
    """The outcome of every path of a composed letter, as decided and, where it leaves, as minimised."""
    groups = _Groups()
    nowhere = _NOWHERE.get(decision.outcome)
    if nowhere is not None:
        _nothing_leaves(groups, decision, nowhere)
        return groups.made()
    entries = [obj(entry, "resource") for entry in objects(composed or {}, "entry")[0]]
    _what_leaves(groups, entries, decision, withheld)
    return tuple(replace(group, places=_places(group, withheld)) for group in groups.made())


def _places(group: PathGroup, withheld: Iterable[Withheld]) -> tuple[str, ...]:
    """Where the paths of a group stood, as far as that is said."""
    paths = frozenset(group.paths)
    theirs = (item for item in withheld if item.rule == group.rule and item.path in paths)
    return tuple(f"{name} {item.path}" for item in theirs for name in item.within)


def _nothing_leaves(groups: _Groups, decision: Decision, nowhere: PathOutcome) -> None:
    whole = next((rule for rule in _ABOUT_THE_WHOLE if any(each.rule == rule for each in decision.reasons)), "")
    held = next((vote for vote in decision.votes if vote.vote is Vote.HOLD), None)
    if not decision.votes:
        groups.whole(nowhere, whole or decision.reasons[0].rule)
    for vote in decision.votes:
        if vote.vote is Vote.PERMIT:
            rule, outcome, source = (whole, nowhere, None) if whole or held is None else (held.rule, nowhere, held)
        else:
            rule, outcome, source = vote.rule, _VOTED[vote.vote], vote
        groups.whole(outcome, rule, source)[vote.resource] = None


def _what_leaves(groups: _Groups, entries: Iterable[Json], decision: Decision, withheld: Sequence[Withheld]) -> None:
    permitted = compile_paths(decision.permitted)
    votes = {vote.resource: vote for vote in decision.votes}
    whole = {item.path for item in withheld if "." not in item.path and item.rule != "duplicate"}
    for resource in entries:
        name, kind = label_of(resource), text(resource, "resourceType")
        vote, node = votes.get(name), permitted.child(kind)
        if vote is None or node is None or vote.vote is not Vote.PERMIT or name in whole:
            continue
        resources, paths = groups.paths(PathOutcome.LEAVES, vote.rule, vote)
        resources[name] = None
        paths.update(dict.fromkeys(f"{kind}.{step}" for step in _steps(resource, node)))
    for item in withheld:
        if item.path in whole:
            vote = votes.get(item.path)
            source = vote if vote is not None and vote.rule == item.rule else None
            groups.whole(PathOutcome.STAYS, item.rule, source)[item.path] = None
    for item in withheld:
        if item.path not in whole:
            outcome = PathOutcome.PART if item.rule in _BY_VALUE else PathOutcome.STAYS
            groups.paths(outcome, item.rule)[1][item.path] = None


def _steps(resource: Json, node: Node) -> Iterator[str]:
    """The elements of a resource that its agreement names."""
    for key in resource:
        if key == "extension":
            urls = (text(item, "url") for item in objects(resource, key)[0])
            yield from (f"extension({url})" for url in urls if node.extension(url) is not None)
        elif key not in _MADE_AGAIN and node.child(key) is not None:
            yield key


def voted_paths(resources: Iterable[Json], votes: Iterable[ResourceVote]) -> tuple[PathGroup, ...]:
    """Every path of resources that consents alone have decided: a Consent speaks of whole resources, so all of each go together."""
    groups = _Groups()
    for resource, vote in zip(resources, votes, strict=True):
        names, paths = groups.paths(_VOTED[vote.vote], vote.rule, vote)
        kind = text(resource, "resourceType")
        names[label_of(resource)] = None
        paths.update(dict.fromkeys(f"{kind}.{key}" for key in resource if key != "resourceType"))
    return groups.made()


def kept_back(groups: Iterable[PathGroup]) -> tuple[tuple[str, str], ...]:
    """(path or `Type/id`, rule) of what a letter that leaves leaves out, sorted."""
    found = {
        (path, group.rule)
        for group in groups
        if group.outcome in (PathOutcome.STAYS, PathOutcome.PART)
        for path in (*group.paths, *group.resources)
    }
    return tuple(sorted(found))


def outcome_of(groups: Sequence[PathGroup], resource: str, path: str) -> PathGroup | None:
    """The group that decided one path (`Patient.address.line`) of one resource (`Patient/1`); None for what a letter makes anew (ids)."""
    for group in groups:
        if not group.paths and (resource in group.resources or not group.resources):
            return group
    best: tuple[int, PathGroup] | None = None
    for group in groups:
        if group.resources and resource not in group.resources:
            continue
        for one in group.paths:
            if (path == one or path.startswith(f"{one}.")) and (best is None or len(one) >= best[0]):
                best = (len(one), group)
    return best[1] if best is not None else None
