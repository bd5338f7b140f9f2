"""What a message holds cannot reach out and cannot be misread: no address of a message is ever called, every character set arrives as it was."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.journeys.file import read_file
from tests.builders import adt_a01, adt_a03, fhir_message
from tests.line import running

ATTACKER = "attacker.example"
ADDRESSES = (
    f"http://{ATTACKER}:8080/b", f"//{ATTACKER}/c", "http://169.254.169.254/latest/meta-data",
    f"https://good.example@{ATTACKER}/f", f"\\\\{ATTACKER}\\share", f"http://[::ffff:10.0.0.1]/{ATTACKER}",
)  # fmt: skip


class Calls:
    """What this process connected to or looked up, while it is on. An audit hook cannot be taken away, so it can be switched off."""

    def __init__(self) -> None:
        self.on = False
        self.connected: list[Any] = []
        self.looked_up: list[Any] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "socket.connect":
            self.connected.append(arguments[1])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
            self.looked_up.append(arguments[0])


CALLS = Calls()


def with_addresses(url: str, message_id: str) -> bytes:
    """A message with this address wherever FHIR has one: url, uri, canonical, reference, and every extension."""
    telecom = [{"system": "url", "value": url}, {"system": "email", "value": url}]
    subject = {"reference": url, "identifier": {"system": url, "value": "1"}}
    resources = (
        {
            "resourceType": "CarePlan",
            "id": "plan",
            "meta": {"source": url, "profile": [url]},
            "implicitRules": url,
            "status": "active",
            "intent": "plan",
            "instantiatesUri": [url],
            "instantiatesCanonical": [url],
            "subject": {"reference": "Patient/patient"},
            "author": {"reference": url},
            "careTeam": [{"reference": url}],
            "supportingInfo": [{"reference": url}],
            "extension": [{"url": url, "valueUrl": url}],
            "category": [{"coding": [{"system": url, "code": "x"}]}],
        },
        {
            "resourceType": "Endpoint",
            "id": "endpoint",
            "status": "active",
            "connectionType": {"system": url, "code": "hl7-fhir-rest"},
            "payloadType": [{"text": "any"}],
            "address": url,
        },
        {
            "resourceType": "Subscription",
            "id": "subscription",
            "status": "requested",
            "reason": "mine",
            "criteria": "Patient?",
            "channel": {"type": "rest-hook", "endpoint": url},
        },
        {
            "resourceType": "DocumentReference",
            "id": "document",
            "status": "current",
            "subject": {"reference": "Patient/patient"},
            "content": [{"attachment": {"url": url, "contentType": "text/html"}}],
        },
        {"resourceType": "Organization", "id": "organization", "name": "x", "telecom": telecom, "endpoint": [subject]},
    )
    document = json.loads(fhir_message(resources=resources, message_id=message_id))
    document["link"] = [{"relation": "self", "url": url}]
    header = document["entry"][0]["resource"]
    header["source"]["endpoint"] = url
    header["destination"] = [{"name": "x", "endpoint": url}]
    header["definition"] = url
    return json.dumps(document).encode()


async def test_no_address_of_a_message_is_ever_called(tmp_path: Path) -> None:
    """With a release whose handover does leave, so that the hook is known to see a call."""
    async with running(tmp_path) as line:
        ports = {neighbour.port for neighbour in line.neighbours.values()}
        CALLS.connected.clear()
        CALLS.looked_up.clear()
        CALLS.on = True
        try:
            for number, url in enumerate(ADDRESSES):
                await line.send(with_addresses(url, f"F-{number}"))
                escaped = url.replace("\\", "\\E\\").replace("&", "\\T\\")
                body = adt_a01(message_id=f"V-{number}").decode().replace("1 Example Street", escaped)
                await line.send(body.replace("FELLGATE-EHR", escaped[:20]).encode())
            await line.play(adt_a03())
            await line.settle()
        finally:
            CALLS.on = False
        connected = [address for address in CALLS.connected if isinstance(address, tuple)]
        assert connected, "the hook saw nothing: this test would prove nothing"
        places = (
            urlsplit(url).port
            for url in (line.gateway.settings.gateway.store_url, line.gateway.settings.gateway.bus_url)
        )
        registered = {("127.0.0.1", port) for port in (*ports, *places)}
        assert {address[:2] for address in connected} <= registered
        assert not [name for name in CALLS.looked_up if ATTACKER in str(name) or "169.254" in str(name)]


CHARSETS = [
    ("UNICODE UTF-8", "utf-8", "Łódź-Ñandú-Ωμέγα"),
    ("8859/1", "iso8859-1", "Müller-Ñandú"),
    ("8859/2", "iso8859-2", "Łódź-Žižka"),
    ("8859/5", "iso8859-5", "Иванов"),
    ("8859/7", "iso8859-7", "Ωμέγα"),
    ("8859/9", "iso8859-9", "Şahin"),
    ("8859/15", "iso8859-15", "Œuvre-€"),
    ("WINDOWS-1252", "cp1252", "O’Brien-Œ"),
    ("ASCII", "ascii", "Plain"),
]


async def test_every_declared_character_set_arrives_as_it_was(tmp_path: Path) -> None:
    """From the bytes on the wire to the person's file, and the bytes themselves."""
    async with running(tmp_path) as line:
        for number, (charset, codec, name) in enumerate(CHARSETS):
            text = adt_a01(message_id=f"C-{number}").decode().replace("Birkett-Test", name)
            body = text.replace("UNICODE UTF-8", charset).encode(codec)
            await line.play(body)
            row = line.messages()[-1]
            with line.gateway.store.read() as c:
                assert line.gateway.keys.unseal(c, row.body_id) == body
                resources = read_file(c, line.gateway, row.person_id).resources
            (patient,) = [each for each in resources if each["resourceType"] == "Patient"]
            assert patient["name"][0]["family"] == name, charset


async def test_a_wrong_character_set_is_refused_and_never_guessed(tmp_path: Path) -> None:
    """UTF-8 is declared, and these bytes are not UTF-8: what they were meant to be nobody knows."""
    async with running(tmp_path) as line:
        body = adt_a01().decode().replace("Birkett-Test", "Müller").encode("iso8859-1")
        answer = await line.send(body)
        assert b"MSA|A" in answer.body
        assert not line.is_accepted(answer)
