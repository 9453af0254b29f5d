/** Keeps records in a database, as the guest `records` does in Rust. */

import {
    Check,
    connector,
    EventFailure,
    Outcome,
    RefusedFailure,
    ReplyFailure,
    settings,
    SettingsFailure,
    type Delivery,
    type Http,
    type Sql,
} from "liaison-sdk";

interface Statement {
    readonly sql: string;
    readonly parameters: readonly (string | number | boolean | null)[];
}

const UPSERT =
    "on conflict (id) do update set name = excluded.name, updated_at = excluded.updated_at " +
    "where excluded.updated_at > records.updated_at";

const NEWER = "a newer version has come since it was looked up";

async function deliver(delivery: Delivery, http: Http): Promise<Outcome> {
    const event = delivery.event;
    const statements = event.attribute("statements");
    if (statements !== undefined) {
        return run(JSON.parse(statements) as (string | Statement)[], http);
    }
    const record = event.json() as { name: string; updatedAt: number };
    const dialect = (settings() as { dialect: string }).dialect;
    const [first, second, third] = dialect === "postgres" ? ["$1", "$2", "$3"] : ["?", "?", "?"];
    const found = await http.sql(`select name, updated_at from records where id = ${first}`).bind(event.id).run();
    const row = found.row;
    if (row !== undefined && row.number("updated_at") >= record.updatedAt) {
        const version = row.number("updated_at");
        const current = JSON.stringify({ name: row.text("name"), updatedAt: version });
        return Outcome.conflict(`${version}`, new TextEncoder().encode(current), `version ${version} is there`);
    }
    // It may have changed since: the statement looks again.
    const written = await http
        .sql(`insert into records (id, name, updated_at) values (${first}, ${second}, ${third}) ${UPSERT}`)
        .bind(event.id)
        .bind(record.name)
        .bind(record.updatedAt)
        .and(`insert into log (id) values (${first})`)
        .bind(delivery.idempotencyKey)
        .runToDeliver();
    return written.hasDelivered ? Outcome.delivered() : Outcome.skipped(NEWER);
}

/** What an event brings along: texts, or texts with their parameters. */
async function run(statements: readonly (string | Statement)[], http: Http): Promise<Outcome> {
    let transaction: Sql | undefined;
    for (const statement of statements) {
        const { sql, parameters } = typeof statement === "string" ? { sql: statement, parameters: [] } : statement;
        transaction = transaction === undefined ? http.sql(sql) : transaction.and(sql);
        for (const value of parameters) {
            transaction = transaction.bind(value);
        }
    }
    if (transaction === undefined) {
        throw new EventFailure("statements: there are none");
    }
    // The scenarios' events and grants are wrong on purpose: each mistake is a dead letter to read, and holds nobody up.
    try {
        await transaction.run();
    } catch (failure) {
        if (
            failure instanceof SettingsFailure ||
            (failure instanceof RefusedFailure && failure.error.kind === "statement")
        ) {
            return Outcome.rejected(failure.message);
        }
        throw failure;
    }
    return Outcome.delivered();
}

async function check(http: Http): Promise<Check> {
    const row = (await http.sql("select count(*) as records from records").run()).row;
    if (row === undefined) {
        throw new ReplyFailure("no row came");
    }
    return Check.usable(`it holds ${row.number("records")} records`);
}

connector(deliver, check);
