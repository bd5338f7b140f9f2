"""Workloads of pure code on one core: a decision about one resource, and a result's meaning, each beside a JSON parse of the same.

Times are processor time of this thread: what a core that does nothing else would take.
"""

import json
import time
from collections.abc import Callable
from itertools import count

from consent.shapes import RegisteredConsent
from fhir_profiles import fhir_json
from fhir_profiles.shapes import Channel, LetterContext
from fhir_profiles.translate import translate
from gateway import shipped, wiring
from gateway.bench.load import Measured
from gateway.bench.messages import Population, twenty_results
from gateway.bench.stage import Stage, Workload
from gateway.demo.fhir_messages import consent
from gateway.steps.release import Question, decide_letter

AS_OF = "2026-03-10T12:00:00.000000Z"
CHANNEL = Channel(name="bench", format="hl7v2")
LETTER = "prescription-copy"


async def decide(stage: Stage) -> list[Workload]:
    """A release decision about one clinical resource (and whom it is about), from its bytes to the answer, by a consent on record."""
    stage.say("decide")
    agreement = wiring.read_agreements(shipped.agreements())[LETTER]
    made = translate(CHANNEL, Population().prescription().body).bundle
    wanted = [entry for entry in made["entry"] if entry["resource"]["resourceType"] in ("Patient", "MedicationRequest")]
    body = fhir_json.encode({"resourceType": "Bundle", "type": "collection", "entry": wanted})

    by_number = {"identifier": wanted[0]["resource"]["identifier"][0]}
    permit = {**consent(resource_id="bench", at=AS_OF, decision="permit"), "patient": by_number}
    consents = (RegisteredConsent(consent=permit, authority=True, registered=AS_OF),)

    def once() -> None:
        question = Question(
            agreement=agreement,
            recipient=None,
            context=LetterContext(establishment="ZFG", establishment_name="HMP Fellgate (example)"),
            resources=(),
            consents=consents,
            at=AS_OF,
        )
        rules = {reason.rule for reason in decide_letter(question, fhir_json.decode(body)).reasons}
        if rules != {"consent-permit"}:
            raise AssertionError("the consent of the bench must decide")

    return [_beside("decide", once, body, stage)]


async def give_meaning(stage: Stage) -> list[Workload]:
    """A result with 20 observations from HL7 v2 to labelled FHIR; every message has other order numbers, so that little is remembered."""
    stage.say("translate-result")
    numbers = count(1)
    made = translate(CHANNEL, twenty_results(0))
    if made.hold is not None:
        raise AssertionError("the bench's own message must be understood")
    return [
        _beside(
            "translate-result",
            lambda: translate(CHANNEL, twenty_results(next(numbers))),
            fhir_json.encode(made.bundle),
            stage,
        )
    ]


def _beside(name: str, once: Callable[[], object], body: bytes, stage: Stage) -> Workload:
    """`once` in turns with a parse of `body`: speeds of the middle round."""
    text = body.decode()
    ours: list[Measured] = []
    floor: list[Measured] = []
    _measured(once, 0.2)
    for _ in range(max(stage.plan.rounds, 3)):
        ours.append(_measured(once, stage.plan.round_seconds / 4))
        floor.append(_measured(lambda: json.loads(text), stage.plan.round_seconds / 4))
    mine, parse = (sorted(each, key=lambda one: one.per_second)[len(each) // 2] for each in (ours, floor))
    return Workload(
        name=name,
        per_second=mine.per_second,
        p50_ms=mine.percentile_ms(50),
        p99_ms=mine.percentile_ms(99),
        floor={"json_parse_per_second": parse.per_second, "json_parse_p50_ms": parse.percentile_ms(50)},
        ratio_to_floor=mine.per_second / parse.per_second,
    )


def _measured(once: Callable[[], object], seconds: float) -> Measured:
    took: list[float] = []
    started = time.thread_time()
    while (begun := time.thread_time()) - started < seconds:
        once()
        took.append(time.thread_time() - begun)
    return Measured(seconds=tuple(took), started=started, ended=time.thread_time(), sent=len(took))
