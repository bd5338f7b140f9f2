"""The plain shapes of a decision. Closed sets are enums; nothing optional widens what is shared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from consent.paths import Node, compile_paths

Json = dict[str, Any]


class Outcome(StrEnum):
    """What was decided for one recipient (the closed vocabulary of DESIGN section 6)."""

    RELEASE = "release"
    REDUCE = "reduce"
    COUNTED = "counted"
    WITHHOLD = "withhold"
    HOLD = "hold"


WithoutConsent = Literal["implied", "nothing", "duty", "harm-test"]
"""What holds where no consent is on record (consent/agreements/README.md): a duty, and a harm test, ask none at all."""


class Vote(StrEnum):
    """What was decided for one resource."""

    PERMIT = "permit"
    DENY = "deny"
    HOLD = "hold"


@dataclass(frozen=True, kw_only=True)
class Coding:
    system: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Party:
    """Who would receive: resolved identifiers, the class of DESIGN section 6, and roles."""

    identifiers: tuple[tuple[str, str], ...]
    recipient_class: str
    roles: tuple[str, ...] = ()


class OverrideKind(StrEnum):
    """Why somebody lets go what consents do not."""

    VITAL_INTEREST = "vital-interest"
    """To someone who gives care, because a life or health is at stake: one clinician's act."""
    HARM_TEST = "harm-test"
    """To anyone else, because serious harm is likely otherwise (specification A 5.12): two people's act."""


@dataclass(frozen=True, kw_only=True)
class Override:
    """A person's act in an emergency. It is never a consent, and holds before `until`, an instant (ISO 8601 with offset)."""

    kind: OverrideKind
    until: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question: may this recipient have this letter, for this purpose, now? `as_of` is an instant (ISO 8601 with offset), never a clock."""

    recipient: Party
    purpose: tuple[Coding, ...]
    action: Coding
    letter: str
    as_of: str
    person_released: bool = False
    """True when a person with the right looked at a hold and released it, with a reason; it resolves unknowns, it never overrides a dissent."""
    recipient_named: bool = False
    """True when that person named this very recipient: nothing less lets a letter about a record that is flagged sensitive go."""
    override: Override | None = None
    """What a person has taken on in an emergency for this recipient; None is the rule."""


@dataclass(frozen=True, kw_only=True)
class RegisteredConsent:
    """A FHIR Consent version as registered. `authority` says that its source may widen for this establishment; from others it may only narrow."""

    consent: Json
    authority: bool
    registered: str
    withdrawn_by_person: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a decision may look at. `resources` carry labels in meta.security; one without a label counts as carrying every label."""

    resources: tuple[Json, ...]
    consents: tuple[RegisteredConsent, ...]
    directory: tuple[Json, ...] = ()
    places: tuple[Json, ...] = ()
    """What the person's file, and the sender, know of places beside the letter: of a person flagged sensitive no text holds their words."""
    subsumes: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    """(`system|general`, `system|specific`) -> does the first subsume the second; a missing pair is unknown."""
    by_agreement: frozenset[str] = frozenset()
    """Codes of `prohibitions.SYSTEM` whose law lets care be told where the person has agreed; any other code is told to nobody."""


@dataclass(frozen=True, kw_only=True)
class PermittedPath:
    """One path that may leave, and why it is necessary (Caldicott principle 3)."""

    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example or counter-example that ships inside an agreement and runs as a test (see consent/agreements/README.md)."""

    name: str
    expect: Outcome
    consents: tuple[Json, ...] = ()
    resources: tuple[Json, ...] = ()
    recipient_identifiers: tuple[tuple[str, str], ...] = ()
    as_of: str = "2026-01-15T12:00:00+00:00"
    harm_test: bool = False
    """True: two people of different roles have let it go, and their time is not over."""
    notice: bool = True
    """False: this person was given no privacy notice."""
    authority: bool = True
    """False: the consents of this example come from a source that may only narrow."""
    leaves: tuple[str, ...] = ()
    """Elements, as `Type.element`, that must be permitted where the letter leaves."""
    stays: tuple[str, ...] = ()
    """Elements that must never be permitted."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One sharing agreement, read from one TOML file. No sharing key has a default."""

    name: str
    title: str
    flow: str
    """Which flow of the service it is for (`F6`)."""
    draft: str
    """Why it cannot be in force; empty where it can be."""
    letter: str
    recipient_class: str
    events: tuple[str, ...]
    regime: Literal["uk-gdpr", "dpa-part-3", "anonymous"]
    purpose: tuple[Coding, ...]
    action: Coding
    without_consent: WithoutConsent
    undecidable: Literal["hold", "withhold"]
    withheld_marker: bool
    identifier_systems: tuple[str, ...]
    """Identifier.system values that may leave on Patient (the NHS number for care recipients; none for anybody else)."""
    fields: tuple[PermittedPath, ...]
    examples: tuple[Example, ...]
    digest: str
    text: Mapping[str, str] = field(default_factory=dict)
    """The words an IG officer signs: controller, processor, article_6, article_9, schedule_1, common_law, caveats, retention, owner, review, ends ..."""

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The paths of `fields`, in their order."""
        return tuple(item.path for item in self.fields)

    @cached_property
    def tree(self) -> Node:
        """The same as a tree, compiled once."""
        return compile_paths(self.paths)


@dataclass(frozen=True, kw_only=True)
class Reason:
    rule: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ResourceVote:
    """The decision for one resource: which rule, and where a consent decided, its id, version and provision path (`provision.provision[1]`)."""

    resource: str
    vote: Vote
    rule: str
    consent: str = ""
    version: str = ""
    provision: str = ""


@dataclass(frozen=True, kw_only=True)
class Unplaced:
    """How a letter says nowhere where a person is, whose record is flagged sensitive: `own` are the resources (`Type/id`), identifiers
    (`system|value`) and names of the recipient itself, which stay; `words` for places stand in no text.
    """

    own: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Said:
    """Which consent, in which version, said something, and where in it (`provision.provision[1]`)."""

    consent: str
    version: str
    provision: str


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A resource (`Type/id`) on which two consents of different origin disagree: the denial stood."""

    resource: str
    permits: Said
    denies: Said


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A value that can be kept: the same inputs give the same decision, byte for byte."""

    outcome: Outcome
    recipient_class: str
    agreement: str
    agreement_digest: str
    letter: str
    as_of: str
    reasons: tuple[Reason, ...]
    votes: tuple[ResourceVote, ...]
    permitted: tuple[str, ...]
    """Paths that may leave; empty unless the outcome is release or reduce."""
    identifier_systems: tuple[str, ...]
    withheld_marker: bool
    unplaced: Unplaced | None
    """None where the person's record is not flagged sensitive."""
    conflicts: tuple[Conflict, ...]
    """One for each resource and pair of consents that disagree, in the order of the resources."""


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Frozen keys for what leaves: ids are HMAC(id_key, source id) as UUIDs; pseudonyms need their own key and their recipient or nothing leaves."""

    id_key: bytes
    pseudonym_key: bytes | None = None
    recipient: str = ""
    """The id of who receives: two recipients of one class cannot put their pseudonyms beside each other."""


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """One path, or one whole resource, and the rule that kept it back. `within`: for a text that the last look cut, the resources of the
    letter (`Type/id`, as it leaves) in which it stood; what was withheld is the same wherever that was.
    """

    path: str
    rule: str
    within: tuple[str, ...] = field(default=(), compare=False)
