"""The corpus of JSON texts over HTTP, each as the whole body and as a value inside a message: what is no JSON is refused, what is JSON is kept.

Kept means custody and the same bytes in the store, except where one name stands twice in an object: two readers could understand that differently.
"""

import pytest

from tests.builders import fhir_message
from tests.fhir_profiles.json.test_decode import REFUSED_ON_PURPOSE
from tests.gateway.api.conftest import Http
from tests.gateway.api.test_naughty import stored
from tests.samples import samples_folder

FHIR_JSON = {"Content-Type": "application/fhir+json"}


def inside(value: bytes, message_id: str) -> bytes:
    """A message that has this text as a value."""
    body = fhir_message(message_id=message_id)
    assert body.startswith(b"{")
    return b'{"corpus":' + value + b"," + body[1:]


@pytest.mark.slow(seconds=40)
@pytest.mark.samples
async def test_every_text_of_the_corpus(http: Http) -> None:
    files = sorted((samples_folder() / "strict-json").glob("*.json"))
    assert len(files) > 300
    headers = {**FHIR_JSON, **http.bearer("zfg-ehr")}
    taken: set[str] = set()
    wrong: list[tuple[str, int]] = []
    for number, file in enumerate(files):
        value = file.read_bytes()
        status, _, _ = await http.ask("POST", "/fhir/$process-message?async=true", data=value, headers=headers)
        assert 400 <= status < 500, f"{file.name}: no message, and answered {status}"
        body = inside(value, f"C-{number}")
        status, _, _ = await http.ask("POST", "/fhir/$process-message?async=true", data=body, headers=headers)
        assert status == 202 or 400 <= status < 500, f"{file.name} {status}"
        if status == 202:
            assert stored(http) == body, file.name
            taken.add(file.name)
        kept = {"n": False, "y": file.name not in REFUSED_ON_PURPOSE}.get(file.name[0], status == 202)
        if (status == 202) is not kept:
            wrong.append((file.name, status))
    assert wrong == []
    assert sum(name.startswith("y_") for name in taken) > 80
