/** What a connector says of one attempt: the same table as in every SDK. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
    EventFailure,
    Outcome,
    ReplyFailure,
    SettingsFailure,
    UnansweredFailure,
    type Delivery,
    type Failure,
    type Http,
    type OutcomeKind,
    type Unanswered,
} from "../src/index.js";
import { endpoint, event, reply, type ScriptedReply } from "../src/testing.js";

const URL = "https://user:secret@host/a?key=secret";

async function outcomeOf(answer: ScriptedReply): Promise<Outcome> {
    const deliver = async (_: Delivery, http: Http) => Outcome.fromResponse(await http.put(URL).send());
    const run = await endpoint().expect(`PUT ${URL}`, answer).deliver(deliver, event("t").nowMs(784_111_777_000));
    return run.outcome;
}

test("each status has its kind", () => {
    const table: [OutcomeKind, number[]][] = [
        ["delivered", [200, 201, 202, 204, 226, 299]],
        ["skipped", [304]],
        ["denied", [401, 403, 407]],
        ["retry", [408, 425, 500, 502, 503, 504, 507, 599]],
        ["throttled", [429]],
        ["conflict", [409, 412]],
        ["rejected", [100, 300, 301, 302, 307, 308, 400, 404, 410, 413, 422, 428, 501, 505, 600]],
    ];
    for (const [kind, statuses] of table) {
        for (const status of statuses) {
            assert.equal(Outcome.kindOfStatus(status), kind, String(status));
        }
    }
});

test("an answer becomes an outcome with all that it tells", async () => {
    const created = reply(201).header("location", "/a/7").header("etag", '"7"');
    assert.deepEqual(await outcomeOf(created), Outcome.delivered({ externalId: "/a/7", version: '"7"' }));
    assert.deepEqual(await outcomeOf(reply(204)), Outcome.delivered());
    assert.deepEqual(
        await outcomeOf(reply(412).header("etag", '"8"').text('{"title": "theirs"}')),
        Outcome.conflict(
            '"8"',
            new TextEncoder().encode('{"title": "theirs"}'),
            "PUT https://host/a answered 412 Precondition Failed",
        ),
    );
    assert.deepEqual(
        await outcomeOf(reply(307).header("location", "https://elsewhere")),
        Outcome.rejected("PUT https://host/a answered 307: redirects are not followed"),
    );
    const why = `no title ${"x".repeat(190)}…`;
    assert.deepEqual(
        await outcomeOf(reply(422).text(`no\n\u0007title ${"x".repeat(300)}`)),
        Outcome.rejected(`PUT https://host/a answered 422 Unprocessable Content: ${why}`),
    );
});

test("what is told of a conflict is a record and no message", async () => {
    const record = ' {"updatedAt": 1.0} ';
    const table: [string | undefined, string, boolean][] = [
        [undefined, record, true],
        ["application/json", record, true],
        ["Application/JSON; charset=utf-8", record, true],
        ["application/vnd.policy+json", record, true],
        ["application/json", "[1]", true],
        ["application/problem+json", record, false],
        ["application/problem+json; charset=utf-8", record, false],
        ["text/html", record, false],
        ["text/html", "<html>", false],
        [undefined, "<html>", false],
        ["application/json", '"the version is another"', false],
        ["application/json", "null", false],
        ["application/json", "", false],
        ["application/json", "{", false],
    ];
    for (const [contentType, body, hasCurrent] of table) {
        const answer = contentType ? reply(409).header("content-type", contentType) : reply(409);
        const outcome = await outcomeOf(answer.text(body));
        const current = hasCurrent ? new TextEncoder().encode(body) : undefined;
        assert.deepEqual(
            outcome,
            Outcome.conflict(undefined, current, "PUT https://host/a answered 409 Conflict"),
            `${String(contentType)} ${body}`,
        );
    }
});

test("a wait is read in both forms", async () => {
    const reason = "PUT https://host/a answered 503 Service Unavailable";
    const table: [string, number | undefined][] = [
        ["120", 120_000],
        [" 0 ", 0],
        ["Sun, 06 Nov 1994 08:49:40 GMT", 3_000],
        ["Sunday, 06-Nov-94 08:49:40 GMT", 3_000],
        ["Sun Nov  6 08:49:40 1994", 3_000],
        ["Sun, 06 Nov 1994 08:49:00 GMT", 0],
        ["99999999999999999999", Number.MAX_SAFE_INTEGER],
        ["soon", undefined],
        ["", undefined],
        ["-1", undefined],
    ];
    for (const [value, afterMs] of table) {
        const outcome = await outcomeOf(reply(503).header("retry-after", value));
        assert.deepEqual(outcome, { kind: "retry", reason, afterMs }, value);
    }
    assert.deepEqual(
        await outcomeOf(reply(429).header("retry-after", "2")),
        Outcome.throttled(2_000, "PUT https://host/a answered 429 Too Many Requests"),
    );
});

test("a failure becomes the outcome that does the least harm", async () => {
    const unanswered = (why: Unanswered) => new UnansweredFailure("PUT /a", why);
    const table: [Failure, Outcome][] = [
        [unanswered({ kind: "timed-out" }), Outcome.retry("PUT /a timed out")],
        [unanswered({ kind: "connection", detail: "refused" }), Outcome.retry("PUT /a got no answer: refused")],
        [unanswered({ kind: "other", detail: "odd" }), Outcome.retry("PUT /a failed: odd")],
        [unanswered({ kind: "not-allowed", detail: "b" }), Outcome.rejected("PUT /a is not allowed: b")],
        [unanswered({ kind: "invalid", detail: "b" }), Outcome.rejected("PUT /a is not valid: b")],
        [unanswered({ kind: "too-large", limit: 9 }), Outcome.rejected("PUT /a was answered with more than 9 bytes")],
        [
            unanswered({ kind: "unsupported", detail: "b" }),
            Outcome.rejected("PUT /a is not supported by this host: b"),
        ],
        [new SettingsFailure("path: no"), Outcome.denied("settings: path: no")],
        [new EventFailure("no id"), Outcome.rejected("no id")],
        [new ReplyFailure("no JSON"), Outcome.retry("no JSON")],
    ];
    for (const [failure, outcome] of table) {
        const fails = async () => {
            throw failure;
        };
        assert.deepEqual((await endpoint().deliver(fails, event("t"))).outcome, outcome);
    }
});
