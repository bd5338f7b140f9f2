"""Documents that a controller has to have, written from what is in force here: the record of processing activities (UK GDPR article 30), the
evidence for a data protection impact assessment (article 35(7)), and the sharing agreements in plain words.

They are made from agreements, settings, the register and counts, and from nothing else, so that they cannot say what the gateway does not do;
what only a person can say is left open and named as open. They MUST NOT hold anything about anybody who is cared for.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select

from consent.agreement_file import check_examples
from consent.document import Block, Heading, Paragraph, Table, markdown, page
from consent.ig_document import PURPOSES, REGIMES, UNDECIDABLE, WITHOUT_CONSENT, WORDS, ig_document
from consent.kinds import KINDS, HowMuch, how_much
from consent.shapes import Agreement
from gateway import activation
from gateway.activation import Standing
from gateway.parts import Parts
from gateway.store.schema import client, decision, delivery, ledger_head, lookup, message, opening, override
from gateway.store.schema import staff as accounts

OPEN: Final = "for a person to say"
_KEPT: Final[Mapping[str, str]] = {
    "body": "a message as it came",
    "answer": "what it was answered with",
    "resource": "the person's file, from the end of care",
    "consent": "what the person said, from the end of care",
    "decision": "what a decision was made from",
    "letter": "a letter as it left",
    "message": "that a message came and what became of it",
    "rejected": "that a message was refused at the door",
    "task": "what people were asked to do, with their reasons",
    "token": "a client's token after its end",
    "contribution": "what a report counted and did not print",
    "ledger": "the texts of agreements that ended, and sealed notes of the ledger",
}
"""What each category of retention is, in plain words (a test compares with the settings)."""
_DUTIES: Final = ("article_6", "article_9", "article_10", "schedule_1", "common_law")


def record_of_processing(parts: Parts) -> tuple[Block, ...]:
    """The record of article 30: an activity for each agreement in force, how long things are kept, how they are secured."""
    with parts.store.read() as c:
        standing, senders = activation.standing(c), _senders(c)
    agreements = _in_force(parts)
    return (
        Paragraph(
            text=f"Made by the gateway {parts.settings.gateway.installation} of {parts.settings.sender.name} "
            f"({parts.settings.sender.ods}) on {parts.now()[:10]}, from what is in force. Open: the contact of the data protection officer, "
            "joint controllers, and what is processed outside this gateway."
        ),
        Heading(level=2, text="Whose data, and from where"),
        Paragraph(
            text="People in custody, and after release, who are cared for by substance misuse services; next of kin, contacts and "
            "staff as far as messages about these people name them."
        ),
        Table(
            caption="Where data come from",
            columns=("system", "kinds of message", "establishments", "may register consents that widen"),
            rows=senders or (("none", "", "", ""),),
        ),
        Heading(level=2, text="Processing activities"),
        *(block for each in agreements for block in _activity(parts, standing, each)),
        Heading(level=2, text="Time limits"),
        Table(
            caption="How long each kind of thing is kept, from when a person or a receipt ended it",
            columns=("what", "days"),
            rows=tuple((text, str(parts.settings.retention.days(name))) for name, text in _KEPT.items()),
        ),
        *_measures(parts),
    )


def dpia_evidence(parts: Parts) -> tuple[Block, ...]:
    """What an assessment under article 35(7) needs to know of the gateway: what it does, why that is necessary, what was measured."""
    with parts.store.read() as c:
        standing, figures, head = activation.standing(c), tuple(_figures(c)), _head(c)
    agreements = _in_force(parts)
    return (
        Paragraph(
            text=f"Made on {parts.now()[:10]} by the gateway {parts.settings.gateway.installation}. It is evidence for an assessment and "
            "is none: the advice of the data protection officer, the views of the people concerned, and the decision are open."
        ),
        Heading(level=2, text="(a) What is processed, for what"),
        Table(
            caption="Flows in force",
            columns=("agreement", "flow", "what", "to", "purpose", "recipients"),
            rows=tuple(
                (each.name, each.flow, each.title, each.recipient_class, _purpose(each), _recipients(parts, each))
                for each in agreements
            ),
        ),
        Table(caption="What happened here, in numbers", columns=("what", "number"), rows=figures),
        Heading(level=2, text="(b) Why it is necessary and proportionate"),
        *(block for each in agreements for block in _necessity(each)),
        Heading(level=2, text="(c) What it risks"),
        Table(
            caption="Where a flow shares without asking, and what happens when it is not clear",
            columns=("agreement", "without a consent", "where a consent cannot be decided", "not certain yet"),
            rows=tuple(
                (
                    each.name,
                    WITHOUT_CONSENT.get(each.without_consent, each.without_consent),
                    UNDECIDABLE[each.undecidable],
                    each.text.get("unsure", "") or "nothing is named",
                )
                for each in agreements
            ),
        ),
        Paragraph(
            text="The threats and what remains of each stand in the threat model, the clinical hazards in the hazard log, both of this "
            "program; what reports about nobody tell of a person stands in the console, under disclosure risk."
        ),
        Heading(level=2, text="(d) What is done against it"),
        Table(
            caption="Every flow was signed by two people, and is to be reviewed",
            columns=("agreement", "signed by", "since", "review by", "last day", "its examples hold"),
            rows=tuple(_signed(standing, each) for each in agreements),
        ),
        *_measures(parts),
        Paragraph(text=head),
    )


def sharing_agreements(parts: Parts) -> tuple[Block, ...]:
    """The document that IG officers sign, of what is in force: `agreements render` makes that of the files."""
    with parts.store.read() as c:
        standing = activation.standing(c)
    agreements = _in_force(parts)
    return ig_document(agreements, {each.name: standing.of(each.name, each.digest) for each in agreements})


DOCUMENTS: Final[Mapping[str, tuple[str, Callable[[Parts], tuple[Block, ...]]]]] = {
    "article-30": ("Record of processing activities", record_of_processing),
    "dpia-evidence": ("Evidence for a data protection impact assessment", dpia_evidence),
    "sharing-agreements": ("Sharing agreements in force", sharing_agreements),
}
"""Name -> title and maker."""


def files(parts: Parts, name: str) -> dict[str, str]:
    """File name -> text of a document, as HTML and as Markdown."""
    title, make = DOCUMENTS[name]
    blocks = make(parts)
    return {f"{name}.html": page(title, blocks), f"{name}.md": markdown(title, blocks)}


def _in_force(parts: Parts) -> tuple[Agreement, ...]:
    return tuple(sorted(parts.agreements.values(), key=lambda each: each.name))


def _activity(parts: Parts, standing: Standing, each: Agreement) -> Iterator[Block]:
    yield Heading(level=3, text=f"{each.name}: {each.title}")
    kinds = ", ".join(kind for kind in KINDS if how_much(each, kind) is not HowMuch.NO)
    terms = [
        ("Flow", each.flow),
        ("Controller", each.text.get("controller", "")),
        ("Processor", each.text.get("processor", "")),
        ("Who answers for it", each.text.get("owner", "")),
        ("Purpose", f"{each.text.get('purpose', '')} ({_purpose(each)})"),
        ("Regime", REGIMES[each.regime]),
        *((WORDS[name], each.text.get(name, "")) for name in _DUTIES),
        ("Categories of data that leave", kinds or "none about anybody"),
        ("Categories of recipients", each.recipient_class),
        ("Recipients here", _recipients(parts, each)),
        ("Transfers outside the United Kingdom", f"{OPEN}: where each recipient keeps what it gets"),
        ("How long recipients keep it", each.text.get("retention", "")),
        ("State", standing.of(each.name, each.digest)),
        ("Digest", each.digest),
    ]
    yield Table(
        caption=f"{each.name}: the activity",
        columns=("what", "is"),
        rows=tuple((name, said) for name, said in terms if said),
    )


def _necessity(each: Agreement) -> Iterator[Block]:
    why: dict[str, list[str]] = {}
    for field in each.fields:
        why.setdefault(field.why, []).append(field.path)
    yield Heading(level=3, text=f"{each.name}: {each.title}")
    basis = [f"{WORDS[name]}: {each.text[name]}" for name in _DUTIES if each.text.get(name)]
    yield Paragraph(text=". ".join(basis) or REGIMES[each.regime])
    if why:
        yield Table(
            caption=f"{each.name}: what leaves, and why it is necessary",
            columns=("why", "fields"),
            rows=tuple((text, ", ".join(paths)) for text, paths in why.items()),
        )


def _purpose(each: Agreement) -> str:
    return ", ".join(PURPOSES.get(coding.code, coding.code) for coding in each.purpose)


def _recipients(parts: Parts, each: Agreement) -> str:
    found = [
        one.name or one.id
        for one in parts.recipients.values()
        if one.recipient_class == each.recipient_class and each.letter in one.letters
    ]
    return ", ".join(sorted(found)) or "none"


def _signed(standing: Standing, each: Agreement) -> tuple[str, ...]:
    now = standing.in_force.get(each.name)
    people = f"{now.proposed_by} and {now.approved_by}" if now is not None else "nobody"
    holds = all(one.passed for one in check_examples(each))
    since = (now.approved_at or "")[:10] if now is not None else ""
    return (each.name, people, since, each.text["review"], each.text["ends"], "yes" if holds else "no")


def _measures(parts: Parts) -> Iterator[Block]:
    settings = parts.settings
    tls, limits = settings.tls, settings.overrides
    factors = "a password and a code" if settings.console.oidc is None else "two factors at an identity provider"
    yield Heading(level=2, text="Technical and organisational measures")
    rows = (
        (
            "Kept data",
            "each thing under a key of its own, wrapped by its person's key; identifiers only as keyed indexes",
        ),
        (
            "On the wire",
            "TLS 1.2 or newer" if tls is not None else "doors on this machine only, or TLS before it: see the settings",
        ),
        ("Who calls", "certificates bound to bearers" if tls is not None and tls.http_mutual else "bearers that end"),
        ("What leaves", "only the paths of an agreement, decided when queued and again at the door"),
        ("What was done", "an append-only signed ledger; every view, search and export is an entry"),
        ("Who watches it", "a witness on another host" if settings.witness is not None else "no witness is configured"),
        ("Who may look", f"five roles, one for each person, with {factors}"),
        ("The console beyond this machine", "yes, over HTTPS" if settings.console.beyond_this_machine else "no"),
        ("Emergencies", f"overrides end after {limits.hours:g} hours, reviewed within {limits.review_hours:g}"),
        (
            "Being told",
            "a person is told at once" if settings.tell is not None else "no way to tell a person is configured",
        ),
        ("Rights", "subject access and erasure by two people; a withdrawal stops what has not left"),
    )
    yield Table(caption="Measures, as they are set here", columns=("what", "how"), rows=rows)


def _senders(c: Connection) -> tuple[tuple[str, ...], ...]:
    rows = c.execute(select(client).where(client.c.ended_at.is_(None)).order_by(client.c.name)).all()
    return tuple(
        (
            row.name,
            ", ".join(json.loads(row.kinds)) or "none: it only collects",
            ", ".join(json.loads(row.establishments)),
            "yes" if row.consent_authority else "no",
        )
        for row in rows
    )


def _figures(c: Connection) -> Iterator[tuple[str, str]]:
    for what, column in (
        ("messages", message.c.state),
        ("letters", delivery.c.state),
        ("decisions", decision.c.outcome),
    ):
        for value, number in sorted(_counted(c, column)):
            yield f"{what}: {value}", str(number)
    others: Sequence[tuple[str, Any]] = (
        ("overrides", override),
        ("questions about a person's disclosures", lookup),
        ("questions to see what a message or letter says", opening),
        ("accounts of staff", accounts),
    )
    for what, table in others:
        yield what, str(c.execute(select(func.count()).select_from(table)).scalar_one())


def _counted(c: Connection, column: Any) -> list[tuple[str, int]]:
    return [(str(value), int(number)) for value, number in c.execute(select(column, func.count()).group_by(column))]


def _head(c: Connection) -> str:
    row = c.execute(select(ledger_head).order_by(ledger_head.c.size.desc()).limit(1)).one_or_none()
    if row is None:
        return "The ledger has no signed head yet."
    return f"The ledger: {row.size} entries under the head that was signed {row.signed_at}, root {row.root.hex()}."
