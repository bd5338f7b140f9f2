"""Two people put an agreement in force, or end it; a file by itself does nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from consent.agreement_file import digest_of
from fhir_profiles.letters import LETTERS
from gateway import activation, wiring
from gateway.activation import ENDS, ActivationError
from gateway.ledger.entry import decode
from gateway.pipeline import Gateway
from gateway.settings import read_settings
from gateway.steps import deliver
from gateway.steps.agreement_dates import tell_dates
from gateway.store.retention import sweep_ended
from gateway.store.schema import agreement as signed
from gateway.store.schema import decision, ledger_entry, sealed, task
from tests.builders import adt_a01, adt_a03, rde_o11, synthetic_person
from tests.line import RECIPIENTS, MovableClock, make_installation, replayed, running, sign_agreements
from tests.world import check_world

ADA, BEN = "Ada Example", "Ben Example"
WHY = "read and agreed"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An installation whose agreements were signed."""
    return make_installation(tmp_path, dict.fromkeys(RECIPIENTS, 9))


@contextmanager
def opened(config: Path) -> Iterator[Gateway]:
    with wiring.open_parts(read_settings(config), clock=MovableClock()) as gateway:
        yield gateway


def edited(config: Path, name: str = "handover") -> str:
    """Somebody edits the file: what goes to the community provider says less. Its text."""
    file = config.parent / "agreements" / f"{name}.toml"
    file.write_text(file.read_text("utf-8").replace('"Patient.name", ', "", 1), "utf-8")
    return file.read_text("utf-8")


def entries(gateway: Gateway, chain: str) -> list[tuple[str, dict[str, object]]]:
    with gateway.store.read() as c:
        bodies = c.execute(
            select(ledger_entry.c.body).where(ledger_entry.c.chain == chain).order_by(ledger_entry.c.step)
        ).scalars()
        return [(said["event"], said["facts"]) for said in map(decode, bodies)]


def test_a_file_that_is_edited_or_deleted_changes_nothing(config: Path) -> None:
    with opened(config) as gateway:
        before = gateway.agreements
    edited(config)
    (config.parent / "agreements" / "correction.toml").unlink()
    with opened(config) as gateway:
        assert gateway.agreements == before
    settings = read_settings(config)
    places = {fault.place for fault in wiring.unsigned(settings, wiring.read_standing(settings))}
    assert places == {"agreements/handover.toml", "agreements/correction.toml"}
    (config.parent / "agreements" / "handover.toml").write_bytes(b"title = \xff")
    (config.parent / "agreements" / "correction.toml").mkdir()
    assert {fault.place for fault in wiring.unsigned(settings, wiring.read_standing(settings))} == places


def test_one_person_changes_nothing_two_do(config: Path) -> None:
    text = edited(config)
    with opened(config) as gateway:
        before = gateway.agreements["handover"].digest
        (proposed,) = activation.propose(gateway, {"handover": text}, by=f"  {ADA} ", reason=WHY)
        assert (proposed.proposed_by, proposed.approved_by) == (ADA, None)
        assert not activation.take_up(gateway)
        assert gateway.agreements["handover"].digest == before
        for alone in (ADA, "ada  example", ADA.upper(), "ada-example", "Example, Ada", f"{ADA}\u200b"):
            with pytest.raises(ActivationError, match="another person has to approve"):
                activation.approve(gateway, {"handover": text}, by=alone, reason=WHY)
        (made,) = activation.approve(gateway, {"handover": text}, by=BEN, reason=WHY)
        assert activation.take_up(gateway)
        assert gateway.agreements["handover"].digest == made.digest != before
        assert not activation.take_up(gateway), "once"
        (first, facts), (second, more) = entries(gateway, made.id)
        assert (first, second) == ("agreement-proposed", "agreement-activated")
        assert facts["digest"] == more["digest"] == made.digest
        with gateway.store.read() as c:
            (old,) = c.execute(select(signed.c.id).where(signed.c.digest == before)).scalars()
            kept_until = c.execute(
                select(sealed.c.ends_at).join(signed, signed.c.sealed_id == sealed.c.id).where(signed.c.id == old)
            ).scalar_one()
            assert kept_until is not None
            assert activation.text_of(c, gateway.keys, "handover", before) is not None
        assert [event for event, _ in entries(gateway, old)][-1] == "agreement-ended"
        assert not [
            name for name in (ADA, BEN, WHY) if any(name in str(facts) for _, facts in entries(gateway, made.id))
        ]
    with opened(config) as gateway:
        assert gateway.agreements["handover"].digest == made.digest, "the next start too"


