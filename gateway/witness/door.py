"""The witness's one door: `POST /add-checkpoint`. It answers nothing else, and knows nothing that anybody may not know."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.witness.keeper import LARGEST_BODY, Witness


def create_app(witness: Witness) -> Starlette:
    """The application to serve."""

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST_BODY:
                break  # the keeper refuses what is too long
        answer = await asyncio.to_thread(witness.add_checkpoint, body)
        return Response(answer.body, status_code=answer.status, headers={"Content-Type": answer.content_type})

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])
