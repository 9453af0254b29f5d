"""How an `await` becomes a step."""

import random
import uuid
from itertools import count

import pytest

from liaison_sdk import Delivery, Ending, EventFailure, Http, Outcome, Settling, join, join_all
from liaison_sdk.failure import Unanswered
from liaison_sdk.rounds import Fault, HttpRequest, HttpResponse, Place, Reply
from liaison_sdk.settling import SettleBy
from liaison_sdk.steps import check_one, deliver_one, no_check
from liaison_sdk.testing import NOW_MS, endpoint, event, reply


async def in_turn(http: Http, first: str, second: str) -> str:
    found = (await http.get(first).send()).text
    return (await http.get(f"{second}/{found}").send()).text


async def branches(delivery: Delivery, http: Http) -> Outcome:
    """Two branches of two requests each, and a third that has one."""
    pair = join(in_turn(http, "/a", "/b"), in_turn(http, "/c", "/d"))
    (left, right), _ = await join(pair, http.get("/e").send())
    return Outcome.skipped(left + right)


def test_joined_branches_keep_their_replies_however_often_they_run() -> None:
    run = (
        endpoint()
        .expect("GET /a", reply(200).text("1"))
        .expect("GET /c", reply(200).text("2"))
        .expect("GET /e", reply(200))
        .expect("GET /b/1", reply(200).text("left"))
        .expect("GET /d/2", reply(200).text("right"))
        .deliver(branches, event("t"))
    )
    assert run.rounds == [3, 2]
    assert run.outcome == Outcome.skipped("leftright")


def test_any_number_is_joined_in_order() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        replies = await join_all(http.get(f"/{number}").send() for number in range(3))
        return Outcome.skipped("".join(one.text for one in replies))

    script = endpoint()
    for number, text in enumerate("abc"):
        script.expect(f"GET /{number}", reply(200).text(text))
    run = script.deliver(deliver, event("t"))
    assert (run.outcome, run.rounds) == (Outcome.skipped("abc"), [3])


@pytest.mark.parametrize("lengths", [[0], [1], [4, 0, 2], [3, 3, 1, 0, 4]])
def test_every_branch_gets_its_own_replies(lengths: list[int]) -> None:
    async def branch(http: Http, number: int, length: int) -> None:
        for step in range(length):
            url = f"/{number}/{step}"
            assert (await http.get(url).send()).text == url

    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        await join_all(branch(http, number, length) for number, length in enumerate(lengths))
        return Outcome.delivered()

    script = endpoint()
    for step in range(max(lengths)):
        for number, length in enumerate(lengths):
            if step < length:
                script.expect(f"GET /{number}/{step}", reply(200).text(f"/{number}/{step}"))
    run = script.deliver(deliver, event("t"))
    assert len(run.rounds) == max(lengths)


def test_the_first_failure_is_raised_when_all_have_ended() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        await join(http.get("/a").send(), in_turn(http, "/b", "/c"))
        return Outcome.delivered()

    run = (
        endpoint()
        .expect("GET /a", Unanswered("connection", "refused"))
        .expect("GET /b", reply(200).text("1"))
        .expect("GET /c/1", Unanswered("not-allowed", "no"))
        .deliver(deliver, event("t"))
    )
    assert run.outcome == Outcome.retry("GET /a got no answer: refused")


def test_a_failure_can_be_caught() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        try:
            await http.get("/a").send()
        except Exception as failure:
            return Outcome.skipped(str(failure))
        return Outcome.delivered()

    run = endpoint().expect("GET /a", Unanswered("timed-out")).deliver(deliver, event("t"))
    assert run.outcome == Outcome.skipped("GET /a timed out")


def test_a_body_kept_by_the_host_is_named_by_its_place() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        _, report = await join(http.get("/a").send(), http.get("/report").keep_body().send())
        kept = report.kept_body
        await http.put("/copy").body_of(report).send()
        return Outcome.skipped(f"{kept and kept.length} {len(report.body)}")

    run = (
        endpoint()
        .expect("GET /a", reply(200))
        .expect("GET /report", reply(200).text("long"))
        .expect("PUT /copy", reply(204))
        .deliver(deliver, event("t"))
    )
    assert run.outcome == Outcome.skipped("4 0")
    assert run.requests[2].body == Place(0, 1)


def test_waiting_for_something_foreign_is_a_fault() -> None:
    class Foreign:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield "anything"

    async def alone(delivery: Delivery, http: Http) -> Outcome:
        await Foreign()
        return Outcome.delivered()

    async def joined(delivery: Delivery, http: Http) -> Outcome:
        await join(http.get("/").send(), Foreign())
        return Outcome.delivered()

    for deliver in (alone, joined):
        with pytest.raises(Fault, match="awaits something that is no request"):
            endpoint().deliver(deliver, event("t"))


