/** How an `await` becomes a step. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventFailure, join, joinAll, log, Outcome, type Delivery, type Ending, type Http, type Settling } from "../src/index.js";
import { Fault, type Effect, type HttpResponse, type Reply } from "../src/rounds.js";
import { beginDelivery, noCheck, type Deliver } from "../src/steps.js";
import { endpoint, event, logged, reply } from "../src/testing.js";

async function inTurn(http: Http, first: string, second: string): Promise<string> {
    const found = (await http.get(first).send()).text;
    return (await http.get(`${second}/${found}`).send()).text;
}

/** One step, with these rounds recorded. */
async function step(deliver: Deliver, recorded: Reply[][]): Promise<readonly Effect[] | Effect | Outcome> {
    const running = beginDelivery(deliver, event("t").delivery(), recorded);
    for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        const progress = running.next();
        if (progress !== undefined) {
            return "asks" in progress ? progress.asks : "settlesBy" in progress ? progress.settlesBy : progress.ended;
        }
    }
}

const TIMED_OUT: Reply = { unanswered: { kind: "timed-out" } };

test("joined branches keep their replies however often they run", async () => {
    // Two branches of two requests each, and a third that has one.
    async function branches(_: Delivery, http: Http): Promise<Outcome> {
        const pair = join(inTurn(http, "/a", "/b"), inTurn(http, "/c", "/d"));
        const [[left, right]] = await join(pair, http.get("/e").send());
        return Outcome.skipped(left + right);
    }
    const run = await endpoint()
        .expect("GET /a", reply(200).text("1"))
        .expect("GET /c", reply(200).text("2"))
        .expect("GET /e", reply(200))
        .expect("GET /b/1", reply(200).text("left"))
        .expect("GET /d/2", reply(200).text("right"))
        .deliver(branches, event("t"));
    assert.deepEqual(run.rounds, [3, 2]);
    assert.deepEqual(run.outcome, Outcome.skipped("leftright"));
});

test("any number is joined in order, by Promise.all too", async () => {
    for (const all of [joinAll, (promises: Promise<string>[]) => Promise.all(promises)]) {
        async function deliver(_: Delivery, http: Http): Promise<Outcome> {
            const texts = ["0", "1", "2"].map(async (name) => (await http.get(`/${name}`).send()).text);
            return Outcome.skipped((await all(texts)).join(""));
        }
        const run = await endpoint()
            .expect("GET /0", reply(200).text("a"))
            .expect("GET /1", reply(200).text("b"))
            .expect("GET /2", reply(200).text("c"))
            .deliver(deliver, event("t"));
        assert.deepEqual([run.outcome, run.rounds], [Outcome.skipped("abc"), [3]]);
    }
});

test("every branch gets its own replies", async () => {
    for (const lengths of [[0], [1], [4, 0, 2], [3, 3, 1, 0, 4]]) {
        async function branch(http: Http, number: number, length: number): Promise<void> {
            for (let step = 0; step < length; step += 1) {
                const url = `/${number}/${step}`;
                assert.equal((await http.get(url).send()).text, url);
            }
        }
        async function deliver(_: Delivery, http: Http): Promise<Outcome> {
            await joinAll(lengths.map((length, number) => branch(http, number, length)));
            return Outcome.delivered();
        }
        const script = endpoint();
        for (let step = 0; step < Math.max(...lengths); step += 1) {
            lengths.forEach((length, number) => {
                if (step < length) {
                    script.expect(`GET /${number}/${step}`, reply(200).text(`/${number}/${step}`));
                }
            });
        }
        const run = await script.deliver(deliver, event("t"));
        assert.equal(run.rounds.length, Math.max(...lengths));
    }
});

test("a long chain of promises before a request is one pass", async () => {
    async function deep(http: Http, depth: number): Promise<string> {
        return depth === 0 ? (await http.get("/deep").send()).text : await deep(http, depth - 1);
    }
    async function deliver(_: Delivery, http: Http): Promise<Outcome> {
        const [shallow, far] = await join(http.get("/shallow").send(), deep(http, 500));
        return Outcome.skipped(shallow.text + far);
    }
    const run = await endpoint()
        .expect("GET /shallow", reply(200).text("a"))
        .expect("GET /deep", reply(200).text("b"))
        .deliver(deliver, event("t"));
    assert.deepEqual([run.outcome, run.rounds], [Outcome.skipped("ab"), [2]]);
});

test("the first failure is thrown when all have ended", async () => {
    async function deliver(_: Delivery, http: Http): Promise<Outcome> {
        await join(http.get("/a").send(), inTurn(http, "/b", "/c"));
        return Outcome.delivered();
    }
    const run = await endpoint()
        .expect("GET /a", { kind: "connection", detail: "refused" })
        .expect("GET /b", reply(200).text("1"))
        .expect("GET /c/1", { kind: "not-allowed", detail: "no" })
        .deliver(deliver, event("t"));
    assert.deepEqual(run.outcome, Outcome.retry("GET /a got no answer: refused"));
});

test("a body kept by the host is named by its place", async () => {
    async function deliver(_: Delivery, http: Http): Promise<Outcome> {
        const [, report] = await join(http.get("/a").send(), http.get("/report").keepBody().send());
        await http.put("/copy").bodyOf(report).send();
        return Outcome.skipped(`${report.keptBody?.length} ${report.body.length}`);
    }
    const run = await endpoint()
        .expect("GET /a", reply(200))
        .expect("GET /report", reply(200).text("long"))
        .expect("PUT /copy", reply(204))
        .deliver(deliver, event("t"));
    assert.deepEqual(run.outcome, Outcome.skipped("4 0"));
    assert.deepEqual(run.requests[2]?.body, { ofReply: [0, 1] });
});

