/** SQL. What a refusal means is in the table of outcomes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { join, Outcome, Texts, type Delivery, type Http, type SqlValue } from "../src/index.js";
import type { SqlResult } from "../src/database.js";
import type { Reply } from "../src/rounds.js";
import { beginDelivery, type Deliver } from "../src/steps.js";
import { affected, endpoint, event, reply, rows } from "../src/testing.js";

const LOOK = "select version, name from people where id = $1";

async function deliver(_: Delivery, http: Http): Promise<Outcome> {
    const [found] = await join(http.sql(LOOK).bind("7").timeoutMs(2_000).run(), http.get("/a").send());
    const { row } = found;
    if (row === undefined) {
        return Outcome.skipped("nobody");
    }
    if (row.number("version") > 3) {
        return Outcome.conflict(String(row.bigint("version")), undefined, "newer");
    }
    const name = row.isNull("name") ? null : row.text("name");
    await http.sql("update people set name = $1").bind(name).and("delete from old").run();
    return Outcome.delivered();
}

async function outcomeOf(answer: Parameters<ReturnType<typeof endpoint>["expect"]>[1]): Promise<Outcome> {
    const script = endpoint().expect(`SQL ${LOOK}`, answer).expect("GET /a", reply(200));
    return (await script.deliver(deliver, event("t"))).outcome;
}

test("a row is looked up beside a request and then two statements are one transaction", async () => {
    const run = await endpoint()
        .expect(`SQL ${LOOK}`, rows("version", "name").row(3n, null))
        .expect("GET /a", reply(200))
        .expect("SQL update people set name = $1; delete from old", affected(1).and(affected(0)))
        .deliver(deliver, event("t"));
    assert.deepEqual([run.outcome, run.rounds], [Outcome.delivered(), [2, 1]]);
    const [look, change] = run.transactions;
    assert.deepEqual([look?.timeoutMs, look?.statements[0]?.parameters], [2_000, ["7"]]);
    assert.deepEqual(change?.statements, [
        { sql: "update people set name = $1", parameters: [null] },
        { sql: "delete from old", parameters: [] },
    ]);
});

async function once(_: Delivery, http: Http): Promise<Outcome> {
    const changed = await http.sql("update a set b = $1").bind(1).runToDeliver();
    if (changed.hasDelivered) {
        return Outcome.delivered();
    }
    await http.sql("insert into a values ($1)").bind(1).run();
    return Outcome.skipped("it was not there");
}

/** One step, with this recorded of the only round. */
async function step(deliver: Deliver, ...recorded: Reply[]): Promise<unknown> {
    const running = beginDelivery(deliver, event("t").delivery(), recorded.length === 0 ? [] : [recorded]);
    for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        const progress = running.next();
        if (progress !== undefined) {
            return progress;
        }
    }
}

test("a transaction that delivers is said to and is gone on from where it does not", async () => {
    const done = (...results: SqlResult[]): Reply => ({ sql: { done: results } });
    const transaction = (sql: string) => ({ sql: { statements: [{ sql, parameters: [1n] }], timeoutMs: undefined } });
    assert.deepEqual(await step(once), { settlesBy: transaction("update a set b = $1") });
    const changed = { affected: 1, columns: [], rows: [] };
    const nothing = { affected: 0, columns: [], rows: [] };
    const gave = { affected: 1, columns: ["b"], rows: [[1n]] };
    for (const results of [[changed], [changed, changed]]) {
        assert.deepEqual(await step(once, done(...results)), { ended: Outcome.delivered() });
    }
    for (const results of [[], [nothing], [changed, nothing], [gave]]) {
        assert.deepEqual(await step(once, done(...results)), { asks: [transaction("insert into a values ($1)")] });
    }
    const refusal = { kind: "serialization", statement: 0, code: "40001", message: "busy", constraint: undefined } as const;
    const busy = Outcome.retry("SQL update a set b = $1 was refused (40001): busy");
    assert.deepEqual(await step(once, { sql: { refused: refusal } }), { ended: busy });
    const run = await endpoint().expect("SQL update a set b = $1", affected(1)).deliver(once, event("t"));
    assert.deepEqual([run.outcome, run.rounds], [Outcome.delivered(), [1]]);
});

test("what is asked beside others delivers nothing by itself", async () => {
    async function both(_: Delivery, http: Http): Promise<Outcome> {
        await join(http.sql("update a").runToDeliver(), http.get("/a").send());
        return Outcome.delivered();
    }
    const { asks } = (await step(both)) as { asks: unknown[] };
    assert.equal(asks.length, 2);
});

test("a function that does not say what its transaction delivered fails its test", async () => {
    async function silent(_: Delivery, http: Http): Promise<Outcome> {
        await http.sql("update a").runToDeliver();
        return Outcome.skipped("it is there");
    }
    const run = (changed: number) => endpoint().expect("SQL update a", affected(changed)).deliver(silent, event("t"));
    await assert.rejects(run(1), /its transaction has delivered the event, and it says/);
    assert.deepEqual((await run(0)).outcome, Outcome.skipped("it is there"));
});

test("what a row says decides", async () => {
    const found = rows("version", "name");
    assert.deepEqual(await outcomeOf(found), Outcome.skipped("nobody"));
    assert.deepEqual(await outcomeOf(found.row(9n, "Ada")), Outcome.conflict("9", undefined, "newer"));
    const odd = Outcome.retry(`SQL ${LOOK} gave another type than is wanted in \`version\``);
    for (const value of ["nine", true, null, 2n ** 60n]) {
        assert.deepEqual(await outcomeOf(found.row(value, "Ada")), odd, String(value));
    }
    assert.deepEqual(
        await outcomeOf(rows("name").row("Ada")),
        Outcome.retry(`SQL ${LOOK} gave no column \`version\``),
    );
});

test("values go in and come out", async () => {
    const noon = new Date("2026-01-01T12:00:00Z");
    const at = { microseconds: 1_767_268_800_000_000n };
    const held: SqlValue[] = [true, 0n, 0.5, new Uint8Array([0]), at, { json: '{"a":1}' }, "[1]"];
    const texts = new Texts(["a", null]);
    async function read(_: Delivery, http: Http): Promise<Outcome> {
        await http.sql("insert").bind(noon).bind({ a: [1] }).bind(3).bind(0.5).bind(undefined).bind(-(2n ** 63n)).bind(texts).run();
        const { row } = await http.sql("select").run();
        assert(row !== undefined);
        assert.deepEqual([row.boolean("flag"), row.boolean("bit")], [true, false]);
        assert.deepEqual([row.number("real"), row.bytes("bytes")], [0.5, new Uint8Array([0])]);
        assert.deepEqual(row.date("at"), noon);
        assert.deepEqual([row.json("json"), row.text("json"), row.json("text")], [{ a: 1 }, '{"a":1}', [1]]);
        await http.sql("insert").bind(2n ** 63n).run();
        return Outcome.delivered();
    }
    const run = await endpoint()
        .expect("SQL insert", affected(1))
        .expect("SQL select", rows("flag", "bit", "real", "bytes", "at", "json", "text").row(...held))
        .deliver(read, event("t"));
    assert.deepEqual(run.transactions[0]?.statements[0]?.parameters, [
        at,
        { json: '{"a":[1]}' },
        3n,
        0.5,
        null,
        -(2n ** 63n),
        texts,
    ]);
    const why = `${2n ** 63n} is no number of 64 bits, which a database could hold`;
    assert.deepEqual(run.outcome, Outcome.rejected(why));
});
