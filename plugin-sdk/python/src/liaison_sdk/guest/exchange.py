"""What the host is asked for, and what it answers both ways, between the contract's words and the SDK's."""

from wit_world.imports import effects

from liaison_sdk.database import SqlDone, SqlError, SqlRequest, SqlResponse
from liaison_sdk.failure import Unanswered
from liaison_sdk.guest import sql
from liaison_sdk.rounds import (
    Effect,
    EventData,
    GrpcRequest,
    GrpcResponse,
    HttpRequest,
    HttpResponse,
    KeptBody,
    Place,
    Reply,
)


def reply(raw: effects.Reply) -> Reply:
    match raw:
        case effects.Reply_Http(response):
            return HttpResponse(response.status, response.headers, _response_body(response.body))
        case effects.Reply_Failed(failure):
            return _unanswered(failure)
        case effects.Reply_Grpc(answer):
            return GrpcResponse(answer.status, answer.status_message, answer.metadata, answer.message)
        case effects.Reply_Sql(response):
            return sql.response(response)
    raise TypeError(f"{raw!r} is no reply")


def _response_body(raw: effects.ResponseBody) -> bytes | KeptBody:
    match raw:
        case effects.ResponseBody_Bytes(body):
            return bytes(body)
        case effects.ResponseBody_Kept(kept):
            return KeptBody(kept.length, kept.sha256)
    raise TypeError(f"{raw!r} is no body")


def _unanswered(raw: effects.Failure) -> Unanswered:
    match raw:
        case effects.Failure_NotAllowed(why):
            return Unanswered("not-allowed", why)
        case effects.Failure_Invalid(why):
            return Unanswered("invalid", why)
        case effects.Failure_Connection(why):
            return Unanswered("connection", why)
        case effects.Failure_TimedOut():
            return Unanswered("timed-out")
        case effects.Failure_TooLarge(limit):
            return Unanswered("too-large", str(limit))
        case effects.Failure_Unsupported(why):
            return Unanswered("unsupported", why)
        case effects.Failure_Other(why):
            return Unanswered("other", why)
    raise TypeError(f"{raw!r} is no failure")


def effect(asked: Effect) -> effects.Effect:
    match asked:
        case HttpRequest():
            return effects.Effect_Http(_http(asked))
        case GrpcRequest(method, metadata, message, timeout_ms):
            return effects.Effect_Grpc(effects.GrpcRequest(method, metadata, message, timeout_ms))
        case SqlRequest():
            return effects.Effect_Sql(sql.request(asked))


def _http(request: HttpRequest) -> effects.HttpRequest:
    return effects.HttpRequest(
        method=request.method,
        url=request.url,
        headers=request.headers,
        body=_body(request),
        timeout=request.timeout_ms,
        keep_body=request.keep_body,
    )


def _body(request: HttpRequest) -> effects.Body:
    match request.body:
        case None:
            return effects.Body_None_()
        case bytes() as body:
            return effects.Body_Bytes(body)
        case Place(round, position):
            return effects.Body_OfReply((round, position))
    assert request.body is EventData
    return effects.Body_EventData()


def answered(reply: Reply) -> effects.Reply:
    """As `reply`, the other way round."""
    match reply:
        case HttpResponse(status, headers, KeptBody(length, sha256)):
            kept = effects.ResponseBody_Kept(effects.KeptBody(length, sha256))
            return effects.Reply_Http(effects.HttpResponse(status, headers, kept))
        case HttpResponse(status, headers, body):
            return effects.Reply_Http(effects.HttpResponse(status, headers, effects.ResponseBody_Bytes(body)))
        case GrpcResponse(status, status_message, metadata, message):
            return effects.Reply_Grpc(effects.GrpcResponse(status, status_message, metadata, message))
        case SqlDone() | SqlError():
            return effects.Reply_Sql(sql.answered(reply))
        case Unanswered():
            return effects.Reply_Failed(_failed(reply))
    raise TypeError(f"{reply!r} is no reply")


def _failed(why: Unanswered) -> effects.Failure:
    match why.kind:
        case "not-allowed":
            return effects.Failure_NotAllowed(why.detail)
        case "invalid":
            return effects.Failure_Invalid(why.detail)
        case "connection":
            return effects.Failure_Connection(why.detail)
        case "timed-out":
            return effects.Failure_TimedOut()
        case "too-large":
            return effects.Failure_TooLarge(int(why.detail))
        case "unsupported":
            return effects.Failure_Unsupported(why.detail)
        case "other":
            return effects.Failure_Other(why.detail)
    raise TypeError(f"{why!r} is no failure")
