"""Moments at which a decision can change by the clock alone: each side of each edge."""

from typing import Any

import pytest

from consent.agreement_file import read_agreement
from consent.edges import passed
from gateway import shipped
from tests.consent.made import registered

AGREEMENT = read_agreement((shipped.agreements() / "handover.toml").read_text("utf-8"), "handover")
SAID = {"resourceType": "Consent", "status": "active", "dateTime": "2026-01-02T09:00:00Z"}


def within(period: dict[str, Any]) -> dict[str, Any]:
    """A consent with a period deep inside."""
    return {**SAID, "provision": {"type": "deny", "provision": [{"type": "permit", "period": period}]}}


@pytest.mark.parametrize(
    ("consent", "since", "until", "answer"),
    [
        (SAID, "2026-01-15T12:00:00Z", "2026-01-20T12:00:00Z", False),
        (SAID, "2026-01-02T08:59:59Z", "2026-01-02T09:00:00Z", True),
        (SAID, "2026-01-02T09:00:00Z", "2026-01-02T09:00:01Z", False),
        (within({"start": "2026-01-17"}), "2026-01-15T12:00:00Z", "2026-01-16T23:59:59Z", False),
        (within({"start": "2026-01-17"}), "2026-01-15T12:00:00Z", "2026-01-17T00:00:00Z", True),
        (within({"end": "2026-01-17"}), "2026-01-15T12:00:00Z", "2026-01-17T23:59:59Z", False),
        (within({"end": "2026-01-17"}), "2026-01-15T12:00:00Z", "2026-01-18T00:00:00Z", True),
        (within({"end": "2026-06-17"}), "2026-06-15T12:00:00Z", "2026-06-17T23:00:00Z", True),
        (
            {**SAID, "provision": {"dataPeriod": {"end": "2026-01-17"}}},
            "2026-01-15T12:00:00Z",
            "2026-01-20T12:00:00Z",
            False,
        ),
        (within({"end": "2026-01-17"}), "2026-01-18T00:00:00Z", "2026-01-17T23:59:59Z", True),
        (within({"start": "2026-01-17"}), "2026-01-17T00:00:00Z", "2026-01-16T23:59:59Z", True),
        (within({"start": "2026-01-17"}), "2026-01-20T12:00:00Z", "2026-01-18T12:00:00Z", False),
        (SAID, "2035-12-31T12:00:00Z", "2036-01-01T00:00:00Z", True),
        (SAID, "not an instant", "2026-01-20T12:00:00Z", True),
    ],
)
def test_each_side_of_each_edge(consent: dict[str, Any], since: str, until: str, answer: bool) -> None:
    assert passed(registered(consent), AGREEMENT, since, until) is answer
