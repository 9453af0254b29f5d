"""SQL. What a refusal means is in the table of outcomes."""

from datetime import UTC, datetime, timedelta

import pytest

from liaison_sdk import Delivery, Http, Json, Outcome, SqlErrorKind, SqlValue, Texts, Timestamp, join
from liaison_sdk.database import SqlDone, SqlError, SqlRequest, SqlResult, SqlStatement
from liaison_sdk.rounds import Reply
from liaison_sdk.settling import SettleBy
from liaison_sdk.steps import deliver_one
from liaison_sdk.testing import Run, Scripted, affected, endpoint, event, reply, rows

LOOK = "select version, name from people where id = $1"


async def deliver(delivery: Delivery, http: Http) -> Outcome:
    look = http.sql(LOOK).bind("7").timeout(timedelta(seconds=2)).run()
    found, _ = await join(look, http.get("/a").send())
    if found.row is None:
        return Outcome.skipped("nobody")
    version = found.row.get("version", int)
    if version > 3:
        return Outcome.conflict(str(version), None, "newer")
    name = found.row.get_or_none("name", str)
    await http.sql("update people set name = $1").bind(name).and_("delete from old").run()
    return Outcome.delivered()


def run(answer: Scripted) -> Run[Outcome]:
    script = endpoint().expect(f"SQL {LOOK}", answer).expect("GET /a", reply(200))
    return script.deliver(deliver, event("t"))


def test_a_row_is_looked_up_beside_a_request_and_then_two_statements_are_one_transaction() -> None:
    done = (
        endpoint()
        .expect(f"SQL {LOOK}", rows("version", "name").row(3, None))
        .expect("GET /a", reply(200))
        .expect("SQL update people set name = $1; delete from old", affected(1).then(affected(0)))
        .deliver(deliver, event("t"))
    )
    assert (done.outcome, done.rounds) == (Outcome.delivered(), [2, 1])
    look, change = done.transactions
    assert (look.timeout_ms, look.statements[0].parameters) == (2000, ["7"])
    assert change.statements == [
        SqlStatement("update people set name = $1", [None]),
        SqlStatement("delete from old"),
    ]


async def once(delivery: Delivery, http: Http) -> Outcome:
    changed = await http.sql("update a set b = $1").bind(1).run_to_deliver()
    if changed.has_delivered:
        return Outcome.delivered()
    await http.sql("insert into a values ($1)").bind(1).run()
    return Outcome.skipped("it was not there")


def test_a_transaction_that_delivers_is_said_to_and_is_gone_on_from_where_it_does_not() -> None:
    def step(*recorded: list[Reply]) -> object:
        return deliver_one(once, event("t").delivery(), list(recorded))

    def done(*results: SqlResult) -> list[Reply]:
        return [SqlDone(list(results))]

    assert step() == SettleBy(SqlRequest([SqlStatement("update a set b = $1", [1])]))
    changed, nothing, gave = SqlResult(1, [], []), SqlResult(0, [], []), SqlResult(1, ["b"], [[1]])
    assert step(done(changed)) == step(done(changed, changed)) == Outcome.delivered()
    for results in ([], [nothing], [changed, nothing], [gave]):
        assert step(done(*results)) == [SqlRequest([SqlStatement("insert into a values ($1)", [1])])]
    refused = step([SqlError(SqlErrorKind.SERIALIZATION, 0, "40001", "busy")])
    assert refused == Outcome.retry("SQL update a set b = $1 was refused (40001): busy")
    run = endpoint().expect("SQL update a set b = $1", affected(1)).deliver(once, event("t"))
    assert (run.outcome, run.rounds) == (Outcome.delivered(), [1])


def test_what_is_asked_beside_others_delivers_nothing_by_itself() -> None:
    async def both(delivery: Delivery, http: Http) -> Outcome:
        await join(http.sql("update a").run_to_deliver(), http.get("/a").send())
        return Outcome.delivered()

    asked = deliver_one(both, event("t").delivery(), [])
    assert isinstance(asked, list) and len(asked) == 2


def test_a_function_that_does_not_say_what_its_transaction_delivered_fails_its_test() -> None:
    async def silent(delivery: Delivery, http: Http) -> Outcome:
        await http.sql("update a").run_to_deliver()
        return Outcome.skipped("it is there")

    with pytest.raises(AssertionError, match="its transaction has delivered the event, and it says"):
        endpoint().expect("SQL update a", affected(1)).deliver(silent, event("t"))
    run = endpoint().expect("SQL update a", affected(0)).deliver(silent, event("t"))
    assert run.outcome == Outcome.skipped("it is there")


def test_what_a_row_says_decides() -> None:
    assert run(rows("version", "name")).outcome == Outcome.skipped("nobody")
    assert run(rows("version", "name").row(9, "Ada")).outcome == Outcome.conflict("9", None, "newer")
    odd = Outcome.retry(f"SQL {LOOK} gave another type than is wanted in `version`")
    for value in ("nine", True, None, 9.0):
        assert run(rows("version", "name").row(value, "Ada")).outcome == odd
    assert run(rows("name").row("Ada")).outcome == Outcome.retry(f"SQL {LOOK} gave no column `version`")


def test_values_go_in_and_come_out() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    columns = ["flag", "bit", "real", "bytes", "at", "json", "text"]
    held: list[SqlValue] = [True, 0, 0.5, b"\x00", Timestamp(1_767_268_800_000_000), Json('{"a":1}'), "[1]"]

    async def read(delivery: Delivery, http: Http) -> Outcome:
        insert = http.sql("insert").bind(noon).bind(noon.replace(tzinfo=None)).bind({"a": [1]}).bind(-(2**63))
        (await insert.bind(Texts(["a", None])).run())
        row = (await http.sql("select").run()).row
        assert row is not None
        assert (row.get("flag", bool), row.get("bit", bool)) == (True, False)
        assert (row.get("real", float), row.get("bytes", bytes)) == (0.5, b"\x00")
        assert row.get("at", datetime) == noon
        assert (row.json("json"), row.get("json", str), row.json("text", list[int])) == ({"a": 1}, '{"a":1}', [1])
        await http.sql("insert").bind(2**63).run()
        return Outcome.delivered()

    done = (
        endpoint()
        .expect("SQL insert", affected(1))
        .expect("SQL select", rows(*columns).row(*held))
        .deliver(read, event("t"))
    )
    at = Timestamp(1_767_268_800_000_000)
    assert done.transactions[0].statements[0].parameters == [
        at,
        at,
        Json('{"a":[1]}'),
        -(2**63),
        Texts(["a", None]),
    ]
    assert done.outcome == Outcome.rejected(f"{2**63} is no number of 64 bits, which a database could hold")
