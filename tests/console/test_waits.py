"""A letter that has not left says what it waits for, or from when on it goes: on its page and in what the command prints."""

import re

from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.steps.standing import InFront
from tests.console.site import Site
from tests.flow.test_delivery import supply

EVE = 40


def test_the_second_of_two_waits_for_the_first_that_was_refused_for_a_moment(site: Site) -> None:
    line = site.line
    line.neighbours["pharmacy"].up = False
    site.run(line.play(supply(1, EVE), supply(2, EVE)))
    first, second = (row for row in line.deliveries(recipient="pharmacy") if row.state == "queued")
    assert line.waits_for(second.id) is InFront.LETTER

    def page(some_id: str) -> str:
        text = site.as_("ines", "GET", f"/console/letters/{some_id}").text
        (found,) = re.findall(r">Waits for</dt><dd[^>]*>([^<]*)<", text)
        return str(found)

    assert (page(first.id), page(second.id)) == ("-", "earlier letter")

    def printed(message_id: str) -> str:
        config = ("--config", str(line.config))
        done = CliRunner().invoke(app, ["journey", message_id, "--reason", "a question", "--by", "Ada", *config])
        assert done.exit_code == 0, done.output
        return done.output

    assert f"    goes from {first.due_at}\n" in printed(first.message_id)
    assert "waits for" not in printed(first.message_id)
    assert "    waits for earlier-letter\n" in printed(second.message_id)
