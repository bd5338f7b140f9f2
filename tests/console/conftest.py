"""One site for a file of tests: a gateway with a story is dear."""

from collections.abc import Iterator

import pytest

from tests.console.site import Site, open_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("console")) as found:
        yield found
