/** Calls by gRPC. What their answers mean is in the table of outcomes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { join, Outcome, type Delivery, type Http, type Unanswered } from "../src/index.js";
import { endpoint, event, grpcReply, reply, type ScriptedGrpcReply, type ScriptedReply } from "../src/testing.js";

async function deliver(_: Delivery, http: Http): Promise<Outcome> {
    const call = http.grpc("/rooms.Rooms/Book").metadata("x-tenant", "north").message(new TextEncoder().encode("room"));
    const [answer] = await join(call.timeoutMs(2_000).send(), http.get("/a").send());
    return answer.metadata("X-Kind") === "own"
        ? Outcome.skipped(new TextDecoder().decode(answer.message))
        : Outcome.fromGrpc(answer);
}

function run(answer: ScriptedReply | ScriptedGrpcReply | Unanswered) {
    const script = endpoint().expect("gRPC /rooms.Rooms/Book", answer).expect("GET /a", reply(200));
    return script.deliver(deliver, event("t"));
}

test("a call goes beside a request and its answer is read", async () => {
    const done = await run(grpcReply(0).metadata("x-kind", "own").message("done"));
    assert.deepEqual([done.outcome, done.rounds], [Outcome.skipped("done"), [2]]);
    const message = new TextEncoder().encode("room");
    const call = { method: "/rooms.Rooms/Book", metadata: [["x-tenant", "north"]], message, timeoutMs: 2_000 };
    assert.deepEqual(done.grpcCalls, [call]);
    assert.deepEqual(done.requests.map(({ url }) => url), ["/a"]);
});

test("a server may use its statuses in its own way", async () => {
    const patient = async (_: Delivery, http: Http) =>
        Outcome.ofGrpcKind("throttled", await http.grpc("/rooms.Rooms/Book").send());
    const answer = grpcReply(5).metadata("grpc-retry-pushback-ms", "20");
    const done = await endpoint().expect("gRPC /rooms.Rooms/Book", answer).deliver(patient, event("t"));
    assert.deepEqual(done.outcome, Outcome.throttled(20, "gRPC /rooms.Rooms/Book answered NOT_FOUND"));
});

test("an answer in another kind is none", async () => {
    const otherKind = "gRPC /rooms.Rooms/Book failed: the host answered it in another kind";
    assert.deepEqual((await run(reply(200))).outcome, Outcome.retry(otherKind));
});
