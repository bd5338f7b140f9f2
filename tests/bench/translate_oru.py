"""CPU milliseconds that it takes to give a result with 20 OBX its meaning, beside a floor of the same run: `json.loads` of what comes out.

    .venv/bin/python -m tests.bench.translate_oru [rounds]

Every message has other order numbers, so that nothing of one is remembered for the next but tables. Prints one JSON line: name, cpu_ms,
floor_ms, ratio_to_floor; each the best of its rounds, which is what a machine that does other things as well can still say.
"""

import json
import sys
import time
from collections.abc import Callable

from fhir_profiles import fhir_json
from fhir_profiles.shapes import Channel
from fhir_profiles.translate import translate

CHANNEL = Channel(name="bench", format="hl7v2")
IN_A_ROUND = 30
HEADER = (
    "MSH|^~\\&|LAB|LEI|T|H|20260310120000||ORU^R01^ORU_R01|M{0}|P|2.5.1\r"
    "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI||Example^Sam||19850713|M\r"
    "PV1|1|I|B2-014^^^LEI||||||||||||||||V-700^^^NOMIS\rORC|RE|P{0}|F{0}\r"
    "OBR|1|P{0}|F{0}|1234^Urine drug screen^L|||20260310090000|||||||||||||||20260310110000||LAB|F||||||therapeutic\r"
)
DRUG_TEST = "OBX|{0}|CE|19295-5^Opiates^LN|{0}|POS^Positive^L|||A|||F|||20260310090000\r"
CHEMISTRY = "OBX|{0}|NM|2345-7^Glucose^LN|{0}|5.{0}|mmol/L|3.0-6.0|N|||F|||20260310090000\r"


def body(number: int) -> bytes:
    """One message: twenty results, half of them drug tests."""
    results = ((DRUG_TEST if place % 2 else CHEMISTRY).format(place) for place in range(1, 21))
    return (HEADER.format(number) + "".join(results)).encode()


def best_ms(work: Callable[[int], object], rounds: int) -> float:
    """CPU milliseconds of one call in the best round."""
    best = float("inf")
    for round_ in range(rounds):
        began = time.process_time()
        for place in range(IN_A_ROUND):
            work(round_ * IN_A_ROUND + place)
        best = min(best, (time.process_time() - began) / IN_A_ROUND * 1_000)
    return best


def main(rounds: int) -> None:
    bodies = [body(number) for number in range((rounds + 1) * IN_A_ROUND)]
    made = translate(CHANNEL, bodies[-1])
    assert made.hold is None
    text = fhir_json.encode(made.bundle).decode()
    cpu_ms = best_ms(lambda number: translate(CHANNEL, bodies[number]), rounds)
    floor_ms = best_ms(lambda _: json.loads(text), rounds)
    line = {"name": "translate-oru-20", "cpu_ms": round(cpu_ms, 3), "floor_ms": round(floor_ms, 4)}
    sys.stdout.write(json.dumps(line | {"ratio_to_floor": round(cpu_ms / floor_ms, 1)}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
