"""An answer of the external system, as a plugin reads it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, overload

from liaison_sdk import shape as form
from liaison_sdk.asking import line
from liaison_sdk.dates import http_date
from liaison_sdk.failure import ReplyFailure
from liaison_sdk.rounds import HttpRequest, HttpResponse, KeptBody, Place
from liaison_sdk.shape import Shape

T = TypeVar("T")

_QUOTED_CHARACTERS = 200
"""How much of a body is quoted in a reason."""
_LONGEST_WAIT_MS = (2**64 - 1) // 1000 * 1000


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
    def current(self) -> bytes | None:
        """The body of a 409 or 412, where it may be what the external system holds, for the host's conflict policy to see.

        That is an object or a list of JSON, under a media type of JSON where the answer has one. A problem (RFC 9457)
        and a page speak of the error, and are not.
        """
        content_type = self.header("content-type")
        essence = "application/json" if content_type is None else content_type.split(";")[0].strip().lower()
        if not essence.endswith(("/json", "+json")) or essence == "application/problem+json":
            return None
        try:
            record = form.parse(self.body, object)
        except ValueError:
            return None
        return self.body if isinstance(record, dict | list) else None

    @property
    def retry_after(self) -> timedelta | None:
        """`Retry-After` in both its forms (RFC 9110, 10.2.3), counted from the attempt's begin; `None` where it is
        absent or says neither."""
        value = (self.header("retry-after") or "").strip()
        if re.fullmatch("[0-9]+", value):
            return _milliseconds(min(int(value[:20]) * 1000, _LONGEST_WAIT_MS))
        date = http_date(value)
        if date is None:
            return None
        now = datetime.fromtimestamp(0, UTC) + _milliseconds(self._now_ms)
        return max(date - now, timedelta(0))

    @property
    def summary(self) -> str:
        """For a person: `PUT /events/1 answered 503 Service Unavailable`. Of the URL it shows neither user nor query,
        which may hold secrets."""
        return f"{line(self._request)} answered {self.status} {_PHRASES.get(self.status, '')}".rstrip()

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
