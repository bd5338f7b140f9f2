"""A recipient is down for a day: what is meant for it fills the database up to the declared limit, and not the memory.

Beyond the limit HTTP answers 503 with Retry-After, and MLLP refuses so that the sender sends again. When the recipient is back, everything
arrives, each person's in order, and what was refused is taken when it is sent again.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import care_plan, fhir_message, synthetic_person
from tests.faults.account import SOAKING, Account, number
from tests.faults.crash import (
    SEND_AGAIN,
    Child,
    Forge,
    Recorder,
    Site,
    ask,
    exchange_fhir,
    exchange_hl7,
    judge_store,
    make_template,
    open_letters,
    permitted,
    send_fhir,
    send_hl7,
    step,
)
from tests.line import CLINICAL

LIMIT = number(480, 20_000)
PEOPLE, HOURS = number(24, 480), 24
"""Who has some twenty to forty prescriptions each: what longer files cost is measured by `throughgate bench` (`ten-times-the-file`)."""
GROWTH_BYTES = 24 * 2**20
"""How much a gateway may grow while the second half of the limit is filled: a letter kept in memory would show in `make soak`, and what leaks
with each retry in `make test`."""
RESIDENT_BYTES = 300 * 2**20
OPEN_OF_PHARMACY = (
    "SELECT count(*) FROM delivery WHERE recipient = 'pharmacy' AND state IN ('queued', 'sending', 'ambiguous')"
)


def plan_of(person: int, message_id: str) -> bytes:
    """Names the pharmacy."""
    plan = care_plan(start="2026-01-02", description="plan")
    return fhir_message(synthetic_person(person), resources=[plan], message_id=message_id)


def resident(child: Child) -> int:
    """What it has in memory, in bytes."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{child.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def prescriptions() -> list[tuple[int, int]]:
    """Person and number of each, people in turn; more than there is room for."""
    return [(at % PEOPLE, at // PEOPLE + 1) for at in range(LIMIT + 2 * HOURS)]


@pytest.mark.slow(seconds=80)
@pytest.mark.timeout(0 if SOAKING else 600)
def test_a_recipient_is_down_for_a_day(tmp_path: Path, account: Callable[..., Account]) -> None:
    recorder, forge = Recorder(tmp_path, steady=True), Forge()
    bearer = make_template(tmp_path / "template", recorder.port)
    site = Site(tmp_path / "template", tmp_path / "site", recorder)
    site.config.write_text(f"{site.config.read_text()}\n[limits]\nunfinished_deliveries = {LIMIT}\n")
    child = Child(forge, site.config, die_at={}, ahead_seconds=0)
    plans = [plan_of(person, f"F-{person}") for person in range(PEOPLE)]
    assert all(send_fhir(child, each, bearer) for each in plans)
    child.tell("settle")
    bodies = [step(synthetic_person(person), at, of=str(person)) for person, at in prescriptions()]
    down = site.folder / "down"
    down.touch()
    try:
        taken, sizes = fill(child, bodies)
        refused = bodies[taken]
        answer = exchange_hl7(child, refused)
        assert b"MSA|AR|" in answer
        assert SEND_AGAIN in answer, "it must be sent again, not given up"
        assert b"|overloaded^" in answer, answer
        bearer = child.tell(f"bearer {CLINICAL}")  # the first has lasted its day
        head, _, _ = exchange_fhir(child, plan_of(0, "F-new"), bearer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert re.search(rb"(?i)\r\nretry-after: *[1-9]\d*", head)
        ((waiting,),) = ask(site, OPEN_OF_PHARMACY)
        assert LIMIT <= waiting <= LIMIT + 2 * len(bodies) // HOURS, "beyond the limit"
        assert max(sizes) < RESIDENT_BYTES
        assert sizes[-1] - sizes[len(sizes) // 2] < GROWTH_BYTES, sizes
        down.unlink()
        drain(child, site)
        for body in bodies[taken:]:
            assert send_hl7(child, body), "there is room again"
        drain(child, site)
        child.stop()
        judged(site, [*plans, *bodies], account, refused=len(bodies) - taken, grown=sizes[-1] - sizes[0])
    finally:
        child.kill()
        forge.close()
        recorder.close()


def fill(child: Child, bodies: list[bytes]) -> tuple[int, list[int]]:
    """An hour's share, an hour's time, a sweep; until one is refused. How many were taken, and the memory after each hour."""
    sizes: list[int] = []
    for at, body in enumerate(bodies):
        if not send_hl7(child, body):
            return at, [*sizes, resident(child)]
        if at % (len(bodies) // HOURS) == 0:
            child.tell("advance 3600")
            child.tell("sweep")
            sizes.append(resident(child))
    raise AssertionError("nothing was refused")


def drain(child: Child, site: Site) -> None:
    """The recipient is back."""
    for _ in range(60):
        child.tell("advance 60")
        if child.tell("settle") == "done" and not open_letters(site):
            return
    raise AssertionError("it did not drain")


def judged(site: Site, bodies: list[bytes], account: Callable[..., Account], *, refused: int, grown: int) -> None:
    """Every rule; every prescription once, each person's in order."""
    found = site.taken()
    permitted(site, found)
    judge_store(site, bodies)
    copies: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for each in found:
        if each.recipient == "security":  # a month's report is about nobody, and comes when its month is over
            continue
        copies[each.person].setdefault(each.key, each.steps)
    arrived = {person: [text for texts in letters.values() for text in texts] for person, letters in copies.items()}
    wanted: dict[str, list[str]] = defaultdict(list)
    for person, at in prescriptions():
        wanted[synthetic_person(person).nhs_number].append(f"step {at}")
    for whose, texts in arrived.items():
        assert list(dict.fromkeys(texts)) == [each for each in wanted[whose] if each in texts], "out of order"
    account(
        name="recipient-down-a-day",
        attempted=len(bodies),
        acked=len(bodies),
        recovered=refused,
        duplicated=sum(len(texts) - len(set(texts)) for texts in arrived.values()),
        lost=sum(each not in arrived[person] for person, texts in wanted.items() for each in texts),
        note=f"limit {LIMIT} letters; the process grew by {grown / 2**20:.0f} MB; recovered: refused and taken later",
    )
