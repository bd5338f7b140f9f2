"""The line on one screen. Read this first.

    accept ──> [message] ──> on_release ──> [delivery] ──> on_deliver ──> the recipient
                                 └── counted ──> on_close ──┘   (or its mailbox)

Each step is a module of `gateway/steps/`; this one says what comes after what and never what a message means or who may know. The bus
carries ids; whatever it loses, `sweep` publishes again, because the store says what is unfinished. A handler does nothing twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from adapters.contract import AdapterError, Answer, Arrival, Letter, Outbound, Outcome, Outgoing, Receipt, Transient
from consent.shapes import Agreement
from gateway import audit_feed, desk, openings, overrides, unfinished, witnessing
from gateway.activation import take_up
from gateway.bus.protocol import Topic
from gateway.clients import Client
from gateway.custody_first import CustodyFirst
from gateway.failpoints import around, pass_point
from gateway.lasting import Lasting
from gateway.log import Code, log
from gateway.parts import Parts
from gateway.smart.grant import sweep_credentials
from gateway.states import MessageState
from gateway.steps import answering, close, deliver
from gateway.steps.agreement_dates import tell_dates
from gateway.steps.deliver import Ended, Opened, Result, Sent, Shut
from gateway.steps.identify import identify
from gateway.steps.letters import Done, Fate, release_messages
from gateway.steps.link import newest_merge, run_held_again
from gateway.steps.noticed import notice, notice_withdrawals
from gateway.steps.receive import Received, receive
from gateway.steps.reconsider import reconsider
from gateway.steps.refused import enter_refusals
from gateway.steps.replies import judged
from gateway.steps.retain import retain
from gateway.steps.unconfirmed import escalate_unconfirmed
from gateway.steps.unengaged import tell_unengaged
from gateway.store.away import is_away
from gateway.store.row_retention import RowSweep
from gateway.together import Together
from gateway.witnessing import WitnessRefused

IDLE_SECONDS = 0.002
ENGAGEMENT_SECONDS = 3_600
HANDING_ON = 1_000
"""Ids on their way to a bus that is slow to confirm. Those beyond wait in the store for the sweep."""
TOGETHER = 16
"""Messages or letters of one turn: enough that they share a commit, few enough that the first need not wait long for the last."""


@dataclass(kw_only=True)
class Gateway(Parts):
    """The line of one installation. `wiring.build` makes it; `start` opens it; every part of `Parts` is its own."""

    waiting_messages: dict[str, str] = field(default_factory=dict)
    """Messages that failed and wait for another attempt, with the instant; only this process's memory of it."""
    working: int = 0
    _custody_first: CustodyFirst = field(default_factory=CustodyFirst)
    _merge_seen: str | None = None
    """The newest merge after which held messages were looked at; only this process's memory of it."""
    _engagement_due: str = ""
    """When it is looked again at who came nowhere after a release: a question of days reads many letters; only this process's memory of it."""
    _releasing: Together[str, Done] = field(init=False)
    _opening: Together[str, Opened | Shut] = field(init=False)
    _closing: Together[Ended, tuple[str, ...]] = field(init=False)
    _lasting: Lasting = field(init=False)
    _sweeping: asyncio.Lock = field(default_factory=asyncio.Lock)
    _background: list[asyncio.Task[None]] = field(default_factory=list)
    _handing_on: set[asyncio.Task[None]] = field(default_factory=set)
    """What was taken and is on its way to the bus."""
    _row_sweep: RowSweep = field(default_factory=RowSweep)

    def __post_init__(self) -> None:
        """Those who come to a step at once take it together (gateway/together.py)."""
        self._releasing = Together(self._release_all, TOGETHER)
        self._lasting = Lasting(self.settings.delivery.concurrency, partial(self._publish, "deliveries"))
        self._opening = Together(self._open_all, TOGETHER)
        self._closing = Together(lambda ended: asyncio.to_thread(deliver.write_receipts, self, ended), TOGETHER)

    async def accept(self, arrival: Arrival) -> Answer:
        """RECEIVE: custody. The answer may leave when this returns: everything it says is on disk."""
        return (await self.receive(arrival)).answer

    async def receive(self, arrival: Arrival) -> Received:
        """RECEIVE, and what became of it. Never raises on data."""
        with self._custody_first.arrival():
            received = await receive(self, arrival)
        if received.accepted and not received.duplicate and received.message_id is not None:
            self._hand_on(received.message_id)
        pass_point("acknowledge.before")
        return received

    def _hand_on(self, message_id: str) -> None:
        """The acknowledgement waits for the disk and for no broker: an id that is not handed on is brought by the sweep."""
        if len(self._handing_on) < HANDING_ON:
            publishing = asyncio.create_task(self._publish("messages", message_id))
            self._handing_on.add(publishing)
            publishing.add_done_callback(self._handing_on.discard)

    async def on_release(self, message_id: str) -> None:
        """RELEASE: whose it is, its letters, then the next message of the same person."""
        with _at_work(self):
            following: str | None = message_id
            while following is not None:
                following = await self._release(following)

    async def on_deliver(self, delivery_id: str) -> None:
        """DELIVER: the door, the send with no transaction open, the receipt, then whoever waited behind it."""
        with _at_work(self):
            opened = await self._opening(delivery_id)
            if opened is Shut.MOVED:
                await self._reconsider_of(delivery_id)
            if isinstance(opened, Opened):
                await self._lasting.send(opened.letter.recipient, delivery_id, self._deliver(opened))
            else:
                behind = await asyncio.to_thread(unfinished.behind, self, delivery_id)
                await self._publish_all("deliveries", behind)

    async def _deliver(self, opened: Opened) -> None:
        """The send and its receipt, then whoever waited behind it."""
        with _at_work(self):
            letter = opened.letter
            sent = await self._send(letter)
            behind = await self._closing(Ended(delivery_id=letter.delivery_id, number=opened.number, sent=sent))
            await self._publish_all("deliveries", behind)

    async def _open_all(self, delivery_ids: Sequence[str]) -> Sequence[Opened | Shut | Exception]:
        """One turn at the door. Letters to a recipient that does not answer are turned away: they keep no other waiting."""
        full = self._lasting.full()
        turned = await asyncio.to_thread(unfinished.to_any_of, self, delivery_ids, full) if full else {}
        for delivery_id, recipient in turned.items():
            self._lasting.turn_away(recipient, delivery_id)
        going = [each for each in delivery_ids if each not in turned]
        opened = dict(zip(going, await asyncio.to_thread(deliver.open_at_doors, self, going), strict=True))
        return [opened.get(each, Shut.NOT_NOW) for each in delivery_ids]

    async def on_answer(self, answer_id: str) -> None:
        """What a sender asked to be told later: intent, send, outcome. No letter waits for it, and it shares no connection with one."""
        with _at_work(self):
            made = await asyncio.to_thread(answering.open_answer, self, answer_id)
            if made is not None:
                sent = await self._attempt(self.answering[made.answer.recipient], made.answer, _answered)
                await asyncio.to_thread(answering.write_outcome, self, answer_id, made.number, sent)

    async def on_close(self) -> None:
        """CLOSE: every calendar report that is due."""
        for due in await asyncio.to_thread(lambda: list(close.due_periods(self))):
            await self._apart(self._close(*due))

    async def _close(self, agreement: Agreement, establishment: str, period: str) -> None:
        report = await asyncio.to_thread(close.close_period, self, agreement, establishment, period)
        if report is not None:
            log(Code.REPORT_CLOSED, delivery=report.delivery_id, report=report.report, period=period)
            await self._publish("deliveries", report.delivery_id)

    async def sweep(self) -> None:
        """Whatever the store says is unfinished and can go on now is published again; clocks are looked at; people are told.

        One at a time in a process: two that begin together find the same untold task, and a person would be told it twice.
        """
        async with self._sweeping:
            await self._sweep()

    async def _sweep(self) -> None:
        await asyncio.to_thread(deliver.time_out_sending, self)
        await asyncio.to_thread(deliver.expire_uncollected, self)
        await self._apart(asyncio.to_thread(answering.time_out_answers, self))
        await self.on_close()
        await self._apart(asyncio.to_thread(notice_withdrawals, self))
        work = await self._unfinished()
        for person_id in work.stale_people:
            await self._apart(self._reconsider(person_id))
        await self._apart(self._run_held_again())
        messages = [each for each in work.messages if self._may_try(each) and not self.bus.lately("messages", each)]
        await self._publish_all("messages", messages)
        await self._publish_all(
            "deliveries", [each for each in work.deliveries if not self.bus.lately("deliveries", each)]
        )
        await self._publish_all("answers", [each for each in work.answers if not self.bus.lately("answers", each)])
        # INVARIANT: whoever has to be told is told, whatever became of the rest.
        await self._apart(asyncio.to_thread(escalate_unconfirmed, self))
        if self.now() >= self._engagement_due:
            self._engagement_due = self.after(seconds=ENGAGEMENT_SECONDS)
            await self._apart(asyncio.to_thread(tell_unengaged, self))
        await self._apart(asyncio.to_thread(tell_dates, self))
        await self._apart(asyncio.to_thread(overrides.look_after, self))
        await self._apart(asyncio.to_thread(openings.tell_of_yesterday, self))
        await desk.tell(self)

    # ── what the steps above are made of ──

    async def _unfinished(self) -> unfinished.Work:
        return await asyncio.to_thread(unfinished.read, self, self._lasting.full())

    async def _apart(self, part: Awaitable[object]) -> None:
        """One part of a sweep, or of a turn: what always fails there is said and holds up nobody else. A store that is away ends the whole."""
        try:
            await part
        except Exception as error:
            if is_away(error):
                raise
            log(Code.SWEEP_FAILED, error=type(error).__name__)

    async def _release_all(self, message_ids: Sequence[str]) -> Sequence[Done | Exception]:
        """One turn: whose they are, in the order of acceptance; then their letters."""
        async with self._custody_first.turn():
            await self._identify(message_ids)
            return await asyncio.to_thread(release_messages, self, message_ids)

    async def _identify(self, wanted: Sequence[str]) -> None:
        more = True
        while more:
            skip = frozenset(each for each in self.waiting_messages if not self._may_try(each))
            found = await asyncio.to_thread(identify, self, wanted, skip)
            for message_id, error in found.failed:
                await self._failed(message_id, error)
            for message_id in found.held:
                self.waiting_messages.pop(message_id, None)
                self.translations.forget(message_id)
                log(Code.MESSAGE_HELD, message=message_id)
            for message_id in found.merges:
                await self._merged(message_id)
            more = found.more

    async def _merged(self, message_id: str) -> None:
        """Two records became one: open letters of either are decided again, and what was held for want of this goes on."""
        person_id = await asyncio.to_thread(unfinished.person_of_message, self, message_id)
        # INVARIANT: the merge is committed: whatever follows from it and cannot be done now is brought by the sweep, and costs nobody of the turn an attempt.
        if person_id is not None:
            await self._apart(self._reconsider(person_id))
        await self._apart(self._run_held_again())

    async def _run_held_again(self) -> None:
        """What was held for want of a merge goes on, once after each: also where the process that merged died before it came to this."""
        newest = await asyncio.to_thread(newest_merge, self)
        if newest == self._merge_seen:
            return
        pass_point("held-again.before")
        for released in await asyncio.to_thread(run_held_again, self):
            for delivery_id in await asyncio.to_thread(unfinished.of_message, self, released):
                await self._publish("deliveries", delivery_id)
        self._merge_seen = newest

    async def _release(self, message_id: str) -> str | None:
        """One message; the next one of the same person that waits for it."""
        if not self._may_try(message_id):
            return None
        try:
            done = await self._releasing(message_id)
        except Exception as error:
            if is_away(error):
                raise  # no fault of this message: the sweep brings it when the store is back
            # A poisoned message is parked and never holds up another person.
            return await self._failed(message_id, error)
        if done.person_id is None:
            return None  # nobody's yet: held, or it failed at the question whose it is and waits its time
        self.waiting_messages.pop(message_id, None)
        self.translations.forget(message_id)
        if done.fate in (Fate.WAITS, Fate.NOTHING):
            return None
        if done.stale:
            await self._reconsider(done.person_id)
        await self._publish_all("deliveries", done.queued)
        return done.following

    async def _failed(self, message_id: str, error: Exception) -> str | None:
        """Count the attempt; the person's next message when this one was parked."""
        log(Code.RELEASE_FAILED, message=message_id, error=type(error).__name__)
        failed = await asyncio.to_thread(unfinished.count_failure, self, message_id)
        if failed.again_at is not None:
            self.waiting_messages[message_id] = failed.again_at
            return None
        self.waiting_messages.pop(message_id, None)
        if failed.parked:
            log(Code.MESSAGE_PARKED, message=message_id)
        return failed.next_message

    def _may_try(self, message_id: str) -> bool:
        return self.waiting_messages.get(message_id, "") <= self.now()

    async def _reconsider_of(self, delivery_id: str) -> None:
        # The door asks the store which agreements stand; what is decided now has to know it too.
        await asyncio.to_thread(take_up, self)
        person_id = await asyncio.to_thread(unfinished.person_of, self, delivery_id)
        if person_id is not None:
            await self._reconsider(person_id)
        else:
            await asyncio.to_thread(close.remake, self, delivery_id)

    async def _reconsider(self, person_id: str) -> None:
        await asyncio.to_thread(reconsider, self, person_id)
        await asyncio.to_thread(notice, self, person_id)
        for delivery_id in await asyncio.to_thread(unfinished.of_person, self, person_id):
            await self._publish("deliveries", delivery_id)

    async def _send(self, letter: Letter) -> Sent:
        return await self._attempt(self.outbounds[letter.recipient], letter, partial(judged, letter.delivery_id))

    async def _attempt(self, outbound: Outbound, letter: Outgoing, judge: Callable[[Receipt], Sent]) -> Sent:
        """One attempt. Whatever is not certain is ambiguous; `judge` says what a receipt that is certain comes to."""
        pass_point("send.before")
        try:
            async with asyncio.timeout(self.settings.delivery.send_timeout_seconds):
                receipt = await outbound.send(letter)
        except Transient as error:
            sent = Sent(result=Result.TRANSIENT, code=error.code, retry_after_seconds=error.retry_after_seconds)
        except AdapterError as error:
            sent = Sent(result=Result.REFUSED, code=error.code)
        except TimeoutError:
            sent = Sent(result=Result.AMBIGUOUS, code="timeout")
        except Exception as error:  # noqa: BLE001  INVARIANT: an outcome that is not known is ambiguous, never assumed
            log(Code.UNEXPECTED, delivery=letter.delivery_id, error=type(error).__name__)
            sent = Sent(result=Result.AMBIGUOUS, code="unexpected")
        else:
            unclear = Sent(result=Result.AMBIGUOUS, code=receipt.code)
            sent = judge(receipt) if receipt.outcome is Outcome.DELIVERED else unclear
        pass_point("send.after")
        return sent

    async def _publish_all(self, topic: Topic, ids: Sequence[str]) -> None:
        """All of them under way at once, so that a broker confirms them in one round."""
        await asyncio.gather(*(self._publish(topic, each) for each in ids))

    async def _publish(self, topic: Topic, some_id: str) -> None:
        try:
            pass_point("publish.before")
            await self.bus.publish(topic, some_id)
            pass_point("publish.after")
        except Exception as error:  # noqa: BLE001  whatever the bus raises, what is committed stays, and the sweep brings it again
            log(Code.BUS_NOT_TAKEN, topic=topic, id=some_id, error=type(error).__name__)

    # ── the mailbox: GET of one letter is the door ──

    async def mailbox_list(self, client: Client) -> Sequence[unfinished.MailboxItem]:
        """What the client's recipient may collect, in the order of release."""
        return await asyncio.to_thread(unfinished.mailbox, self, client.recipient)

    async def mailbox_open(self, client: Client, delivery_id: str) -> Letter | None:
        """A new attempt each time, checked again; None for recalled, expired, unknown and another's alike."""
        if not await asyncio.to_thread(unfinished.is_in_mailbox, self, client.recipient, delivery_id):
            return None
        letter = await asyncio.to_thread(deliver.open_at_door, self, delivery_id, collected=True)
        if letter is Shut.MOVED:
            await self._reconsider_of(delivery_id)
            letter = await asyncio.to_thread(deliver.open_at_door, self, delivery_id, collected=True)
        return letter if isinstance(letter, Letter) else None

    async def mailbox_acknowledge(self, client: Client, delivery_id: str) -> bool:
        """The recipient has it."""
        if client.recipient is None:
            return False
        return await asyncio.to_thread(deliver.acknowledge_collected, self, delivery_id, client.recipient)

    async def signed_head(self) -> str:
        """What a receipt carries: the ledger's last signed head."""
        return await asyncio.to_thread(self.ledger.latest)

    async def audit_page(self, after: int, count: int) -> audit_feed.Page:
        """A page of the feed of AuditEvents for who may read it, entered as taken."""
        return await asyncio.to_thread(audit_feed.take_page, self, after=after, count=count)

    # ── opening, closing, waiting ──

    async def start(self) -> None:
        """Take up what the last process left, then keep sweeping and sequencing.

        Raises LedgerFault, before anything is taken or sent, for a store that does not continue the signed head.
        """
        # INVARIANT: a store that was turned back sends nothing and takes nothing: what it would send may have left, been recalled, or
        # been forbidden since. A person begins a new epoch (gateway/restored.py).
        await asyncio.to_thread(self.ledger.require_continued)
        self.bus.subscribe("messages", self.on_release, self.settings.delivery.concurrency)
        self.bus.subscribe("deliveries", self.on_deliver, self.settings.delivery.concurrency)
        self.bus.subscribe("answers", self.on_answer, self.settings.delivery.concurrency)
        await self.bus.start()
        keepers = (self._keep_sweeping(), self._keep_sequencing(), self._keep_witnessed())
        self._background = [asyncio.create_task(each) for each in keepers]

    async def stop(self) -> None:
        """Let what is in flight finish; sign the ledger's head; let go of everything."""
        await self._end_background()
        await asyncio.gather(*self._handing_on)
        await self.bus.stop()
        await self._lasting.end()
        await asyncio.to_thread(enter_refusals, self)
        await asyncio.to_thread(self._sign)
        await self._let_go()

    async def abandon(self) -> None:
        """Let go of everything as it is, as a process that dies would: nothing is signed, nothing is finished."""
        await self._end_background()
        for publishing in self._handing_on:
            publishing.cancel()
        await asyncio.gather(*self._handing_on, return_exceptions=True)
        await self.bus.stop()
        await self._lasting.end(cancelled=True)
        await self._let_go()

    async def _end_background(self) -> None:
        for background in self._background:
            background.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _let_go(self) -> None:
        for outbound in (*self.outbounds.values(), *self.answering.values()):
            await outbound.close()
        self.store.close()

    async def settle(self, timeout_seconds: float = 30) -> None:
        """Sweep until nothing that is unfinished could go on now. TimeoutError when that does not end."""
        async with asyncio.timeout(timeout_seconds):
            await self.sweep()
            while True:
                await self._idle()
                work = await self._unfinished()
                if not work.runnable(self._may_try) and not await asyncio.to_thread(unfinished.is_due, self):
                    break
                await self.sweep()
        await asyncio.to_thread(self._sign)

    async def _idle(self) -> None:
        while self.working or self._handing_on or self.bus.pending():  # noqa: ASYNC110  others move them: nothing to wait on
            await asyncio.sleep(IDLE_SECONDS)

    async def settle_message(self, message_id: str, timeout_seconds: float) -> MessageState:
        """The state of a message once it is no longer `received`, or after that time."""
        ends = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            state = await asyncio.to_thread(unfinished.state_of, self, message_id)
            if state is not MessageState.RECEIVED or asyncio.get_running_loop().time() >= ends:
                return state
            await asyncio.sleep(0.005)

    async def ready(self) -> bool:
        """Can messages be taken now?"""
        try:
            await self.store.write_async(lambda _: None)
        except Exception as error:  # noqa: BLE001  whatever it is, messages cannot be taken
            log(Code.STORE_FAILED, error=type(error).__name__)
            return False
        return True

    async def _keep_sweeping(self) -> None:
        while True:
            try:
                await asyncio.to_thread(enter_refusals, self)
                await asyncio.to_thread(take_up, self)
                if await asyncio.to_thread(self.store.lead, "sweep"):
                    await self.sweep()
                    await asyncio.to_thread(retain, self, self._row_sweep)
                    with around("credentials"):
                        # nobody on a wire waits for it: it stands in front of no acknowledgement
                        await asyncio.to_thread(self.store.write, lambda c: sweep_credentials(c, self.now()))
            except Exception as error:  # noqa: BLE001  the sweep is what brings everything else back: it never ends
                log(Code.SWEEP_FAILED, error=type(error).__name__)
            await asyncio.sleep(self.settings.delivery.sweep_seconds)

    async def _keep_sequencing(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._sign)
            except Exception as error:  # noqa: BLE001  told by the log; `ledger verify` says what it is
                # A store that is away is no sign of tampering, and must not be reported as one.
                log(Code.STORE_FAILED if is_away(error) else Code.LEDGER_FAULT, error=type(error).__name__)
            await asyncio.sleep(1)

    async def _keep_witnessed(self) -> None:
        """INVARIANT: apart from everything else: no message and no letter waits for a witness."""
        while self.settings.witness is not None:
            await asyncio.sleep(self.settings.witness.every_seconds)
            try:
                if await asyncio.to_thread(self.store.lead, "ledger"):
                    await witnessing.ask(self.settings, self.ledger)
            except WitnessRefused:
                log(Code.WITNESS_REFUSED)
            except Exception as error:  # noqa: BLE001  told by the log and by the age of its last word; it is asked again
                log(Code.WITNESS_AWAY, error=type(error).__name__)

    def _sign(self) -> None:
        """INVARIANT: one process gives positions and signs; another takes over when it has gone."""
        if self.store.lead("ledger"):
            self.ledger.advance()


def _answered(receipt: Receipt) -> Sent:
    """An answer has no reply but that it was taken."""
    return Sent(result=Result.DELIVERED, code=receipt.code)


class _at_work:  # noqa: N801  reads as what it says: `with _at_work(gateway):`
    """Counts handlers in flight, so that `settle` knows when nothing runs."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __enter__(self) -> None:
        self._gateway.working += 1

    def __exit__(self, *_: object) -> None:
        self._gateway.working -= 1
