"""Requests to the external system, as a plugin writes them.

Nothing is sent here: a request that is awaited becomes part of the next step, and the host sends it, with the
credentials that it adds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta

from liaison_sdk import shape as form
from liaison_sdk.asking import ask
from liaison_sdk.failure import EventFailure
from liaison_sdk.grpc import GrpcCall
from liaison_sdk.joining import Waiting
from liaison_sdk.multipart import Fields, Multipart, encoded
from liaison_sdk.outcome import Outcome
from liaison_sdk.response import Response
from liaison_sdk.rounds import EventData, HttpRequest, HttpResponse, Rounds, milliseconds
from liaison_sdk.settling import Settling
from liaison_sdk.sql import Sql


class Http:
    """The way to the external system, for one attempt."""

    def __init__(self, rounds: Rounds, now_ms: int) -> None:
        self._rounds = rounds
        self._now_ms = now_ms

    def request(self, method: str, url: str) -> Request:
        """A request. The URL is absolute, or a path that the host appends to the connector's endpoint; whatever in it
        comes from an event goes through `encode_segment`."""
        return Request(self._rounds, self._now_ms, method, url)

    def get(self, url: str) -> Request:
        """A `GET` request: see `request`."""
        return self.request("GET", url)

    def put(self, url: str) -> Request:
        """A `PUT` request: see `request`."""
        return self.request("PUT", url)

    def post(self, url: str) -> Request:
        """A `POST` request: see `request`."""
        return self.request("POST", url)

    def patch(self, url: str) -> Request:
        """A `PATCH` request: see `request`."""
        return self.request("PATCH", url)

    def delete(self, url: str) -> Request:
        """A `DELETE` request: see `request`."""
        return self.request("DELETE", url)

    def grpc(self, method: str) -> GrpcCall:
        """A unary gRPC call of `/package.Service/Method`, at the connector's endpoint."""
        return GrpcCall(self._rounds, method)

    def sql(self, statement: str) -> Sql:
        """A transaction that begins with this statement, in the connector's database."""
        return Sql(self._rounds, statement)


class Request:
    """A request that is being written. Nothing is asked before `await ….send()`, or before `….settle()` is returned."""

    def __init__(self, rounds: Rounds, now_ms: int, method: str, url: str) -> None:
        self._rounds = rounds
        self._now_ms = now_ms
        self._request = HttpRequest(method, url)

    def header(self, name: str, value: str) -> Request:
        """Adds a header. `Host`, `Content-Length`, `Connection` and the like are the host's and are refused; it adds
        `Idempotency-Key` and the credentials."""
        self._request.headers.append((name, value))
        return self

    def json(self, body: object) -> Request:
        """Carries this value as JSON. Raises `EventFailure` where it has no form in JSON."""
        try:
            written = form.write(body)
        except ValueError as error:
            raise EventFailure(f"the body has no form in JSON: {error}") from None
        return self.body(written).header("content-type", "application/json")

    def form(self, fields: Fields) -> Request:
        """Carries these fields as `application/x-www-form-urlencoded`."""
        return self.body(encoded(fields)).header("content-type", "application/x-www-form-urlencoded")

    def multipart(self, form: Multipart) -> Request:
        """Carries this form as `multipart/form-data`. The same form has the same bytes, on every attempt."""
        content_type, body = form.written()
        return self.body(body).header("content-type", content_type)

    def body(self, body: bytes | str) -> Request:
        """Carries these bytes. Say what they are by a `content-type` header."""
        self._request.body = body.encode() if isinstance(body, str) else bytes(body)
        return self

    def event_data(self) -> Request:
        """Carries the event's data as it is: the host sends it without a copy through the plugin."""
        self._request.body = EventData
        return self

    def body_of(self, response: Response) -> Request:
        """Carries the body of an earlier response of this attempt, which may have been kept by the host."""
        self._request.body = response.place
        return self

    def keep_body(self) -> Request:
        """Leaves the response's body with the host, for `body_of`; the plugin is told its length and sha256."""
        self._request.keep_body = True
        return self

    def timeout(self, timeout: timedelta) -> Request:
        """Waits no longer than this for the whole response. Else it is what is left of the attempt."""
        self._request.timeout_ms = milliseconds(timeout)
        return self

    def send(self) -> Awaitable[Response]:
        """Sends it and waits for the response, whatever its status.

        Raises `UnansweredFailure` where there is no response at all.
        """
        return _Sending(self._rounds, self._now_ms, self._request)

    def settle(self) -> Settling:
        """Makes it the last thing that the connector's function does: return it. A 2xx delivers the event, and anything
        else is what `Outcome.from_response` says of it.

        It comes to the same as `Outcome.from_response(await request.send())`, and spares the host a second call of the
        plugin where the answer is a 2xx, which is most of the time.

            async def deliver(delivery: Delivery, http: Http) -> Settling:
                return http.put(f"/events/{encode_segment(delivery.event.id)}").event_data().settle()
        """
        return self.settle_or(Outcome.from_response)

    def settle_or(self, judge: Callable[[Response], Outcome]) -> Settling:
        """As `settle`, for a system that uses its statuses in its own way: `judge` says what an answer other than a 2xx
        means. Where even a 2xx need not mean that the event is delivered, send it and look at the answer."""
        return Settling(self._request, self._now_ms, judge)


class _Sending(Awaitable["Response"]):
    """A request on its way. It has a place once it is awaited."""

    def __init__(self, rounds: Rounds, now_ms: int, request: HttpRequest) -> None:
        self._rounds = rounds
        self._now_ms = now_ms
        self._request = request

    def __await__(self) -> Generator[Waiting, None, Response]:
        response, place = yield from ask(self._rounds, self._request, HttpResponse)
        return Response(self._request, response, place, self._now_ms)