def test_what_is_approved_is_what_was_proposed(config: Path) -> None:
    with opened(config) as gateway:
        with pytest.raises(ActivationError, match="nothing is proposed of handover"):
            activation.approve(gateway, {"handover": "x"}, by=BEN, reason=WHY)
        activation.propose(gateway, {"handover": edited(config)}, by=ADA, reason=WHY)
        other = edited(config)
        with pytest.raises(ActivationError, match="another text than Ada Example proposed"):
            activation.approve(gateway, {"handover": other + "# one word more\n"}, by=BEN, reason=WHY)
        # A newer proposal takes the place of an older one, which nobody can approve any more.
        activation.propose(gateway, {"handover": other + "# one word more\n"}, by=BEN, reason=WHY)
        with pytest.raises(ActivationError, match="another person"):
            activation.approve(gateway, {"handover": other + "# one word more\n"}, by=BEN, reason=WHY)
        activation.approve(gateway, {"handover": other + "# one word more\n"}, by=ADA, reason=WHY)
        with pytest.raises(ActivationError, match="in force already"):
            activation.propose(gateway, {"handover": other + "# one word more\n"}, by=ADA, reason=WHY)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title = ", 'draft = "not yet"\ntitle = ', "draft: a draft cannot be in force"),
        ('letter = "handover"', 'letter = "sonnet"', "letter: no such letter"),
        ('"release", "release-unclear"', '"moon"', "events: no such event: moon"),
        ("ends = 2035-12-31", "ends = 2026-01-14", "words.ends: the agreement has ended already"),
        ('regime = "uk-gdpr"', 'regime = "none"', "regime: must be one of"),
        ('"Flag.period", "Flag.subject"', '"Flag.period"', "fields: what leaves would be no FHIR without Flag.subject"),
        ('"Condition.verificationStatus", ', "", "would say something else without Condition.verificationStatus: list"),
    ],
)
def test_what_cannot_be_in_force_is_not_signed(config: Path, old: str, new: str, said: str) -> None:
    text = (config.parent / "agreements" / "handover.toml").read_text("utf-8")
    assert old in text
    good = edited(config, "correction")
    with opened(config) as gateway:
        texts = {"correction": good, "handover": text.replace(old, new)}
        with pytest.raises(ActivationError, match=said):
            activation.propose(gateway, texts, by=ADA, reason=WHY)
        with gateway.store.read() as c:
            assert not activation.standing(c).proposed, "all of them or none"


@pytest.mark.parametrize(
    ("by", "reason", "said"), [("", WHY, "who signs"), ("A ", WHY, "who signs"), (ADA, " ", "a reason")]
)
def test_who_and_why_are_said(config: Path, by: str, reason: str, said: str) -> None:
    with opened(config) as gateway, pytest.raises(ActivationError, match=said):
        activation.propose(gateway, {"handover": edited(config)}, by=by, reason=reason)


def test_a_flow_that_can_hold_is_not_signed_where_nobody_can_be_told(config: Path) -> None:
    with opened(config) as gateway:
        gateway.settings = gateway.settings.model_copy(update={"tell": None})
        with pytest.raises(ActivationError, match="how a person is told"):
            activation.propose(gateway, {"handover": edited(config)}, by=ADA, reason=WHY)


def test_an_agreement_ends_by_two_people(config: Path) -> None:
    with opened(config) as gateway:
        with pytest.raises(ActivationError, match="is not in force: there is nothing to end"):
            activation.propose(gateway, {"transfer": None}, by=ADA, reason=WHY)
        (proposed,) = activation.propose(gateway, {"handover": None}, by=ADA, reason=WHY)
        assert proposed.digest == ENDS
        with gateway.store.read() as c:
            assert "proposed by Ada Example" in activation.standing(c).of("handover", None)
        activation.approve(gateway, {"handover": None}, by=BEN, reason=WHY)
        assert activation.take_up(gateway)
        assert "handover" not in gateway.agreements
        assert [event for event, _ in entries(gateway, proposed.id)] == ["agreement-proposed", "agreement-ended"]


