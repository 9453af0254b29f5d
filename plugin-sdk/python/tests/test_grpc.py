"""Calls by gRPC: the same table as in every SDK."""

from datetime import timedelta

import pytest

from liaison_sdk import Delivery, Http, Outcome, OutcomeKind, Unanswered, join
from liaison_sdk.rounds import GrpcRequest
from liaison_sdk.testing import Run, ScriptedGrpcReply, ScriptedReply, endpoint, event, grpc_reply, reply


async def deliver(delivery: Delivery, http: Http) -> Outcome:
    call = http.grpc("/rooms.Rooms/Book").metadata("x-tenant", "north").message(b"room")
    answer, _ = await join(call.timeout(timedelta(seconds=2)).send(), http.get("/a").send())
    if answer.metadata("X-Kind") == "own":
        return Outcome.skipped(answer.message.decode())
    return Outcome.from_grpc(answer)


def run(answer: ScriptedReply | ScriptedGrpcReply | Unanswered) -> Run[Outcome]:
    script = endpoint().expect("gRPC /rooms.Rooms/Book", answer).expect("GET /a", reply(200))
    return script.deliver(deliver, event("t"))


def test_a_call_goes_beside_a_request_and_its_answer_is_read() -> None:
    done = run(grpc_reply(0).metadata("x-kind", "own").message(b"done"))
    assert (done.outcome, done.rounds) == (Outcome.skipped("done"), [2])
    assert done.grpc_calls == [GrpcRequest("/rooms.Rooms/Book", [("x-tenant", "north")], b"room", 2000)]
    assert [request.url for request in done.requests] == ["/a"]


KINDS = "delivered retry retry rejected retry rejected conflict denied retry conflict conflict rejected rejected retry"
MORE_KINDS = "retry rejected denied rejected"


@pytest.mark.parametrize(("status", "kind"), enumerate(f"{KINDS} {MORE_KINDS}".split()))
def test_each_status_has_its_kind(status: int, kind: str) -> None:
    assert OutcomeKind.of_grpc_status(status) == OutcomeKind(kind)
    outcome = run(grpc_reply(status).status_message("no")).outcome
    assert type(outcome).__name__.lower() == kind


def test_what_is_exhausted_is_throttled_only_where_the_server_pushes_back() -> None:
    def said(status: int, pushback: str) -> Outcome:
        return run(grpc_reply(status).metadata("grpc-retry-pushback-ms", pushback)).outcome

    exhausted = "gRPC /rooms.Rooms/Book answered RESOURCE_EXHAUSTED"
    assert said(8, " 1500 ") == Outcome.throttled(timedelta(milliseconds=1500), exhausted)
    for never in ["-1", "soon", "", "99999999999999999999"]:
        assert said(8, never) == Outcome.retry(exhausted)
    assert said(8, "0") == Outcome.retry_after(timedelta(0), exhausted)
    unavailable = "gRPC /rooms.Rooms/Book answered UNAVAILABLE"
    assert said(14, "20") == Outcome.retry_after(timedelta(milliseconds=20), unavailable)


def test_an_outcome_says_what_was_answered() -> None:
    refused = run(grpc_reply(3).status_message("no such room")).outcome
    assert refused == Outcome.rejected("gRPC /rooms.Rooms/Book answered INVALID_ARGUMENT: no such room")
    assert run(grpc_reply(17)).outcome == Outcome.rejected("gRPC /rooms.Rooms/Book answered status 17")
    assert run(Unanswered("timed-out")).outcome == Outcome.retry("gRPC /rooms.Rooms/Book timed out")
    other_kind = "gRPC /rooms.Rooms/Book failed: the host answered it in another kind"
    assert run(reply(200)).outcome == Outcome.retry(other_kind)
