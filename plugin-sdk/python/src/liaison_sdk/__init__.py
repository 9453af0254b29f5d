"""Write liaison plugins in ordinary async Python.

A plugin is a WebAssembly component that does no I/O: it answers what to ask an external system and what came of it,
and the host does the asking. With this package it reads as if it did it all itself:

    from liaison_sdk import Delivery, Http, Settling, connector, encode_segment

    async def deliver(delivery: Delivery, http: Http) -> Settling:
        return http.put(f"/events/{encode_segment(delivery.event.id)}").event_data().settle()

    connector(deliver)

A test needs no WebAssembly: it runs the same function against an endpoint that follows a script, see
`liaison_sdk.testing`.

How an `await` becomes a step: the host calls a plugin again with the replies to what it asked for; the plugin's function
then runs from its start, and each `await` of a request that was answered before goes straight through. So a function
must ask for the same requests whenever its arguments are the same. The clock stands still and random numbers are
seeded, so ordinary code does; code that keeps state in a global does not. Requests that are awaited together by `join` or
`join_all` are sent together. Nothing else can be awaited.
"""

from liaison_sdk import log
from liaison_sdk.configuration import settings
from liaison_sdk.database import Json, SqlError, SqlErrorKind, SqlValue, Texts, Timestamp
from liaison_sdk.encode import encode_segment
from liaison_sdk.event import Delivery, Event, Merged, Origin, Overwrite, Resolution
from liaison_sdk.failure import (
    EventFailure,
    Failure,
    RefusedFailure,
    ReplyFailure,
    SettingsFailure,
    Unanswered,
    UnansweredFailure,
)
from liaison_sdk.grpc import GrpcAnswer, GrpcCall
from liaison_sdk.http import Http, Request
from liaison_sdk.joining import join, join_all
from liaison_sdk.multipart import Multipart
from liaison_sdk.outcome import (
    Check,
    Conflict,
    Delivered,
    Denied,
    Outcome,
    OutcomeKind,
    Rejected,
    Retry,
    Skipped,
    Throttled,
    Unusable,
    Usable,
)
from liaison_sdk.plugin import connector, transformer
from liaison_sdk.response import Response
from liaison_sdk.rounds import KeptBody
from liaison_sdk.settling import Ending, Settling
from liaison_sdk.sql import Row, Sql, SqlAnswer
from liaison_sdk.transform import Drop, Emit, Reject, Reshaped, Transformed

__all__ = [
    "Check",
    "Conflict",
    "Delivered",
    "Delivery",
    "Denied",
    "Drop",
    "Emit",
    "Ending",
    "Event",
    "EventFailure",
    "Failure",
    "GrpcAnswer",
    "GrpcCall",
    "Http",
    "Json",
    "KeptBody",
    "Merged",
    "Multipart",
    "Origin",
    "Outcome",
    "OutcomeKind",
    "Overwrite",
    "RefusedFailure",
    "Reject",
    "Rejected",
    "ReplyFailure",
    "Request",
    "Reshaped",
    "Resolution",
    "Response",
    "Retry",
    "Row",
    "SettingsFailure",
    "Settling",
    "Skipped",
    "Sql",
    "SqlAnswer",
    "SqlError",
    "SqlErrorKind",
    "SqlValue",
    "Texts",
    "Throttled",
    "Timestamp",
    "Transformed",
    "Unanswered",
    "UnansweredFailure",
    "Unusable",
    "Usable",
    "connector",
    "encode_segment",
    "join",
    "join_all",
    "log",
    "settings",
    "transformer",
]
