"""The connector natively, against an endpoint that follows a script."""

from datetime import timedelta

from liaison_sdk import Merged, Outcome, Unanswered
from liaison_sdk.testing import Prepared, endpoint, event, reply, settings

from training import check, deliver

SESSION = {"title": "Fire drill", "room": "blue hall", "seats": 20, "updated": "2026-05-01T12:00:00Z"}
ROOM = reply(200).json({"name": "Blue Hall", "seats": 30})


def session(**changes: object) -> Prepared:
    settings(calendar="staff")
    return event("session.updated").subject("s/1").data({**SESSION, **changes})


def test_a_new_session_is_created_once_its_room_was_found() -> None:
    run = (
        endpoint()
        .expect("GET /calendars/staff/sessions/s%2F1", reply(404))
        .expect("GET /rooms/blue%20hall", ROOM)
        .expect("POST /calendars/staff/sessions", reply(201).header("location", "/sessions/7"))
        .deliver(deliver, session())
    )
    assert run.rounds == [2, 1]
    assert run.requests[2].json() == {"id": "s/1", **SESSION, "room": "Blue Hall"}
    assert run.outcome == Outcome.delivered(external_id="/sessions/7")


def test_a_session_that_is_there_is_written_over_the_version_that_was_found() -> None:
    run = (
        endpoint()
        .expect("GET /calendars/staff/sessions/s%2F1", reply(200).header("etag", '"3"'))
        .expect("GET /rooms/blue%20hall", ROOM)
        .expect("PUT /calendars/staff/sessions/s%2F1", reply(412).header("etag", '"4"').text('{"title": "theirs"}'))
        .deliver(deliver, session())
    )
    assert run.requests[2].header("if-match") == '"3"'
    reason = "PUT /calendars/staff/sessions/s%2F1 answered 412 Precondition Failed"
    assert run.outcome == Outcome.conflict('"4"', b'{"title": "theirs"}', reason)


def test_what_the_host_merged_is_written_over_the_version_it_was_merged_from() -> None:
    merged = Merged(b'{"title":"Merged","room":"blue hall","seats":2,"updated":"now"}', '"4"')
    run = (
        endpoint()
        .expect("GET /calendars/staff/sessions/s%2F1", reply(200).header("etag", '"5"'))
        .expect("GET /rooms/blue%20hall", ROOM)
        .expect("PUT /calendars/staff/sessions/s%2F1", reply(204))
        .deliver(deliver, session().resolution(merged))
    )
    assert run.requests[2].header("if-match") == '"4"'
    assert run.requests[2].json()["title"] == "Merged"


def test_a_session_too_large_for_its_room_is_rejected() -> None:
    run = (
        endpoint()
        .expect("GET /calendars/staff/sessions/s%2F1", reply(404))
        .expect("GET /rooms/blue%20hall", ROOM)
        .deliver(deliver, session(seats=31))
    )
    assert run.outcome == Outcome.rejected("Blue Hall has 30 seats, not 31")


def test_data_of_another_shape_is_rejected_by_its_key() -> None:
    run = endpoint().deliver(deliver, session(seats="many"))
    assert run.outcome == Outcome.rejected("the event's data: seats: it is str, not int")


def test_a_system_that_is_slow_or_busy_is_asked_again() -> None:
    run = (
        endpoint()
        .expect("GET /calendars/staff/sessions/s%2F1", reply(429).header("retry-after", "7"))
        .expect("GET /rooms/blue%20hall", Unanswered("timed-out"))
        .deliver(deliver, session())
    )
    assert run.outcome == Outcome.retry("GET /rooms/blue%20hall timed out")
    run = endpoint().expect("DELETE /calendars/staff/sessions/s%2F1", reply(429).header("retry-after", "7")).deliver(
        deliver, session().tombstone()
    )
    reason = "DELETE /calendars/staff/sessions/s%2F1 answered 429 Too Many Requests"
    assert run.outcome == Outcome.throttled(timedelta(seconds=7), reason)


def test_a_session_that_is_gone_already_is_skipped() -> None:
    run = (
        endpoint()
        .expect("DELETE /calendars/staff/sessions/s%2F1", reply(404))
        .deliver(deliver, session().tombstone())
    )
    assert run.outcome == Outcome.skipped("the session is gone already")


def test_a_check_asks_for_the_systems_health() -> None:
    run = endpoint().expect("GET /health", reply(401)).check(check)
    assert str(run.outcome) == "Unusable(why='GET /health answered 401 Unauthorized')"
