"""Keeps records in a database, as the guest `records` does in Rust."""

import json
from dataclasses import dataclass
from typing import Any

from liaison_sdk import (
    Check,
    Delivery,
    EventFailure,
    Http,
    Outcome,
    RefusedFailure,
    ReplyFailure,
    SettingsFailure,
    SqlErrorKind,
    connector,
    settings,
)

UPSERT = (
    "insert into records (id, name, updated_at) values ({0}) on conflict (id) do update set name = excluded.name, "
    "updated_at = excluded.updated_at where excluded.updated_at > records.updated_at"
)

NEWER = "a newer version has come since it was looked up"


@dataclass
class Settings:
    dialect: str


@dataclass
class Record:
    name: str
    updatedAt: int  # noqa: N815


async def deliver(delivery: Delivery, http: Http) -> Outcome:
    event = delivery.event
    statements = event.attribute("statements")
    if statements is not None:
        return await run(json.loads(statements), http)
    record = event.json(Record)
    places = ["$1", "$2", "$3"] if settings(Settings).dialect == "postgres" else ["?"] * 3
    found = await http.sql(f"select name, updated_at from records where id = {places[0]}").bind(event.id).run()
    if found.row is not None and (version := found.row.get("updated_at", int)) >= record.updatedAt:
        current = json.dumps({"name": found.row.get("name", str), "updatedAt": version}).encode()
        return Outcome.conflict(str(version), current, f"version {version} is there")
    # It may have changed since: the statement looks again.
    write = http.sql(UPSERT.format(", ".join(places))).bind(event.id).bind(record.name).bind(record.updatedAt)
    log = write.and_(f"insert into log (id) values ({places[0]})").bind(delivery.idempotency_key)
    written = await log.run_to_deliver()
    return Outcome.delivered() if written.has_delivered else Outcome.skipped(NEWER)


async def run(statements: list[Any], http: Http) -> Outcome:
    """What an event brings along: texts, or texts with their parameters."""
    transaction = None
    for statement in statements:
        sql, parameters = (statement, []) if isinstance(statement, str) else (statement["sql"], statement["parameters"])
        transaction = http.sql(sql) if transaction is None else transaction.and_(sql)
        for value in parameters:
            transaction = transaction.bind(value)
    if transaction is None:
        raise EventFailure("statements: there are none")
    # The scenarios' events and grants are wrong on purpose: each mistake is a dead letter to read, and holds nobody up.
    try:
        await transaction.run()
    except SettingsFailure as failure:
        return Outcome.rejected(str(failure))
    except RefusedFailure as failure:
        if failure.error.kind is not SqlErrorKind.STATEMENT:
            raise
        return Outcome.rejected(str(failure))
    return Outcome.delivered()


async def check(http: Http) -> Check:
    found = await http.sql("select count(*) as records from records").run()
    if found.row is None:
        raise ReplyFailure("no row came")
    return Check.usable(f"it holds {found.row.get('records', int)} records")


connector(deliver, check)
