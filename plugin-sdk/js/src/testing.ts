/**
 * Runs a plugin in Node, without a host: a connector against an endpoint that follows a script, a transformer as it is.
 *
 * Every step is taken twice, and has to come out the same: a plugin whose answers depend on more than its arguments fails
 * its test. A call that the script does not expect fails with what was asked.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { test } from "node:test";
 * import { endpoint, event, reply } from "liaison-sdk/testing";
 *
 * test("a booking waits as long as it is told", async () => {
 *     const run = await endpoint()
 *         .expect("GET /rooms/7", reply(200).json("large"))
 *         .expect("POST /bookings", reply(503).header("retry-after", "30"))
 *         .deliver(deliver, event("booking.made"));
 *     assert.deepEqual(run.rounds, [1, 1]);
 *     assert.deepEqual(run.requests[1].json(), { room: "large" });
 *     assert.deepEqual(run.outcome, Outcome.retryAfter(30_000, "POST /bookings answered 503 Service Unavailable"));
 * });
 * ```
 *
 * @module
 */

import assert from "node:assert/strict";

import { line } from "./asking.js";
import type { SqlRequest } from "./database.js";
import type { Attribute } from "./event.js";
import type { Unanswered } from "./failure.js";
import * as log from "./log.js";
import { Outcome, type Check } from "./outcome.js";
import type { Body, Effect, GrpcRequest, HttpRequest, Reply } from "./rounds.js";
import { readFrom } from "./settings.js";
import { haveDelivered } from "./sql.js";
import {
    beginCheck,
    beginDelivery,
    transformOne,
    type Asks,
    type Deliver,
    type DoCheck,
    type Running,
    type Transform,
} from "./steps.js";
import { NOW_MS, type Prepared, type ScriptedGrpcReply, type ScriptedReply } from "./testing/builders.js";
import type { ScriptedRefusal, ScriptedRows } from "./testing/sql.js";
import type { Transformed } from "./transform.js";

export { event, grpcReply, Prepared, reply, ScriptedGrpcReply, ScriptedReply } from "./testing/builders.js";
export { affected, rows, ScriptedRefusal, ScriptedRows, sqlError } from "./testing/sql.js";

const decoder = new TextDecoder();

/** The plugin's settings from now on, in this test. */
export function settings(settings: Record<string, unknown>): void {
    const text = JSON.stringify(settings);
    readFrom(() => text);
}

/** What was logged since the last call. */
export function logged(): string[] {
    return log.lines.splice(0);
}

/** What a transformer makes of an event, seen twice. Fails where it does not come out the same. */
export function transform(transform: Transform, prepared: Prepared): Transformed {
    const first = transformOne(transform, prepared.event());
    const second = transformOne(transform, prepared.event());
    assert.deepStrictEqual(second, first, "the same event was transformed in two ways");
    return first;
}

/** An endpoint that answers what it was told to, and nothing else. */
export function endpoint(): Endpoint {
    return new Endpoint();
}

/** What a connector did with one delivery. */
export interface Run<T> {
    /** How it ended. */
    readonly outcome: T;
    /** All HTTP requests it made, in order. */
    readonly requests: readonly Asked[];
    /** All gRPC calls it made, in order. */
    readonly grpcCalls: readonly GrpcRequest[];
    /** All SQL transactions it asked for, in order. */
    readonly transactions: readonly SqlRequest[];
    /** How many requests each round had: those of one round are sent together. */
    readonly rounds: readonly number[];
}

/** A request that was made. */
export class Asked {
    readonly method: string;
    readonly url: string;
    readonly headers: readonly Attribute[];
    readonly body: Body;
    readonly timeoutMs: number | undefined;
    readonly keepBody: boolean;

    /** @internal */
    constructor(request: HttpRequest) {
        this.method = request.method;
        this.url = request.url;
        this.headers = request.headers;
        this.body = request.body;
        this.timeoutMs = request.timeoutMs;
        this.keepBody = request.keepBody;
    }

    /** The first header of this name. */
    header(name: string): string | undefined {
        return this.headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
    }

    /** The body as JSON. Fails where it is not JSON that the plugin itself wrote. */
    json(): unknown {
        assert(this.body instanceof Uint8Array, "the body is none that the plugin wrote");
        return JSON.parse(decoder.decode(this.body));
    }
}

