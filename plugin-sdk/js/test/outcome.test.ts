/** What a connector says of one attempt, by the table that all SDKs share. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

import {
    Check,
    EventFailure,
    Outcome,
    ReplyFailure,
    SettingsFailure,
    type Delivery,
    type Failure,
    type Http,
    type OutcomeKind,
    type SqlErrorKind,
    type Unanswered,
} from "../src/index.js";
import { endpoint, event, grpcReply, reply, sqlError, type Scripted, type ScriptedReply } from "../src/testing.js";

type Protocol = "http" | "grpc" | "sql";
type Body = string | number[] | undefined;

interface Table {
    kinds: { http: Record<OutcomeKind, number[]>; grpc: Record<OutcomeKind, number[]>; sql: Record<OutcomeKind, SqlErrorKind[]> };
    checks: { usable: number[]; unusable: number[] };
    answers: {
        http?: { status: number; headers?: Record<string, string>; body?: Body };
        grpc?: { status: number; message?: string };
        sql?: { kind: SqlErrorKind; code?: string; message: string };
        outcome: object;
    }[];
    records: { type?: string; body: Body; "is-current": boolean }[];
    lines: { url: string; line: string }[];
    "retry-after": { value: string; "after-ms"?: number; "for-ever"?: true }[];
    pushback: { pushback?: string; details?: string; "after-ms"?: number }[];
    unanswered: {
        why: Unanswered["kind"];
        detail?: string;
        of?: Protocol[];
        outcome: OutcomeKind;
        reason?: string;
        "whole-reason"?: string;
    }[];
}

/** It lies beside the SDKs; where this one is copied to be built, beside the copy's sources. */
const place = ["../outcomes.json", "../../outcomes.json"]
    .map((path) => new URL(path, import.meta.url))
    .find((path) => existsSync(path));
assert(place !== undefined);
const table = JSON.parse(readFileSync(place, "utf8")) as Table;

const URL_ASKED = "https://user:secret@host/a?key=secret";
const ASKED = { http: "PUT https://host/a", grpc: "gRPC /rooms.Rooms/Book", sql: "SQL update a set b = $1" };
const FOR_EVER_MS = 100 * 365 * 86_400_000;

const by = {
    http: async (_: Delivery, http: Http) => Outcome.fromResponse(await http.put(URL_ASKED).send()),
    grpc: async (_: Delivery, http: Http) => Outcome.fromGrpc(await http.grpc("/rooms.Rooms/Book").send()),
    sql: async (_: Delivery, http: Http) => {
        await http.sql("update a set b = $1").bind(1).run();
        return Outcome.delivered();
    },
};

/** What comes of this answer to a request of this protocol. */
async function outcomeOf(protocol: Protocol, answer: Scripted | Unanswered): Promise<Outcome> {
    const call = protocol === "http" ? `PUT ${URL_ASKED}` : ASKED[protocol];
    // 1994-11-06T08:49:37Z
    const prepared = event("t").nowMs(784_111_777_000);
    return (await endpoint().expect(call, answer).deliver(by[protocol], prepared)).outcome;
}

/** As the table writes it. */
function written(outcome: Outcome): Record<string, unknown> {
    const names: Record<string, string> = { afterMs: "after-ms", externalId: "external-id" };
    const held = Object.entries(outcome).filter(([, value]) => value !== undefined);
    return Object.fromEntries(
        held.map(([name, value]) => [
            names[name] ?? name,
            value instanceof Uint8Array ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(value) : (value as unknown),
        ]),
    );
}

function withBody(answer: ScriptedReply, body: Body): ScriptedReply {
    return typeof body === "string" ? answer.text(body) : answer.bytes(Uint8Array.from(body ?? []));
}

test("each status and each refusal has its kind", async () => {
    for (const [kind, statuses] of Object.entries(table.kinds.http)) {
        for (const status of statuses) {
            assert.equal(Outcome.kindOfStatus(status), kind, String(status));
            assert.equal((await outcomeOf("http", reply(status))).kind, kind, String(status));
        }
    }
    for (const [kind, statuses] of Object.entries(table.kinds.grpc)) {
        for (const status of statuses) {
            assert.equal(Outcome.kindOfGrpcStatus(status), kind, String(status));
            assert.equal((await outcomeOf("grpc", grpcReply(status))).kind, kind, String(status));
        }
    }
    for (const [kind, refusals] of Object.entries(table.kinds.sql)) {
        for (const refusal of refusals) {
            assert.equal(Outcome.kindOfSql(refusal), kind, refusal);
            assert.equal((await outcomeOf("sql", sqlError(refusal, "", "no"))).kind, kind, refusal);
        }
    }
});

