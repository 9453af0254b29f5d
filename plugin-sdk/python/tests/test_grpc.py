"""Calls by gRPC. What their answers mean is in the table of outcomes."""

from datetime import timedelta

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


def test_a_server_may_use_its_statuses_in_its_own_way() -> None:
    async def patient(delivery: Delivery, http: Http) -> Outcome:
        return Outcome.of_grpc_kind(OutcomeKind.THROTTLED, await http.grpc("/rooms.Rooms/Book").send())

    answer = grpc_reply(5).metadata("grpc-retry-pushback-ms", "20")
    done = endpoint().expect("gRPC /rooms.Rooms/Book", answer).deliver(patient, event("t"))
    wait = timedelta(milliseconds=20)
    assert done.outcome == Outcome.throttled(wait, "gRPC /rooms.Rooms/Book answered NOT_FOUND")


def test_an_answer_in_another_kind_is_none() -> None:
    other_kind = "gRPC /rooms.Rooms/Book failed: the host answered it in another kind"
    assert run(reply(200)).outcome == Outcome.retry(other_kind)
