"""Every flow on both modes: one process on a file, and PostgreSQL with RabbitMQ. The line is the same; so is `check_world`."""

from collections.abc import Iterator

import pytest

from tests import line
from tests.engines import MODES


@pytest.fixture(params=MODES, autouse=True)
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engines that `running` makes its installation on."""
    line.Mode.engines_of = staticmethod(line.production if request.param == "production" else line.embedded)
    yield request.param
    line.Mode.engines_of = staticmethod(line.embedded)