test("a check takes what answers for usable", async () => {
    const check = async (http: Http) => Check.fromResponse(await http.get("/health").send());
    for (const [kind, statuses] of Object.entries(table.checks)) {
        for (const status of statuses) {
            const run = await endpoint().expect("GET /health", reply(status)).check(check);
            assert.equal(run.outcome.kind, kind, String(status));
        }
    }
});

test("an answer becomes an outcome with all that it tells", async () => {
    for (const { http, grpc, sql, outcome } of table.answers) {
        let found: Outcome;
        if (http !== undefined) {
            const headers = Object.entries(http.headers ?? {});
            const answer = headers.reduce((answer, [name, value]) => answer.header(name, value), reply(http.status));
            found = await outcomeOf("http", withBody(answer, http.body));
        } else if (grpc !== undefined) {
            found = await outcomeOf("grpc", grpcReply(grpc.status).statusMessage(grpc.message ?? ""));
        } else {
            assert(sql !== undefined);
            found = await outcomeOf("sql", sqlError(sql.kind, sql.code ?? "", sql.message));
        }
        assert.deepEqual(written(found), outcome);
    }
});

test("what is told of a conflict is a record and no message", async () => {
    for (const row of table.records) {
        const answer = row.type === undefined ? reply(409) : reply(409).header("content-type", row.type);
        const outcome = written(await outcomeOf("http", withBody(answer, row.body)));
        assert.equal(outcome.current, row["is-current"] ? row.body : undefined, JSON.stringify(row));
    }
});

test("what was asked is told without secrets", async () => {
    for (const { url, line } of table.lines) {
        const deliver = async (_: Delivery, http: Http) => Outcome.fromResponse(await http.put(url).send());
        const run = await endpoint().expect(`PUT ${url}`, { kind: "timed-out" }).deliver(deliver, event("t"));
        assert.deepEqual(run.outcome, Outcome.retry(`${line} timed out`));
    }
});

test("a wait is read in both forms and passed on", async () => {
    for (const row of table["retry-after"]) {
        for (const status of [429, 503]) {
            const after = written(await outcomeOf("http", reply(status).header("retry-after", row.value)))["after-ms"];
            if (row["for-ever"]) {
                assert(Number(after) > FOR_EVER_MS, row.value);
            } else {
                assert.equal(after, row["after-ms"], row.value);
            }
        }
    }
});

test("what is exhausted is throttled only where the server pushes back", async () => {
    for (const row of table.pushback) {
        for (const status of [8, 14]) {
            let answer = grpcReply(status);
            answer = row.pushback === undefined ? answer : answer.metadata("grpc-retry-pushback-ms", row.pushback);
            answer = row.details === undefined ? answer : answer.metadata("grpc-status-details-bin", row.details);
            const found = written(await outcomeOf("grpc", answer));
            const isThrottled = status === 8 && (row["after-ms"] ?? 0) > 0;
            assert.equal(found.kind, isThrottled ? "throttled" : "retry", JSON.stringify(row));
            assert.equal(found["after-ms"], row["after-ms"], JSON.stringify(row));
        }
    }
});

test("what has no answer does the least harm", async () => {
    for (const row of table.unanswered) {
        for (const protocol of row.of ?? (Object.keys(ASKED) as Protocol[])) {
            const reason = row["whole-reason"] ?? `${ASKED[protocol]} ${row.reason}`;
            const why = { kind: row.why, detail: row.detail ?? "", limit: Number(row.detail) } as Unanswered;
            assert.deepEqual(written(await outcomeOf(protocol, why)), { kind: row.outcome, reason }, protocol);
        }
    }
});

test("a failure becomes the outcome that does the least harm", async () => {
    const failures: [Failure, Outcome][] = [
        [new SettingsFailure("path: no"), Outcome.denied("settings: path: no")],
        [new EventFailure("no id"), Outcome.rejected("no id")],
        [new ReplyFailure("no JSON"), Outcome.retry("no JSON")],
    ];
    for (const [failure, outcome] of failures) {
        const fails = async () => {
            throw failure;
        };
        assert.deepEqual((await endpoint().deliver(fails, event("t"))).outcome, outcome);
    }
});
