"""What the doors keep in the store, on both engines: an assertion used once by two gateways, metrics, and declared limits."""

import asyncio
from pathlib import Path

from gateway.errors import Fault
from gateway.metrics import exposition
from gateway.pressure import is_full
from gateway.scopes import requested
from gateway.settings import Limits
from gateway.smart.assertion import AssertionRefused, Reason
from gateway.smart.grant import Grant, grant, sweep_credentials
from gateway.smart.keys import add_keys
from gateway.steps.letters import _proves_its_client
from gateway.store.schema import assertion_used
from tests.builders import adt_a01
from tests.gateway.smart.signer import BASE, assertion, both_keys
from tests.gateway.test_metrics import assert_closed
from tests.line import EHR, open_gateway, running


async def test_an_assertion_is_used_once_by_two_gateways_on_one_store(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        add_keys(line.gateway, EHR, both_keys())
        second = open_gateway(line.config, line.clock)
        signed = assertion(iss=EHR, sub=EHR)
        answers = await asyncio.gather(
            *(
                grant(each, signed, audiences=(BASE,), permissions=requested("system/Binary.c"))
                for each in (line.gateway, second) * 20
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(each, Grant) for each in answers) == 1
        replayed = [each for each in answers if isinstance(each, AssertionRefused) and each.reason is Reason.REPLAYED]
        assert len(replayed) == 39
        second.store.close()
        line.clock.advance(seconds=600)
        await line.gateway.store.write_async(lambda c: sweep_credentials(c, line.gateway.now()))
        with line.gateway.store.read() as c:
            assert c.execute(assertion_used.select()).all() == []


async def test_metrics_and_limits(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        assert_closed(line.gateway)
        assert b'throughgate_messages{state="released"} 1.0' in exposition(line.gateway)
        few = Limits.model_construct(**{**Limits().model_dump(), "store_bytes": 1})
        with line.gateway.store.read() as c:
            assert not is_full(c, Limits())
            assert is_full(c, few)
        line.gateway.settings = line.gateway.settings.model_copy(update={"limits": few})
        line.clock.advance(seconds=2)
        answer = await line.send(adt_a01(message_id="more"))
        assert (answer.status, b"MSA|AR" in answer.body) == (503, True)
        assert Fault.OVERLOADED.value.encode() in answer.body
        assert len(line.messages()) == 1


async def test_an_mllp_port_alone_is_no_consent_authority(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        assert not _proves_its_client(line.gateway, "fellgate-ehr")
        assert not _proves_its_client(line.gateway, "a-channel-of-the-past")
        assert _proves_its_client(line.gateway, "http-fhir")
