"""What `check` refuses of agreements that do not fit together."""

import pytest

from fhir_profiles.letters import WIRES
from gateway import shipped, wiring
from gateway.recipients import read_recipients
from gateway.routes import faults


def said(*without: str) -> list[str]:
    """What is wrong with the shipped agreements when some of them are not active."""
    agreements = {
        name: each
        for name, each in wiring.read_agreements(shipped.agreements()).items()
        if name in shipped.in_use() and name not in without
    }
    recipients = read_recipients(shipped.recipients(), WIRES)
    return [f"{fault.place}: {fault.text}" for fault in faults(wiring.shipped_settings(), recipients, agreements)]


@pytest.mark.parametrize(
    ("letter", "correction", "reader"),
    [
        ("handover", "correction", "community-provider"),
        ("gp-copy", "gp-correction", "gp"),
        ("transfer", "transfer-correction", "receiving-prison"),
    ],
)
def test_whoever_hears_of_a_release_can_hear_that_it_was_none(letter: str, correction: str, reader: str) -> None:
    """A handover, or its copy, without an agreement that takes it back would leave its reader with a release that was none."""
    fault = f"agreements/{letter}.toml: no active agreement for `release-cancelled` corrects it: class `{reader}`"
    assert not [each for each in said() if "corrects it" in each]
    assert [each for each in said(correction) if each.startswith(fault)]
