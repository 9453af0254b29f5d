/** Calls by gRPC: the same table as in every SDK. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { join, Outcome, type Delivery, type Http, type OutcomeKind, type Unanswered } from "../src/index.js";
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

test("each status has its kind", async () => {
    const kinds: OutcomeKind[] = [
        "delivered", "retry", "retry", "rejected", "retry", "rejected", "conflict", "denied", "retry", "conflict",
        "conflict", "rejected", "rejected", "retry", "retry", "rejected", "denied", "rejected",
    ];
    for (const [status, kind] of kinds.entries()) {
        assert.equal(Outcome.kindOfGrpcStatus(status), kind, String(status));
        assert.equal((await run(grpcReply(status).statusMessage("no"))).outcome.kind, kind, String(status));
    }
});

test("what is exhausted is throttled only where the server pushes back", async () => {
    const said = async (status: number, pushback: string) =>
        (await run(grpcReply(status).metadata("grpc-retry-pushback-ms", pushback))).outcome;
    const exhausted = "gRPC /rooms.Rooms/Book answered RESOURCE_EXHAUSTED";
    assert.deepEqual(await said(8, " 1500 "), Outcome.throttled(1500, exhausted));
    for (const never of ["-1", "soon", "", "99999999999999999999"]) {
        assert.deepEqual(await said(8, never), Outcome.retry(exhausted), never);
    }
    assert.deepEqual(await said(8, "0"), Outcome.retryAfter(0, exhausted));
    assert.deepEqual(await said(14, "20"), Outcome.retryAfter(20, "gRPC /rooms.Rooms/Book answered UNAVAILABLE"));
});

test("an outcome says what was answered", async () => {
    const outcome = async (answer: Parameters<typeof run>[0]) => (await run(answer)).outcome;
    const refused = Outcome.rejected("gRPC /rooms.Rooms/Book answered INVALID_ARGUMENT: no such room");
    assert.deepEqual(await outcome(grpcReply(3).statusMessage("no such room")), refused);
    assert.deepEqual(await outcome(grpcReply(17)), Outcome.rejected("gRPC /rooms.Rooms/Book answered status 17"));
    assert.deepEqual(await outcome({ kind: "timed-out" }), Outcome.retry("gRPC /rooms.Rooms/Book timed out"));
    const otherKind = "gRPC /rooms.Rooms/Book failed: the host answered it in another kind";
    assert.deepEqual(await outcome(reply(200)), Outcome.retry(otherKind));
});
