"""Makes the application from the route table: who calls is proven before anything of a request is read."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.access import caller_of
from gateway.api.answers import challenge, refusal
from gateway.api.headers import Headers
from gateway.api.plain import PlainRoute
from gateway.api.ports import Intake
from gateway.api.reading import require_parameters
from gateway.api.routes import ROUTES, Route
from gateway.errors import Fault, RequestError, StoreUnavailable
from gateway.log import Code, log

_FAULT_OF_STATUS = {404: Fault.NOT_FOUND, 405: Fault.METHOD_NOT_ALLOWED}


def create_app(gateway: Intake) -> FastAPI:
    """The application of one gateway. No documentation pages, no schema route, no redirects of slashes."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(Headers)],
        exception_handlers={HTTPException: _http_error},
    )
    for route in ROUTES:
        app.router.routes.append(PlainRoute(route.path, _endpoint(gateway, route), route.method, route.name))
    return app


def _endpoint(gateway: Intake, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            # INVARIANT: the caller is known before a handler runs or a body is read.
            caller = await caller_of(gateway, request, route.access, route.permission)
            require_parameters(request, route.parameters)
            return await route.serve(gateway, request, caller)
        except RequestError as error:
            if error.fault in (Fault.UNAUTHENTICATED, Fault.FORBIDDEN):
                log(Code.ACCESS_REFUSED, route=route.name, reason=error.fault.value)
            return refusal(error.fault, error.issues, challenge(error.fault, route.permission))
        except StoreUnavailable:
            return refusal(Fault.STORE_UNAVAILABLE)
        except Exception as error:  # noqa: BLE001 - the traceback of a stranger's error may hold content: only its type is written
            log(Code.REQUEST_FAILED, route=route.name, error=type(error).__name__)
            return refusal(Fault.INTERNAL)

    return endpoint


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return refusal(_FAULT_OF_STATUS.get(status, Fault.REQUEST_INVALID), (), headers)
