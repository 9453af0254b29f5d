"""The details of a gRPC status (`google.rpc.Status`), as far as they say when to try again.

Read by hand: nothing else of protobuf is needed. What is not as it should be says nothing.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from datetime import timedelta

_RETRY_INFO = b"/google.rpc.RetryInfo"
"""Of a message by which a server says how long to wait, packed into an `Any`."""
_MAX_BYTES = 80 * 1024
"""Metadata holds 8 KiB by default; no more is looked at than ten times that."""
_LARGEST = 2**63 - 1


def retry_delay(text: str) -> timedelta | None:
    """The wait that the first `RetryInfo` among the details asks for. `text` is base64, as metadata have it."""
    status = _from_base64(text)
    if status is None or len(status) > _MAX_BYTES:
        return None
    # Status: details are field 3, each an Any, with its type as field 1 and its message as field 2.
    for detail in _bytes_of(status, 3):
        if not any(kind.endswith(_RETRY_INFO) for kind in _bytes_of(detail, 1)):
            continue
        # RetryInfo: field 1 is a Duration, with seconds as field 1 and nanoseconds as field 2.
        delay = next(_bytes_of(next(_bytes_of(detail, 2), b""), 1), None)
        if delay is not None and (wait := _duration(delay)) is not None:
            return wait
    return None


def _duration(delay: bytes) -> timedelta | None:
    def number_of(wanted: int) -> int:
        numbers = (content for number, content in _fields(delay) if number == wanted and isinstance(content, int))
        return next(numbers, 0)

    seconds, nanoseconds = number_of(1), number_of(2)
    # What is negative is larger than any wait.
    if seconds > _LARGEST or nanoseconds >= 1_000_000_000:
        return None
    try:
        # Never sooner: `timedelta` has no nanoseconds.
        return timedelta(seconds=seconds, microseconds=-(-nanoseconds // 1000))
    except OverflowError:
        return timedelta.max


def _bytes_of(message: bytes, wanted: int) -> Iterator[bytes]:
    return (content for number, content in _fields(message) if number == wanted and isinstance(content, bytes))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes | None]]:
    """The fields of a message, until one that cannot be read; what is of a fixed length is `None`."""
    try:
        while message:
            key, message = _varint(message)
            match key & 7:
                case 0:
                    number, message = _varint(message)
                    yield key >> 3, number
                case 1 | 5 as kind:
                    _, message = _take(message, 8 if kind == 1 else 4)
                    yield key >> 3, None
                case 2:
                    length, message = _varint(message)
                    content, message = _take(message, length)
                    yield key >> 3, content
                case _:
                    return
    except ValueError:
        return


def _varint(message: bytes) -> tuple[int, bytes]:
    """A number and what follows it. Raises `ValueError` where there is none."""
    value = 0
    for position, byte in enumerate(message[:10]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value % 2**64, message[position + 1 :]
    raise ValueError("no number")


def _take(message: bytes, length: int) -> tuple[bytes, bytes]:
    if length > len(message):
        raise ValueError("too short")
    return message[:length], message[length:]


def _from_base64(text: str) -> bytes | None:
    """Standard base64, with padding or without, as metadata have it."""
    text = text.strip().rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        return None
