"""The dates of an agreement: a review is told and stops nothing; an end stops the flow, and no letter of care in silence."""

from dataclasses import replace
from pathlib import Path

from gateway import activation, desk
from gateway.steps.agreement_dates import CODES, due_of, tell_dates
from tests.builders import adt_a01, adt_a03, oru_r01, rde_o11
from tests.line import Line, running
from tests.world import check_world

TODAY = "2026-01-15T12:00:00.000000Z"


def dated(line: Line, name: str, **dates: str) -> None:
    """The agreement in force has these dates."""
    found = line.gateway.agreements[name]
    line.gateway.agreements = {**line.gateway.agreements, name: replace(found, text={**found.text, **dates})}


async def test_a_review_is_told_three_times_and_the_flow_runs_on(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        dated(line, "handover", review="2026-04-20")  # 95 days from the clock of tests
        told: list[tuple[int, set[str]]] = []
        day = 0
        for to in (0, 4, 5, 6, 64, 65, 94, 95, 200, 400):
            line.clock.advance(hours=24 * (to - day))
            day = to
            await line.gateway.sweep()
            await line.gateway.sweep()
            told.append((to, {code for code in line.told_codes() if code.startswith("agreement-")}))
            line.told.clear()
        review = CODES["review"]
        said = {day: codes for day, codes in told if codes}
        assert said == {5: {review[0]}, 65: {review[1]}, 95: {review[2]}}
        assert [each.code for each in line.tasks(agreement="handover:2026-04-20")] == list(review), "each once"
        mine = [item for item in desk.tasks(line.gateway) if item.code.startswith("agreement-review")]
        assert {(item.agreement, item.role) for item in mine} == {("handover:2026-04-20", "ig-officer")}
        await line.play(adt_a01(), rde_o11(), adt_a03())
        (letter,) = line.deliveries(letter="handover")
        assert letter.state == "delivered"
        desk.end_task(line.gateway, mine[-1].id, reason="the review is agreed for May", by="ig")
        assert tell_dates(line.gateway) == 0, "what a person has seen to is not told again"
        check_world(line)


async def test_an_agreement_that_was_signed_late_is_told_once_of_where_it_stands(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        dated(line, "handover", review="2026-01-20")
        await line.gateway.sweep()
        assert [each.code for each in line.tasks(agreement="handover:2026-01-20")] == [CODES["review"][1]]


async def test_at_its_end_a_letter_of_care_is_held_and_told_and_a_report_stops(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        dated(line, "handover", ends="2026-01-14")
        await line.play(adt_a01(), rde_o11(), adt_a03())
        (letter,) = line.deliveries(letter="handover")
        assert (letter.state, letter.reason) == ("held", "agreement-ended")
        assert {"agreement-ended", "agreement-ends-now"} <= set(line.told_codes())
        assert len(line.tasks(code="agreement-ended", delivery_id=letter.id)) == 1, "the clinical lead, of this letter"
        assert len(line.tasks(code="agreement-ends-now")) == 1, "the IG officer, of the agreement"
        (item,) = [each for each in desk.held(line.gateway) if each.id == letter.id]
        assert (item.harm, "hand over by hand today" in item.todo) == (0, True)
        # By a person's word it goes.
        assert desk.release_held(line.gateway, letter.id, reason="the service agreed by telephone", by="lead")
        await line.settle()
        assert line.deliveries(letter="handover")[-1].state == "delivered"
        check_world(line)


async def test_two_people_renew_it_and_what_waited_goes(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        dated(line, "handover", ends="2026-01-14")
        await line.play(adt_a01(), rde_o11(), adt_a03())
        assert line.deliveries(letter="handover")[-1].state == "held"
        file = tmp_path / "agreements" / "handover.toml"
        texts = {"handover": file.read_text("utf-8") + "# renewed\n"}
        activation.propose(line.gateway, texts, by="Ada Example", reason="renewed")
        activation.approve(line.gateway, texts, by="Ben Example", reason="renewed")
        assert activation.take_up(line.gateway)
        await line.settle()
        assert line.deliveries(letter="handover")[-1].state == "delivered"
        left = [item.code for item in desk.tasks(line.gateway) if item.agreement.startswith("handover:")]
        assert left == [], "its old dates are nobody's work any more"


async def test_what_is_no_care_stops_at_its_end(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        dated(line, "report", ends="2026-01-14")
        await line.play(adt_a01(), oru_r01())
        assert not line.deliveries(letter="report", state="delivered")
        assert "agreement-ended" not in line.told_codes()
        assert "agreement-ends-now" in line.told_codes()


async def test_the_days_are_days_in_england(tmp_path: Path) -> None:
    """In summer the review day begins an hour earlier by UTC; the last day in force is a whole day."""
    async with running(tmp_path) as line:
        one = line.gateway.agreements["handover"]

    def codes(now: str, **dates: str) -> list[str]:
        agreed = {"x": replace(one, text={"review": "2099-12-31", "ends": "2099-12-31", **dates})}
        return [code for _, code in due_of(agreed, now)]

    assert codes("2026-07-30T22:59:59.000000Z", review="2026-07-31") == [CODES["review"][1]]
    assert codes("2026-07-30T23:00:00.000000Z", review="2026-07-31") == [CODES["review"][2]]
    assert codes("2026-07-31T22:59:59.000000Z", ends="2026-07-31") == [CODES["ends"][1]]
    assert codes("2026-07-31T23:00:00.000000Z", ends="2026-07-31") == [CODES["ends"][2]]
    assert codes(TODAY) == []
