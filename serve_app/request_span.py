"""The span of each request and each socket, from its first byte to the last of its answer."""

from __future__ import annotations

from opentelemetry.trace import Span, Status, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.tracing import begun_span, trace_of_headers
from serve_app.request_scope import UPGRADED, is_probe, route_of


class RequestSpan:
    """ASGI middleware: goes on with the trace that the client names in ``traceparent``, or begins one.

    Names and attributes are those of OpenTelemetry's semantic conventions for HTTP servers, without the client's
    address, its agent, and the path and query that it sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] not in ("http", "websocket") or is_probe(scope):
            await self._app(scope, receive, send)
            return
        # A socket begins with a GET.
        method = scope.get("method", "GET")
        with begun_span(method, trace_of_headers(Headers(scope=scope))) as span:
            if not span.is_recording():
                await self._app(scope, receive, send)
                return
            span.set_attribute("http.request.method", method)

            async def sent(message: Message) -> None:
                _note(span, message)
                await send(message)

            try:
                await self._app(scope, receive, sent)
            finally:
                if route := route_of(scope):
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)


def _note(span: Span, message: Message) -> None:
    match message["type"]:
        case "http.response.start" | "websocket.http.response.start":
            span.set_attribute("http.response.status_code", message["status"])
            if message["status"] >= 500:
                span.set_status(Status(StatusCode.ERROR))
        case "websocket.accept":
            span.set_attribute("http.response.status_code", UPGRADED)
        case "websocket.close":
            span.set_attribute("rayscribe.close_code", message.get("code", 1000))