test("waiting for something foreign is a fault", async () => {
    const deliver = () => new Promise<Outcome>(() => {});
    await assert.rejects(endpoint().deliver(deliver, event("t")), (error) => {
        assert(error instanceof Fault);
        return error.message.includes("awaits something that is no request");
    });
});

test("asking for another number of requests is a fault", async () => {
    let runs = 0;
    async function deliver(_: Delivery, http: Http): Promise<Outcome> {
        runs += 1;
        await joinAll(Array.from({ length: runs }, () => http.get("/").send()));
        return Outcome.delivered();
    }
    assert.equal(((await step(deliver, [])) as Effect[]).length, 1);
    await assert.rejects(step(deliver, [[TIMED_OUT]]), /makes 2 requests in round 0 where it made 1 before/);
});

test("ending before all recorded rounds is a fault", async () => {
    const ends: Deliver[] = [
        async () => Outcome.delivered(),
        async () => {
            throw new EventFailure("no");
        },
    ];
    for (const deliver of ends) {
        await assert.rejects(step(deliver, [[TIMED_OUT]]), /makes 0 requests in round 0 where it made 1 before/);
    }
});

test("returning no outcome is a fault", async () => {
    const deliver = async () => "delivered" as unknown as Outcome;
    await assert.rejects(endpoint().deliver(deliver, event("t")), /it returned delivered/);
});

test("what is no failure is not made an outcome", async () => {
    const deliver = () => {
        throw new RangeError("a mistake");
    };
    await assert.rejects(endpoint().deliver(deliver, event("t")), RangeError);
});

test("random numbers are the same whenever it runs", async () => {
    async function deliver(_: Delivery, http: Http): Promise<Outcome> {
        const drawn = `${Math.random()} ${crypto.randomUUID()} ${crypto.getRandomValues(new Uint16Array(2))}`;
        await http.get("/").send();
        return Outcome.skipped(drawn);
    }
    const first = await endpoint().expect("GET /", reply(200)).deliver(deliver, event("t"));
    const again = await endpoint().expect("GET /", reply(200)).deliver(deliver, event("t"));
    assert.deepEqual(again.outcome, first.outcome);
    assert.match(JSON.stringify(first.outcome), / [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12} /);
    // The test's own chance is not touched.
    assert.notEqual(crypto.randomUUID(), crypto.randomUUID());
});

test("a step that comes out in two ways fails its test", async () => {
    let calls = 0;
    const deliver = async () => Outcome.skipped(String((calls += 1)));
    await assert.rejects(endpoint().deliver(deliver, event("t")), /the same step was taken in two ways/);
});

test("a script must be followed", async () => {
    const deliver = async (_: Delivery, http: Http) => Outcome.fromResponse(await http.get("/a").send());
    await assert.rejects(endpoint().deliver(deliver, event("t")), /asks for `GET \/a`, and the script is at its end/);
    const other = endpoint().expect("GET /b", reply(200));
    await assert.rejects(other.deliver(deliver, event("t")), /asks for `GET \/a`, and the script expects `GET \/b`/);
    const more = endpoint().expect("GET /a", reply(200)).expect("GET /b", reply(200));
    await assert.rejects(more.deliver(deliver, event("t")), /never asked for/);
});

test("a check without requests cannot tell", async () => {
    const run = await endpoint().check(noCheck);
    assert.deepEqual(run.outcome, { kind: "usable", how: "this plugin has no check: it cannot tell" });
});

test("what is logged is kept for the test", () => {
    logged();
    log.info("one");
    log.error("two");
    assert.deepEqual(logged(), ["one", "two"]);
    assert.deepEqual(logged(), []);
});

async function put(_: Delivery, http: Http): Promise<Settling> {
    const found = await http.get("/a").send();
    return http
        .put("/a")
        .eventData()
        .settleOr((response) => Outcome.skipped(`${found.status} before, then ${response.status}`));
}

test("a function may end with its last request", async () => {
    const http = (status: number): { http: HttpResponse } => {
        const names = ["etag", "location", "ETag", "location"];
        return { http: { status, headers: names.map((name, at) => [name, `${name} ${at}`]), body: new Uint8Array() } };
    };
    const found = [http(404)];
    assert.ok(Array.isArray(await step(put, [])));
    const asked = (await step(put, [found])) as Effect;
    assert.equal("http" in asked && asked.http.method, "PUT");
    const delivered = Outcome.delivered({ externalId: "location 1", version: "etag 0" });
    const table: [Reply, Outcome][] = [
        [http(200), delivered],
        [http(299), delivered],
        [http(300), Outcome.skipped("404 before, then 300")],
        [http(199), Outcome.skipped("404 before, then 199")],
        [TIMED_OUT, Outcome.retry("PUT /a timed out")],
    ];
    for (const [reply, outcome] of table) {
        assert.deepEqual(await step(put, [found, [reply]]), outcome);
    }
    for (const wrong of [[], [http(200), http(200)]]) {
        await assert.rejects(step(put, [found, wrong]), /makes 1 requests in round 1 where it made [02]/);
    }
    await assert.rejects(step(put, [found, [http(200)], [http(200)]]), /makes 0 requests in round 2/);
});

test("a function that judges its last answer may fail", async () => {
    async function deliver(_: Delivery, http: Http): Promise<Ending> {
        return http.put("/a").settleOr(() => {
            throw new EventFailure("never");
        });
    }
    const outcome = async (status: number) => (await endpoint().expect("PUT /a", reply(status)).deliver(deliver, event("t"))).outcome;
    assert.deepEqual(await outcome(204), Outcome.delivered());
    assert.deepEqual(await outcome(400), Outcome.rejected("never"));
});