def test_asking_for_another_number_of_requests_is_a_fault() -> None:
    runs = count(1)

    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        await join_all(http.get("/").send() for _ in range(next(runs)))
        return Outcome.delivered()

    delivery = event("t").delivery()
    first = deliver_one(deliver, delivery, [])
    assert isinstance(first, list) and len(first) == 1
    with pytest.raises(Fault, match="makes 2 requests in round 0 where it made 1 before"):
        deliver_one(deliver, delivery, [[Unanswered("timed-out")]])


def test_ending_before_all_recorded_rounds_is_a_fault() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        return Outcome.delivered()

    async def failing(delivery: Delivery, http: Http) -> Outcome:
        raise EventFailure("no")

    for function in (deliver, failing):
        with pytest.raises(Fault, match="makes 0 requests in round 0 where it made 1 before"):
            deliver_one(function, event("t").delivery(), [[Unanswered("timed-out")]])


def test_returning_no_outcome_is_a_fault() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        return "delivered"  # type: ignore[return-value]

    with pytest.raises(Fault, match="it returned 'delivered'"):
        endpoint().deliver(deliver, event("t"))


def test_random_numbers_are_the_same_whenever_it_runs() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        drawn = f"{random.random()} {uuid.uuid4()} {random.SystemRandom().random()}"
        await http.get("/").send()
        return Outcome.skipped(drawn)

    first = endpoint().expect("GET /", reply(200)).deliver(deliver, event("t"))
    again = endpoint().expect("GET /", reply(200)).deliver(deliver, event("t"))
    assert first.outcome == again.outcome
    # The test's own chance is not touched.
    assert uuid.uuid4() != uuid.uuid4()


def test_a_step_that_comes_out_in_two_ways_fails_its_test() -> None:
    calls = count()

    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        return Outcome.skipped(str(next(calls)))

    with pytest.raises(AssertionError, match="the same step was taken in two ways"):
        endpoint().deliver(deliver, event("t"))


def test_a_script_must_be_followed() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        return Outcome.from_response(await http.get("/a").send())

    with pytest.raises(AssertionError, match="asks for `GET /a`, and the script is at its end"):
        endpoint().deliver(deliver, event("t"))
    with pytest.raises(AssertionError, match="asks for `GET /a`, and the script expects `GET /b`"):
        endpoint().expect("GET /b", reply(200)).deliver(deliver, event("t"))
    with pytest.raises(AssertionError, match="never asked for"):
        endpoint().expect("GET /a", reply(200)).expect("GET /b", reply(200)).deliver(deliver, event("t"))


def test_a_check_without_requests_cannot_tell() -> None:
    assert str(check_one(no_check, NOW_MS, [])) == "Usable(how='this plugin has no check: it cannot tell')"


async def put(delivery: Delivery, http: Http) -> Settling:
    found = await http.get("/a").send()
    return (
        http.put("/a")
        .event_data()
        .settle_or(lambda response: Outcome.skipped(f"{found.status} before, then {response.status}"))
    )


def test_a_function_may_end_with_its_last_request() -> None:
    def step(*rounds: list[Reply]) -> object:
        return deliver_one(put, event("t").delivery(), list(rounds))

    def http(status: int) -> HttpResponse:
        headers = [("etag", "etag"), ("location", "location"), ("ETag", "ETag"), ("location", "other")]
        return HttpResponse(status, headers, b"")

    found: list[Reply] = [http(404)]
    assert isinstance(step(), list)
    asked = step(found)
    assert isinstance(asked, SettleBy) and isinstance(asked.effect, HttpRequest) and asked.effect.method == "PUT"
    replies: list[tuple[Reply, Outcome]] = [
        (http(200), Outcome.delivered("location", "etag")),
        (http(299), Outcome.delivered("location", "etag")),
        (http(300), Outcome.skipped("404 before, then 300")),
        (http(199), Outcome.skipped("404 before, then 199")),
        (Unanswered("timed-out"), Outcome.retry("PUT /a timed out")),
    ]
    for reply, outcome in replies:
        assert step(found, [reply]) == outcome
    for wrong, where in [([http(200), http(200)], "makes 1 requests in round 1"), ([], "makes 1 requests in round 1")]:
        with pytest.raises(Fault, match=where):
            step(found, [*wrong])
    with pytest.raises(Fault, match="makes 0 requests in round 2"):
        step(found, [http(200)], [http(200)])


def test_a_function_that_judges_its_last_answer_may_fail() -> None:
    def fail(_: object) -> Outcome:
        raise EventFailure("never")

    async def deliver(delivery: Delivery, http: Http) -> Ending:
        return http.put("/a").settle_or(fail)

    assert endpoint().expect("PUT /a", reply(204)).deliver(deliver, event("t")).outcome == Outcome.delivered()
    assert endpoint().expect("PUT /a", reply(400)).deliver(deliver, event("t")).outcome == Outcome.rejected("never")
