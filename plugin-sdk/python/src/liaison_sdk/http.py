"""Requests to the external system, as a plugin writes them, and the answers.

Nothing is sent here: a request that is awaited becomes part of the next step, and the host sends it, with the
credentials that it adds.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Generator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, overload

from liaison_sdk import shape as form
from liaison_sdk.failure import EventFailure, ReplyFailure, Unanswered, UnansweredFailure
from liaison_sdk.joining import WAITING, Waiting
from liaison_sdk.rounds import EventData, HttpRequest, HttpResponse, KeptBody, Place, Rounds
from liaison_sdk.shape import Shape

T = TypeVar("T")

_QUOTED_CHARACTERS = 200
"""How much of a body is quoted in a reason."""
_LONGEST_WAIT_MS = (2**64 - 1) // 1000 * 1000


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


class Request:
    """A request that is being written. Nothing is asked before `await ….send()`."""

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
        self._request.timeout_ms = max(0, timeout // timedelta(milliseconds=1))
        return self

    def send(self) -> Awaitable[Response]:
        """Sends it and waits for the response, whatever its status.

        Raises `UnansweredFailure` where there is no response at all.
        """
        return _Sending(self._rounds, self._now_ms, self._request)


class _Sending(Awaitable["Response"]):
    """A request on its way. It has a place once it is awaited."""

    def __init__(self, rounds: Rounds, now_ms: int, request: HttpRequest) -> None:
        self._rounds = rounds
        self._now_ms = now_ms
        self._request = request

    def __await__(self) -> Generator[Waiting, None, Response]:
        place = self._rounds.ask(self._request)
        while (reply := self._rounds.answer(place)) is None:
            yield WAITING
        if isinstance(reply, Unanswered):
            raise UnansweredFailure(_line(self._request), reply)
        return Response(self._request, reply, place, self._now_ms)


class Response:
    """The answer to a request, whatever its status. Redirects are answers too: nobody follows them."""

    def __init__(self, request: HttpRequest, response: HttpResponse, place: Place, now_ms: int) -> None:
        self._request = request
        self._response = response
        self._now_ms = now_ms
        self.place = place
        """The contract's name for this response."""

    @property
    def status(self) -> int:
        """The status code."""
        return self._response.status

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status <= 299

    def header(self, name: str) -> str | None:
        """The first header of this name. Values that are not text are left out by the host."""
        wanted = name.lower()
        return next((value for known, value in self._response.headers if known.lower() == wanted), None)

    @property
    def body(self) -> bytes:
        """The body; empty where it was kept by the host."""
        return self._response.body if isinstance(self._response.body, bytes) else b""

    @property
    def kept_body(self) -> KeptBody | None:
        """Length and sha256 of the body where it was kept by the host."""
        return self._response.body if isinstance(self._response.body, KeptBody) else None

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, shape: Shape[T]) -> T: ...
    def json(self, shape: Any = Any) -> Any:
        """The body as JSON, read now: as a dataclass, or any type that `typing` can name; without one as it is.

        Raises `ReplyFailure` where it is not JSON of this shape: a reply that is not what the system promises, such as
        a proxy's page, may be another one next time.
        """
        try:
            return form.parse(self.body, shape)
        except ValueError as error:
            raise ReplyFailure(f"{self.summary}: its body: {error}") from None

    @property
    def retry_after(self) -> timedelta | None:
        """`Retry-After` in both its forms (RFC 9110, 10.2.3), counted from the attempt's begin; `None` where it is
        absent or says neither."""
        value = (self.header("retry-after") or "").strip()
        if re.fullmatch("[0-9]+", value):
            return _milliseconds(min(int(value[:20]) * 1000, _LONGEST_WAIT_MS))
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        # RFC 9110: a date without a zone is UTC.
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        now = datetime.fromtimestamp(0, UTC) + _milliseconds(self._now_ms)
        return max(date - now, timedelta(0))

    @property
    def summary(self) -> str:
        """For a person: `PUT /events/1 answered 503 Service Unavailable`. Of the URL it shows neither user nor query,
        which may hold secrets."""
        return f"{_line(self._request)} answered {self.status} {_PHRASES.get(self.status, '')}".rstrip()

    @property
    def summary_with_body(self) -> str:
        """`summary` and the beginning of the body."""
        if 300 <= self.status <= 399 and self.status != 304:
            return f"{self.summary}: redirects are not followed"
        text = self.text.strip()
        # Control characters would break a log line or a terminal: one space for each run of them.
        quoted = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text[:_QUOTED_CHARACTERS]).strip()
        if not quoted:
            return self.summary
        return f"{self.summary}: {quoted}{'…' if len(text) > _QUOTED_CHARACTERS else ''}"



def _milliseconds(count: int) -> timedelta:
    """Also of what no clock counts to: for ever."""
    try:
        return timedelta(milliseconds=count)
    except OverflowError:
        return timedelta.max


def _line(request: HttpRequest) -> str:
    """A request as a person knows it, `PUT https://host/path`: without user, password and query."""
    url = re.split("[?#]", request.url)[0]
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    if separator:
        authority, slash, path = rest.partition("/")
        rest = authority.rpartition("@")[2] + slash + path
    return f"{request.method} {scheme}{separator}{rest}"


# What people call the statuses that end an attempt badly (RFC 9110, section 15, and RFC 6585).
_PHRASES = {
    200: "OK",
    201: "Created",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    425: "Too Early",
    428: "Precondition Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
