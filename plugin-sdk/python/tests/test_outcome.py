"""What a connector says of one attempt: the same table as in every SDK."""

from datetime import timedelta

import pytest

from liaison_sdk import (
    Delivery,
    EventFailure,
    Failure,
    Http,
    Outcome,
    OutcomeKind,
    ReplyFailure,
    SettingsFailure,
    Unanswered,
    UnansweredFailure,
)
from liaison_sdk.testing import ScriptedReply, endpoint, event, reply

RECORD = ' {"updatedAt": 1.0} '
URL = "https://user:secret@host/a?key=secret"


async def deliver(delivery: Delivery, http: Http) -> Outcome:
    return Outcome.from_response(await http.put(URL).send())


def outcome_of(answer: ScriptedReply) -> Outcome:
    return endpoint().expect(f"PUT {URL}", answer).deliver(deliver, event("t").now_ms(784_111_777_000)).outcome


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (OutcomeKind.DELIVERED, [200, 201, 202, 204, 226, 299]),
        (OutcomeKind.SKIPPED, [304]),
        (OutcomeKind.DENIED, [401, 403, 407]),
        (OutcomeKind.RETRY, [408, 425, 500, 502, 503, 504, 507, 599]),
        (OutcomeKind.THROTTLED, [429]),
        (OutcomeKind.CONFLICT, [409, 412]),
        (OutcomeKind.REJECTED, [100, 300, 301, 302, 307, 308, 400, 404, 410, 413, 422, 428, 501, 505, 600]),
    ],
)
def test_each_status_has_its_kind(kind: OutcomeKind, statuses: list[int]) -> None:
    assert [OutcomeKind.of_status(status) for status in statuses] == [kind] * len(statuses)


def test_an_answer_becomes_an_outcome_with_all_that_it_tells() -> None:
    created = reply(201).header("location", "/a/7").header("etag", '"7"')
    assert outcome_of(created) == Outcome.delivered("/a/7", '"7"')
    assert outcome_of(reply(204)) == Outcome.delivered()
    assert outcome_of(reply(412).header("etag", '"8"').text('{"title": "theirs"}')) == Outcome.conflict(
        '"8"', b'{"title": "theirs"}', "PUT https://host/a answered 412 Precondition Failed"
    )
    assert outcome_of(reply(307).header("location", "https://elsewhere")) == Outcome.rejected(
        "PUT https://host/a answered 307: redirects are not followed"
    )
    assert outcome_of(reply(422).text(f"no\n\u0007title {'x' * 300}")) == Outcome.rejected(
        f"PUT https://host/a answered 422 Unprocessable Content: no title {'x' * 190}…"
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 06 Nov 1994 08:49:40 GMT", 3),
        ("Sunday, 06-Nov-94 08:49:40 GMT", 3),
        ("Sun Nov  6 08:49:40 1994", 3),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("soon", None),
        ("", None),
        ("-1", None),
    ],
)
def test_a_wait_is_read_in_both_forms(value: str, seconds: int | None) -> None:
    reason = "PUT https://host/a answered 503 Service Unavailable"
    expected = Outcome.retry(reason) if seconds is None else Outcome.retry_after(timedelta(seconds=seconds), reason)
    assert outcome_of(reply(503).header("retry-after", value)) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "has_current"),
    [
        (None, RECORD, True),
        ("application/json", RECORD, True),
        ("Application/JSON; charset=utf-8", RECORD, True),
        ("application/vnd.policy+json", RECORD, True),
        ("application/json", "[1]", True),
        ("application/problem+json", RECORD, False),
        ("application/problem+json; charset=utf-8", RECORD, False),
        ("text/html", RECORD, False),
        ("text/html", "<html>", False),
        (None, "<html>", False),
        ("application/json", '"the version is another"', False),
        ("application/json", "null", False),
        ("application/json", "", False),
        ("application/json", "{", False),
    ],
)
def test_what_is_told_of_a_conflict_is_a_record_and_no_message(
    content_type: str | None, body: str, has_current: bool
) -> None:
    answer = reply(409).text(body)
    if content_type is not None:
        answer = answer.header("content-type", content_type)
    current = body.encode() if has_current else None
    assert outcome_of(answer) == Outcome.conflict(None, current, "PUT https://host/a answered 409 Conflict")


def test_a_wait_may_be_for_ever() -> None:
    waits = reply(429).header("retry-after", "99999999999999999999")
    assert outcome_of(waits) == Outcome.throttled(
        timedelta.max, "PUT https://host/a answered 429 Too Many Requests"
    )


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (UnansweredFailure("PUT /a", Unanswered("timed-out")), Outcome.retry("PUT /a timed out")),
        (
            UnansweredFailure("PUT /a", Unanswered("connection", "refused")),
            Outcome.retry("PUT /a got no answer: refused"),
        ),
        (UnansweredFailure("PUT /a", Unanswered("other", "odd")), Outcome.retry("PUT /a failed: odd")),
        (
            UnansweredFailure("PUT /a", Unanswered("not-allowed", "b")),
            Outcome.rejected("PUT /a is not allowed: b"),
        ),
        (UnansweredFailure("PUT /a", Unanswered("invalid", "b")), Outcome.rejected("PUT /a is not valid: b")),
        (
            UnansweredFailure("PUT /a", Unanswered("too-large", "9")),
            Outcome.rejected("PUT /a was answered with more than 9 bytes"),
        ),
        (
            UnansweredFailure("PUT /a", Unanswered("unsupported", "b")),
            Outcome.rejected("PUT /a is not supported by this host: b"),
        ),
        (SettingsFailure("path: no"), Outcome.denied("settings: path: no")),
        (EventFailure("no id"), Outcome.rejected("no id")),
        (ReplyFailure("no JSON"), Outcome.retry("no JSON")),
    ],
)
def test_a_failure_becomes_the_outcome_that_does_the_least_harm(failure: Failure, outcome: Outcome) -> None:
    async def fails(delivery: Delivery, http: Http) -> Outcome:
        raise failure

    assert endpoint().deliver(fails, event("t")).outcome == outcome
