"""Unary gRPC calls, as a plugin writes them, and the answers.

The plugin encodes and decodes messages, by `protobuf` in pure Python or by hand; the host frames, sends and reads them,
tells the server how long it will wait, and adds the credentials.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Generator
from datetime import timedelta

from liaison_sdk import details
from liaison_sdk.asking import ask, line
from liaison_sdk.joining import Waiting
from liaison_sdk.outcome import OutcomeKind
from liaison_sdk.rounds import GrpcRequest, GrpcResponse, Rounds, milliseconds


class GrpcCall:
    """A call that is being written. Nothing is asked before `await ….send()`."""

    def __init__(self, rounds: Rounds, method: str) -> None:
        self._rounds = rounds
        self._request = GrpcRequest(method)

    def metadata(self, name: str, value: str) -> GrpcCall:
        """Adds metadata. Under a name that ends in `-bin` the value is base64. Names that begin with `grpc-` are the
        host's."""
        self._request.metadata.append((name, value))
        return self

    def message(self, message: bytes) -> GrpcCall:
        """Carries this encoded message; else it is empty."""
        self._request.message = bytes(message)
        return self

    def timeout(self, timeout: timedelta) -> GrpcCall:
        """Waits no longer than this. Else it is what is left of the attempt."""
        self._request.timeout_ms = milliseconds(timeout)
        return self

    def send(self) -> Awaitable[GrpcAnswer]:
        """Sends it and waits for the answer, whatever its status.

        Raises `UnansweredFailure` where there is no answer at all.
        """
        return _Calling(self._rounds, self._request)


class _Calling(Awaitable["GrpcAnswer"]):
    """A call on its way. It has a place once it is awaited."""

    def __init__(self, rounds: Rounds, request: GrpcRequest) -> None:
        self._rounds = rounds
        self._request = request

    def __await__(self) -> Generator[Waiting, None, GrpcAnswer]:
        response, _ = yield from ask(self._rounds, self._request, GrpcResponse)
        return GrpcAnswer(self._request, response)


class GrpcAnswer:
    """The answer to a call, whatever its status."""

    def __init__(self, request: GrpcRequest, response: GrpcResponse) -> None:
        self._request = request
        self._response = response

    @property
    def status(self) -> int:
        """The status: 0 is OK, the others are those of gRPC's list."""
        return self._response.status

    @property
    def is_ok(self) -> bool:
        """True for status 0."""
        return self.status == 0

    @property
    def status_message(self) -> str:
        """What the server says of the status."""
        return self._response.status_message

    def metadata(self, name: str) -> str | None:
        """The first value of this name in headers and trailers."""
        wanted = name.lower()
        return next((value for known, value in self._response.metadata if known.lower() == wanted), None)

    @property
    def pushback(self) -> timedelta | None:
        """How long the server asks to be left alone, where it does.

        By `grpc-retry-pushback-ms` (gRFC A6), in which what is negative or no number of 32 bits asks not to be tried again
        and so says no time; else by `google.rpc.RetryInfo` among the details of the status.
        """
        said = self.metadata("grpc-retry-pushback-ms")
        if said is None:
            return details.retry_delay(self.metadata("grpc-status-details-bin") or "")
        digits = re.fullmatch("0*([0-9]{1,10})", said.strip())
        wait = int(digits[1]) if digits else _LARGEST_PUSHBACK + 1
        return timedelta(milliseconds=wait) if wait <= _LARGEST_PUSHBACK else None

    @property
    def kind(self) -> OutcomeKind:
        """What it means by `OutcomeKind.of_grpc_status`, but for `RESOURCE_EXHAUSTED`: that is throttled where the server
        pushes back.

        A server says it of a rate that is too high, of a quota that is gone, and of one message that is too large. Only the
        first passes by waiting, and of it a server can say so; the others must come to an end.
        """
        if self.status == _RESOURCE_EXHAUSTED and self.pushback:
            return OutcomeKind.THROTTLED
        return OutcomeKind.of_grpc_status(self.status)

    @property
    def message(self) -> bytes:
        """The encoded message; empty where there is none."""
        return self._response.message or b""

    @property
    def summary(self) -> str:
        """For a person: `gRPC /package.Service/Method answered NOT_FOUND: no such room`."""
        name = _NAMES[self.status] if self.status < len(_NAMES) else f"status {self.status}"
        said = f": {self.status_message}" if self.status_message else ""
        return f"{line(self._request)} answered {name}{said}"


_RESOURCE_EXHAUSTED = 8
_LARGEST_PUSHBACK = 2**31 - 1

_NAMES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]
