/** The connector in Node, against an endpoint that follows a script. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Check, Outcome } from "liaison-sdk";
import { endpoint, event, reply, settings, type Prepared } from "liaison-sdk/testing";

import { check, deliver } from "../src/training.js";

const SESSION = { title: "Fire drill", room: "blue hall", seats: 20, updated: "2026-05-01T12:00:00Z" };
const ROOM = reply(200).json({ name: "Blue Hall", seats: 30 });
const URL = "/calendars/staff/sessions/s%2F1";

function session(changes: object = {}): Prepared {
    settings({ calendar: "staff" });
    return event("session.updated").subject("s/1").data({ ...SESSION, ...changes });
}

test("a new session is created once its room was found", async () => {
    const run = await endpoint()
        .expect(`GET ${URL}`, reply(404))
        .expect("GET /rooms/blue%20hall", ROOM)
        .expect("POST /calendars/staff/sessions", reply(201).header("location", "/sessions/7"))
        .deliver(deliver, session());
    assert.deepEqual(run.rounds, [2, 1]);
    assert.deepEqual(run.requests[2]?.json(), { id: "s/1", ...SESSION, room: "Blue Hall" });
    assert.deepEqual(run.outcome, Outcome.delivered({ externalId: "/sessions/7" }));
});

test("a session that is there is written over the version that was found", async () => {
    const run = await endpoint()
        .expect(`GET ${URL}`, reply(200).header("etag", '"3"'))
        .expect("GET /rooms/blue%20hall", ROOM)
        .expect(`PUT ${URL}`, reply(412).header("etag", '"4"').text('{"title": "theirs"}'))
        .deliver(deliver, session());
    assert.equal(run.requests[2]?.header("if-match"), '"3"');
    const reason = `PUT ${URL} answered 412 Precondition Failed`;
    const current = new TextEncoder().encode('{"title": "theirs"}');
    assert.deepEqual(run.outcome, Outcome.conflict('"4"', current, reason));
});

test("what the host merged is written over the version it was merged from", async () => {
    const data = new TextEncoder().encode('{"title":"Merged","room":"blue hall","seats":2,"updated":"now"}');
    const run = await endpoint()
        .expect(`GET ${URL}`, reply(200).header("etag", '"5"'))
        .expect("GET /rooms/blue%20hall", ROOM)
        .expect(`PUT ${URL}`, reply(204))
        .deliver(deliver, session().resolution({ kind: "merged", data, version: '"4"' }));
    assert.equal(run.requests[2]?.header("if-match"), '"4"');
    assert.equal((run.requests[2]?.json() as { title: string }).title, "Merged");
});

test("a session too large for its room is rejected", async () => {
    const run = await endpoint()
        .expect(`GET ${URL}`, reply(404))
        .expect("GET /rooms/blue%20hall", ROOM)
        .deliver(deliver, session({ seats: 31 }));
    assert.deepEqual(run.outcome, Outcome.rejected("Blue Hall has 30 seats, not 31"));
});

test("data of another shape is rejected by its key", async () => {
    const run = await endpoint().deliver(deliver, session({ seats: "many" }));
    const why = 'the event\'s data: seats: Invalid type: Expected number but received "many"';
    assert.deepEqual(run.outcome, Outcome.rejected(why));
});

test("a system that is slow or busy is asked again", async () => {
    const slow = await endpoint()
        .expect(`GET ${URL}`, reply(429).header("retry-after", "7"))
        .expect("GET /rooms/blue%20hall", { kind: "timed-out" })
        .deliver(deliver, session());
    assert.deepEqual(slow.outcome, Outcome.retry("GET /rooms/blue%20hall timed out"));
    const busy = await endpoint()
        .expect(`DELETE ${URL}`, reply(429).header("retry-after", "7"))
        .deliver(deliver, session().tombstone());
    assert.deepEqual(busy.outcome, Outcome.throttled(7_000, `DELETE ${URL} answered 429 Too Many Requests`));
});

test("a session that is gone already is skipped", async () => {
    const run = await endpoint().expect(`DELETE ${URL}`, reply(404)).deliver(deliver, session().tombstone());
    assert.deepEqual(run.outcome, Outcome.skipped("the session is gone already"));
});

test("a check asks for the system's health", async () => {
    const run = await endpoint().expect("GET /health", reply(401)).check(check);
    assert.deepEqual(run.outcome, Check.unusable("GET /health answered 401 Unauthorized"));
});