/** What an endpoint can answer. */
export type Scripted = ScriptedReply | ScriptedGrpcReply | ScriptedRows | ScriptedRefusal;

/** How a function of either kind ends. */
type End<T> = { readonly settlesBy: Effect } | { readonly ended: T };

/** An endpoint that follows a script. */
export class Endpoint {
    readonly #script: { call: string; reply: Reply }[] = [];

    /**
     * The next call, such as `PUT /events/1`, `gRPC /package.Service/Method` or `SQL` and all statements with `; ` between
     * them, and the reply to it: a {@link reply}, a {@link grpcReply}, {@link rows}, {@link affected}, a {@link sqlError}, or
     * why there is none.
     */
    expect(call: string, reply: Scripted | Unanswered): this {
        this.#script.push({ call, reply: "reply" in reply ? reply.reply : { unanswered: reply } });
        return this;
    }

    /**
     * Runs one attempt to its end. Fails where a call is not the expected one, an expected one is missing, a step does not
     * come out the same twice, or a transaction that was run to deliver did and the function does not say so.
     */
    deliver(deliver: Deliver, prepared: Prepared): Promise<Run<Outcome>> {
        return this.#run((recorded) => beginDelivery(deliver, prepared.delivery(), recorded));
    }

    /** Runs one check to its end. Fails as {@link Endpoint.deliver} does. */
    check(check: DoCheck): Promise<Run<Check>> {
        return this.#run((recorded) => beginCheck(check, NOW_MS, recorded));
    }

    async #run<T>(begin: (recorded: Reply[][]) => Running<End<T>>): Promise<Run<T>> {
        const asked: Effect[] = [];
        const recorded: Reply[][] = [];
        const rounds: number[] = [];
        let isDelivered = false;
        for (;;) {
            const progress = await settled(begin(recorded));
            const again = await settled(begin(recorded));
            assert.deepStrictEqual(again, progress, "the same step was taken in two ways");
            if (isDelivered) {
                const told = `its transaction has delivered the event, and it says ${JSON.stringify(progress)}`;
                assert.deepEqual(progress, { ended: Outcome.delivered() }, told);
            }
            if ("ended" in progress) {
                const missing = this.#script.map(({ call }) => call);
                assert.deepEqual(missing, [], `it ended with ${JSON.stringify(progress.ended)} and never asked for these`);
                const requests = asked.flatMap((effect) => ("http" in effect ? [new Asked(effect.http)] : []));
                const grpcCalls = asked.flatMap((effect) => ("grpc" in effect ? [effect.grpc] : []));
                const transactions = asked.flatMap((effect) => ("sql" in effect ? [effect.sql] : []));
                return { outcome: progress.ended, requests, grpcCalls, transactions, rounds };
            }
            const effects = "asks" in progress ? progress.asks : [progress.settlesBy];
            const replies = effects.map((effect) => this.#answer(effect));
            // Asked for again with its reply, it must say what the host may make of it by itself.
            isDelivered = "settlesBy" in progress && hasDelivered(replies);
            rounds.push(effects.length);
            recorded.push(replies);
            asked.push(...effects);
        }
    }

    #answer(effect: Effect): Reply {
        const asked = "http" in effect ? `${effect.http.method} ${effect.http.url}` : line(effect);
        const next = this.#script.shift();
        assert(next !== undefined, `it asks for \`${asked}\`, and the script is at its end`);
        assert(asked === next.call, `it asks for \`${asked}\`, and the script expects \`${next.call}\``);
        const { reply } = next;
        const isKept = "http" in effect && effect.http.keepBody;
        if (!isKept || !("http" in reply) || !(reply.http.body instanceof Uint8Array)) {
            return reply;
        }
        // The sha256 is all zeros: nothing here computes one.
        const body = { length: reply.http.body.length, sha256: new Uint8Array(32) };
        return { http: { ...reply.http, body } };
    }
}

/** Is this the answer to a transaction by which the host settles the event? */
function hasDelivered([reply]: readonly Reply[]): boolean {
    return reply !== undefined && "sql" in reply && "done" in reply.sql && haveDelivered(reply.sql.done);
}

/** Node runs a macrotask only when all that promises have to do is done. */
async function settled<End>(running: Running<End>): Promise<Asks | End> {
    for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        const progress = running.next();
        if (progress !== undefined) {
            return progress;
        }
    }
}
