/** The connector in Node, against an endpoint that follows a script. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Outcome } from "liaison-sdk";
import { endpoint, event, reply, settings } from "liaison-sdk/testing";

import { deliver } from "../src/plugin.js";

test("an event goes to its path", async () => {
    settings({ path: "/events" });
    const run = await endpoint().expect("PUT /events/a%2Fb", reply(204)).deliver(deliver, event("made").id("a/b"));
    assert.deepEqual(run.outcome, Outcome.delivered());
});

test("a tombstone deletes", async () => {
    settings({ path: "/events" });
    const run = await endpoint().expect("DELETE /events/1", reply(204)).deliver(deliver, event("gone").tombstone());
    assert.deepEqual(run.outcome, Outcome.delivered());
});