def test_a_text_that_was_changed_in_the_database_is_no_agreement(config: Path) -> None:
    """Sabotage: whoever can write to the database cannot write an agreement."""
    with opened(config) as gateway:
        own = select(signed.c.sealed_id).where(signed.c.name == "handover").scalar_subquery()
        gateway.store.write(
            lambda c: c.execute(
                update(sealed).where(sealed.c.id == own).values(ciphertext=b"something else, longer than a tag")
            )
        )
    with opened(config) as gateway:
        assert gateway.unread == {"handover"}
        assert "handover" not in gateway.agreements


def test_an_agreement_whose_letter_is_gone_is_not_in_force_and_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade that dropped a letter: nothing goes on as if nothing were missing, and the rest goes on."""
    left = {name: letter for name, letter in LETTERS.items() if name != "handover"}
    monkeypatch.setattr(activation, "LETTERS", left)
    with opened(config) as gateway:
        assert gateway.unread == {"handover"}
        assert set(gateway.agreements) == {"correction", "prescription-copy", "report"}
        assert (tell_dates(gateway), tell_dates(gateway)) == (1, 0)


def test_what_waited_for_its_second_person_is_looked_at_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fitted when it was proposed; since then the day on which it ends has come, or the program has dropped its letter."""
    text = edited(config)
    with opened(config) as gateway:
        activation.propose(gateway, {"handover": text}, by=ADA, reason=WHY)
        left = {name: letter for name, letter in LETTERS.items() if name != "handover"}
        with monkeypatch.context() as patched:
            patched.setattr(activation, "LETTERS", left)
            with pytest.raises(ActivationError, match="no such letter"):
                activation.approve(gateway, {"handover": text}, by=BEN, reason=WHY)
        assert isinstance(gateway.clock, MovableClock)
        gateway.clock.advance(days=365 * 20)
        with pytest.raises(ActivationError, match="has ended already"):
            activation.approve(gateway, {"handover": text}, by=BEN, reason=WHY)
        assert not activation.take_up(gateway)


def test_what_a_running_program_cannot_read_withdraws_that_alone_and_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer program beside it signed a text for a letter that this one has not: nothing leaves under it, nor under what it replaced."""
    with opened(config) as gateway:
        before = dict(gateway.agreements)
        text = edited(config)
        activation.propose(gateway, {"handover": text, "report": None}, by=ADA, reason=WHY)
        activation.approve(gateway, {"handover": text, "report": None}, by=BEN, reason=WHY)
        assert tell_dates(gateway) == 0, "not yet taken up here, and so not tried"
        left = {name: letter for name, letter in LETTERS.items() if name != "handover"}
        with monkeypatch.context() as patched:
            patched.setattr(activation, "LETTERS", left)
            assert activation.take_up(gateway)
        assert set(before) - set(gateway.agreements) == {"handover", "report"}
        assert all(gateway.agreements[name] == before[name] for name in gateway.agreements)
        assert not activation.take_up(gateway), "once"
        assert (tell_dates(gateway), tell_dates(gateway)) == (1, 0)
        with gateway.store.read() as c:
            (told,) = c.execute(select(task).where(task.c.code == "agreement-not-read"))
        assert (told.agreement, told.role, told.tell) == (f"handover:{digest_of(text)}", "ig-officer", True)
        other = f"{text}\n# as this program reads it\n"
        activation.propose(gateway, {"handover": other}, by=ADA, reason=WHY)
        activation.approve(gateway, {"handover": other}, by=BEN, reason=WHY)
        assert activation.take_up(gateway)
        assert gateway.agreements["handover"].digest == digest_of(other)
        with gateway.store.read() as c:
            assert c.execute(select(task.c.ended_at).where(task.c.id == told.id)).scalar_one() is not None


async def test_a_text_that_cannot_be_read_at_a_start_keeps_nothing_else_from_running(tmp_path: Path) -> None:
    """INVARIANT: a start and a running line treat it alike: nothing leaves under it, the rest goes on, and people are told of it and of each release."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11())
        line.neighbours["northfell"].up = False
        other = synthetic_person(2)
        await line.play(adt_a01(other, message_id="IN-2"), adt_a03(other, message_id="OUT-2"))
        line.neighbours["northfell"].up = True
        sealed_id = select(signed.c.sealed_id).where(signed.c.name == "handover").scalar_subquery()
        broken = update(sealed).where(sealed.c.id == sealed_id).values(ciphertext=b"changed by somebody")
        line.gateway.store.write(lambda c: c.execute(broken))
        await line.restart()
        assert line.gateway.unread == {"handover"}
        assert "handover" not in line.gateway.agreements
        line.clock.advance(hours=1)
        await line.play(adt_a03(), rde_o11(message_id="RX-2"))
        assert [row.state for row in line.deliveries(letter="handover")] == ["recalled"]
        assert len(line.deliveries(letter="prescription-copy")) == 2
        assert line.neighbours["northfell"].effects == []
        codes = line.told_codes()
        for code in ("agreement-not-read", "handover-not-made", "withheld-by-rule"):
            assert codes.count(code) == 1, code
        # As soon as two people sign a text that can be read, the message says again what it asks for.
        text = edited(line.config)
        for sign, person in ((activation.propose, ADA), (activation.approve, BEN)):
            sign(line.gateway, {"handover": text}, by=person, reason=WHY)
        assert activation.take_up(line.gateway)
        assert line.gateway.unread == frozenset()
        (told,) = line.tasks(code="handover-not-made")
        replayed(line.gateway, [told.message_id], reason="it can be read now", by=ADA)
        await line.gateway.sweep()
        await line.settle()
        assert [row.state for row in line.deliveries(letter="handover")] == ["recalled", "delivered"]


