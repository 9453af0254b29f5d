"""What a connector says of one attempt, by the table that all SDKs share."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from liaison_sdk import (
    Check,
    Delivery,
    EventFailure,
    Failure,
    Http,
    Outcome,
    OutcomeKind,
    ReplyFailure,
    Retry,
    SettingsFailure,
    SqlErrorKind,
    Throttled,
    Unanswered,
    Usable,
)
from liaison_sdk.outcome import wait_ms
from liaison_sdk.testing import Scripted, ScriptedReply, endpoint, event, grpc_reply, reply, sql_error

TABLE: dict[str, Any] = json.loads(Path(__file__, "../../../outcomes.json").resolve().read_bytes())

URL = "https://user:secret@host/a?key=secret"
ASKED = {"http": "PUT https://host/a", "grpc": "gRPC /rooms.Rooms/Book", "sql": "SQL update a set b = $1"}


def outcome_of(protocol: str, answer: Scripted | Unanswered) -> Outcome:
    """What comes of this answer to a request of this protocol."""

    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        match protocol:
            case "http":
                return Outcome.from_response(await http.put(URL).send())
            case "grpc":
                return Outcome.from_grpc(await http.grpc("/rooms.Rooms/Book").send())
            case _:
                await http.sql("update a set b = $1").bind(1).run()
                return Outcome.delivered()

    call = f"PUT {URL}" if protocol == "http" else ASKED[protocol]
    # 1994-11-06T08:49:37Z
    return endpoint().expect(call, answer).deliver(deliver, event("t").now_ms(784_111_777_000)).outcome


def kind_of(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()


def written(outcome: Outcome) -> dict[str, Any]:
    """As the table writes it."""
    held = {name.replace("_", "-"): value for name, value in vars(outcome).items() if value is not None}
    if "after" in held:
        held["after-ms"] = wait_ms(held.pop("after"))
    if "current" in held:
        held["current"] = held["current"].decode()
    return {"kind": kind_of(outcome), **held}


def with_body(answer: ScriptedReply, body: str | list[int] | None) -> ScriptedReply:
    return answer.text(body) if isinstance(body, str) else answer.bytes(bytes(body or []))


def http_reply(row: dict[str, Any]) -> ScriptedReply:
    answer = reply(row["status"])
    for name, value in row.get("headers", {}).items():
        answer = answer.header(name, value)
    return with_body(answer, row.get("body"))


@pytest.mark.parametrize(("protocol", "kinds"), TABLE["kinds"].items())
def test_each_status_and_each_refusal_has_its_kind(protocol: str, kinds: dict[str, list[Any]]) -> None:
    for kind, codes in kinds.items():
        for code in codes:
            match protocol:
                case "http":
                    named, answer = OutcomeKind.of_status(code), outcome_of(protocol, reply(code))
                case "grpc":
                    named, answer = OutcomeKind.of_grpc_status(code), outcome_of(protocol, grpc_reply(code))
                case _:
                    refusal = SqlErrorKind(code)
                    named, answer = OutcomeKind.of_sql(refusal), outcome_of(protocol, sql_error(refusal, "", "no"))
            assert (code, named.value, kind_of(answer)) == (code, kind, kind)


def test_a_check_takes_what_answers_for_usable() -> None:
    async def check(http: Http) -> Check:
        return Check.from_response(await http.get("/health").send())

    for name, statuses in TABLE["checks"].items():
        for status in statuses:
            found = endpoint().expect("GET /health", reply(status)).check(check).outcome
            assert isinstance(found, Usable) == (name == "usable"), status


@pytest.mark.parametrize("row", TABLE["answers"])
def test_an_answer_becomes_an_outcome_with_all_that_it_tells(row: dict[str, Any]) -> None:
    if "http" in row:
        found = outcome_of("http", http_reply(row["http"]))
    elif "grpc" in row:
        message = row["grpc"].get("message", "")
        found = outcome_of("grpc", grpc_reply(row["grpc"]["status"]).status_message(message))
    else:
        told = row["sql"]
        found = outcome_of("sql", sql_error(SqlErrorKind(told["kind"]), told.get("code", ""), told["message"]))
    assert written(found) == row["outcome"]


@pytest.mark.parametrize("row", TABLE["records"])
def test_what_is_told_of_a_conflict_is_a_record_and_no_message(row: dict[str, Any]) -> None:
    answer = with_body(reply(409), row["body"])
    if "type" in row:
        answer = answer.header("content-type", row["type"])
    outcome = written(outcome_of("http", answer))
    assert outcome.get("current") == (row["body"] if row["is-current"] else None)


@pytest.mark.parametrize("row", TABLE["lines"])
def test_what_was_asked_is_told_without_secrets(row: dict[str, Any]) -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        await http.put(row["url"]).send()
        return Outcome.delivered()

    run = endpoint().expect(f"PUT {row['url']}", Unanswered("timed-out")).deliver(deliver, event("t"))
    assert run.outcome == Outcome.retry(f"{row['line']} timed out")


@pytest.mark.parametrize("row", TABLE["retry-after"])
def test_a_wait_is_read_in_both_forms_and_passed_on(row: dict[str, Any]) -> None:
    for status in (429, 503):
        outcome = outcome_of("http", reply(status).header("retry-after", row["value"]))
        assert isinstance(outcome, Retry | Throttled)
        if row.get("for-ever"):
            assert outcome.after is not None and outcome.after > timedelta(days=36_500)
        else:
            assert written(outcome).get("after-ms") == row.get("after-ms")


@pytest.mark.parametrize("row", TABLE["pushback"])
def test_what_is_exhausted_is_throttled_only_where_the_server_pushes_back(row: dict[str, Any]) -> None:
    for status in (8, 14):
        answer = grpc_reply(status)
        for name, key in (("grpc-retry-pushback-ms", "pushback"), ("grpc-status-details-bin", "details")):
            answer = answer.metadata(name, row[key]) if key in row else answer
        found = written(outcome_of("grpc", answer))
        kind = "throttled" if status == 8 and row.get("after-ms") else "retry"
        assert (found["kind"], found.get("after-ms")) == (kind, row.get("after-ms"))


@pytest.mark.parametrize("row", TABLE["unanswered"])
def test_what_has_no_answer_does_the_least_harm(row: dict[str, Any]) -> None:
    for protocol in row.get("of", ASKED):
        reason = row.get("whole-reason") or f"{ASKED[protocol]} {row['reason']}"
        found = outcome_of(protocol, Unanswered(row["why"], row.get("detail", "")))
        assert written(found) == {"kind": row["outcome"], "reason": reason}


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (SettingsFailure("path: no"), Outcome.denied("settings: path: no")),
        (EventFailure("no id"), Outcome.rejected("no id")),
        (ReplyFailure("no JSON"), Outcome.retry("no JSON")),
    ],
)
def test_a_failure_becomes_the_outcome_that_does_the_least_harm(failure: Failure, outcome: Outcome) -> None:
    async def fails(delivery: Delivery, http: Http) -> Outcome:
        raise failure

    assert endpoint().deliver(fails, event("t")).outcome == outcome
