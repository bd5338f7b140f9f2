"""Posts a letter and says what is known about it. It MUST NOT follow a redirect, understand an answer's content, or log.

What is known after a send:

    2xx                                              delivered
    408, 425, 429, 5xx                               Transient (Retry-After kept, capped)
    any other status                                 Permanent
    no connection, or nothing of the request left    Transient
    anything after the request began to leave        ambiguous: it may have had its effect
"""

import asyncio
import uuid
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from adapters.contract import CHECKPOINT, AdapterError, Outcome, Outgoing, Permanent, Receipt, Transient, in_header
from adapters.failpoints import pass_point
from adapters.fhir_http.settings import OutboundSettings

_NAMESPACE: Final = uuid.UUID("7d0b5f0e-6f0f-5d1e-9c58-3a0f5f8f3c11")
_TRANSIENT: Final = frozenset({408, 425, 429})


def request_id(own: str) -> str:
    """The UUID of a delivery, or of a conversation, for wires that want one: the same at every attempt."""
    return str(uuid.uuid5(_NAMESPACE, own))


class _Sent:
    """Whether anything of one request may have left this machine."""

    def __init__(self) -> None:
        self.begun = False


class FhirHttpOutbound:
    """The sender for one recipient. Connections are kept and closed by `close`."""

    def __init__(self, settings: OutboundSettings, accept: str = "application/fhir+json") -> None:
        self.settings = settings
        self._accept = accept
        self._session: aiohttp.ClientSession | None = None

    async def send(self, letter: Outgoing) -> Receipt:
        """One attempt. Raises Transient or Permanent."""
        sent = _Sent()
        try:
            async with asyncio.timeout(self.settings.total_seconds):
                return await self._post(letter, sent)
        except AdapterError:
            raise
        except TimeoutError:
            return _unclear(sent, "timeout", "the recipient could not be reached in time")
        except (aiohttp.ClientError, OSError, ValueError):
            # ValueError: an answer that is not HTTP; nothing of it is read or shown.
            return _unclear(sent, "connection-lost", "the recipient could not be reached")

    async def close(self) -> None:
        """Close the kept connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, letter: Outgoing, sent: _Sent) -> Receipt:
        # INVARIANT: the delivery id is the idempotency key, the same at every attempt (DESIGN section 2, rule 6).
        request = request_id(letter.delivery_id)
        headers = {
            "Content-Type": letter.content_type,
            "Accept": self._accept,
            "Idempotency-Key": letter.delivery_id,
            "X-Request-ID": request,
            "X-Correlation-ID": request_id(letter.conversation) if letter.conversation else request,
            **({CHECKPOINT: in_header(letter.checkpoint)} if letter.checkpoint else {}),
        }
        async with self._open().post(
            self.settings.url,
            data=letter.body,
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=sent,
        ) as answer:
            reply = await self._read(answer)
            return _judged(answer, reply, self.settings.retry_after_max_seconds)

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body within its limit, as bytes; more than that, or one that broke off, is none. The status was said whatever goes wrong here."""
        body = bytearray()
        left = self.settings.max_answer_bytes
        pass_point("response.before-read")
        try:
            while left >= 0 and (chunk := await answer.content.read(min(left + 1, 65_536))):
                left -= len(chunk)
                body += chunk
        except (aiohttp.ClientError, OSError, TimeoutError):
            left = -1
        pass_point("response.after-read")
        if left < 0:
            answer.close()
            return b""
        return bytes(body)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_mark_sent)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.settings.max_connections, keepalive_timeout=10),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.settings.connect_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                trace_configs=[trace],
                headers={"User-Agent": "Throughgate"},
            )
        return self._session


async def _mark_sent(
    session: aiohttp.ClientSession,  # noqa: ARG001 - the signature is aiohttp's
    context: object,
    params: aiohttp.TraceRequestHeadersSentParams,  # noqa: ARG001 - the signature is aiohttp's
) -> None:
    sent = getattr(context, "trace_request_ctx", None)
    if isinstance(sent, _Sent):
        sent.begun = True


def _unclear(sent: _Sent, code: str, text: str) -> Receipt:
    """INVARIANT: an outcome that is not known is ambiguous, never assumed (DESIGN section 2, rule 5)."""
    if sent.begun:
        return Receipt(outcome=Outcome.AMBIGUOUS, code=code)
    raise Transient("unreachable", text)


def _judged(answer: aiohttp.ClientResponse, reply: bytes, retry_after_max_seconds: float) -> Receipt:
    status = answer.status
    code = f"http-{status}"
    if 200 <= status < 300:
        return Receipt(outcome=Outcome.DELIVERED, code=code, reply=reply)
    if status in _TRANSIENT or 500 <= status < 600:
        raise Transient(
            code,
            "the recipient cannot take it now",
            retry_after_seconds=retry_after(answer, retry_after_max_seconds),
        )
    if 300 <= status < 400:
        raise Permanent(code, "the recipient redirects: its address in the recipient file has to be corrected")
    raise Permanent(code, "the recipient refused the letter")


def retry_after(answer: aiohttp.ClientResponse, maximum: float) -> float | None:
    """Seconds of Retry-After, at most `maximum`; a date is read against the answer's own Date. None when it says nothing readable."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), maximum)
    try:
        asked = parsedate_to_datetime(value) - parsedate_to_datetime(answer.headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return min(max(asked.total_seconds(), 0.0), maximum)