async def test_the_door_asks_the_store_which_agreement_stands(tmp_path: Path) -> None:
    """Two people end an agreement in another process: no intent is committed under it from then on, whatever this process still thinks."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11())
        line.neighbours["northfell"].up = False
        await line.play(adt_a03())
        (waiting,) = line.deliveries(letter="handover", recipient="northfell")
        before = len(line.neighbours["northfell"].got)
        activation.propose(line.gateway, {"handover": None}, by=ADA, reason=WHY)
        activation.approve(line.gateway, {"handover": None}, by=BEN, reason=WHY)
        assert "handover" in line.gateway.agreements, "nothing was taken up here"
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        assert deliver.open_at_door(line.gateway, waiting.id) is deliver.Shut.MOVED
        await line.gateway.on_deliver(waiting.id)
        assert "handover" not in line.gateway.agreements
        await line.settle()
        assert len(line.neighbours["northfell"].got) == before


async def test_a_running_gateway_takes_up_what_was_signed(tmp_path: Path) -> None:
    """What waits is decided again under the new text; every decision names the digest that it was made under."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a01(), rde_o11(), adt_a03())
        before = line.gateway.agreements["handover"].digest
        edited(line.config)
        await line.gateway.sweep()
        assert line.gateway.agreements["handover"].digest == before
        sign_agreements(line.config)
        assert activation.take_up(line.gateway)
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        last = line.deliveries(letter="handover")[-1]
        now = line.gateway.agreements["handover"].digest
        assert now != before
        assert (last.state, last.agreement_digest) == ("delivered", now)
        digests = [row.agreement_digest for row in _decisions(line.gateway)]
        assert digests == [before, now]
        check_world(line)


def _decisions(gateway: Gateway) -> list[Any]:
    with gateway.store.read() as c:
        return list(c.execute(select(decision).where(decision.c.letter == "handover").order_by(decision.c.decided_at)))


def test_retention_takes_the_text_of_what_ended_and_never_of_what_is_in_force(config: Path) -> None:
    text = edited(config)
    with opened(config) as gateway:
        activation.propose(gateway, {"handover": text}, by=ADA, reason=WHY)
        activation.approve(gateway, {"handover": text}, by=BEN, reason=WHY)
        with gateway.store.read() as c:
            in_force = set(activation.standing(c).in_force)
        gateway.store.write(lambda c: c.execute(update(sealed).values(ends_at=gateway.now())))
        assert gateway.store.write(lambda c: sweep_ended(c, gateway.now())) > 0
        with gateway.store.read() as c:
            left = c.execute(select(signed.c.name, signed.c.ended_at)).all()
        assert sorted(row.name for row in left) == sorted(in_force)
        assert not any(row.ended_at for row in left)
        activation.in_force(gateway.store, gateway.keys)  # every text opens
