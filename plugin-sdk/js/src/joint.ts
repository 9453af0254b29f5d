/**
 * Requests of several deliveries made one, for systems that take many events at a time.
 *
 * A connector asks for what one delivery needs, as ever. Where its user configures a `batch`, the host gathers deliveries,
 * and `join` is called with the requests that each of them would settle by (`settle`, `runToDeliver`): which of them can
 * be one request? The host performs that, and asks `split` what each would have been answered alone. So the function that
 * delivers knows nothing of it, and an event that is refused together with others is tried again without them.
 *
 * What else is asked goes by itself: requests before the last one, those that send the event's data as it is, and gRPC, by
 * which nothing settles. So that the requests are there, the function that delivers runs before `join` does, and again for
 * what that does not settle: it may log twice. Its time is the delivery's, not the engine's clock.
 *
 * Both functions see nothing but their arguments, and await nothing. `memo` is whatever `split` has to know of the joint
 * request; keep it small.
 *
 * ```ts
 * import { connector, type Delivery, type Http, type Settling } from "liaison-sdk";
 * import { everyone, memoOf, type Effect, type Joint } from "liaison-sdk/joint";
 *
 * async function deliver(delivery: Delivery, http: Http): Promise<Settling> {
 *     return http.post("/lines").body(`${delivery.event.id}\n`).settle();
 * }
 *
 * // All that is posted here are lines.
 * function join(effects: Effect[]): Joint[] {
 *     const members: number[] = [];
 *     const lines: string[] = [];
 *     for (const [number, effect] of effects.entries()) {
 *         if ("http" in effect && effect.http.body instanceof Uint8Array) {
 *             members.push(number);
 *             lines.push(new TextDecoder().decode(effect.http.body));
 *         }
 *     }
 *     const body = new TextEncoder().encode(lines.join(""));
 *     const whole = { method: "POST", url: "/lines", headers: [], body, timeoutMs: undefined, keepBody: false };
 *     return [{ effect: { http: whole }, members, memo: memoOf(members.length) }];
 * }
 *
 * connector(deliver, undefined, { join, split: everyone });
 * ```
 *
 * @module
 */

import type { Effect, Reply } from "./rounds.js";

export type { SqlRequest, SqlResponse, SqlResult, SqlStatement } from "./database.js";
export type {
    Body,
    Effect,
    GrpcRequest,
    GrpcResponse,
    HttpRequest,
    HttpResponse,
    KeptBody,
    Place,
    Reply,
} from "./rounds.js";

/** One request that does what several do. */
export interface Joint {
    /** Must not need the event's data or an earlier reply: it is of no single delivery. */
    effect: Effect;
    /** Which ones: their places in the list, from 0. None is in two. */
    members: readonly number[];
    /** Whatever `split` needs to know. */
    memo?: Uint8Array;
}

/** Which of these requests, two or more, can be one. What is in none of the answers is performed by itself. */
export type Join = (effects: Effect[]) => Joint[];
/** What came of a joint request for each of its members, in their order, by its memo. */
export type Split = (memo: Uint8Array, reply: Reply) => Reply[];

/** Both: what is joined must be split again. */
export interface Joining {
    readonly join: Join;
    readonly split: Split;
}

/** The memo that {@link everyone} reads: how many share the request. */
export function memoOf(members: number): Uint8Array {
    return new TextEncoder().encode(String(members));
}

/**
 * A `split` that gives the reply to everyone: for a request whose answer is true of each part of it. The memo is the number
 * of members, by {@link memoOf}.
 */
export function everyone(memo: Uint8Array, reply: Reply): Reply[] {
    const text = new TextDecoder().decode(memo);
    return /^[0-9]{1,9}$/.test(text) ? Array.from({ length: Number(text) }, () => reply) : [];
}

/**
 * Joins what deliveries would settle by: members are places in this list. What is none, or needs the delivery's data, goes
 * by itself.
 */
export function joinOwn(join: Join, own: readonly (Effect | undefined)[]): Joint[] {
    const places: number[] = [];
    const effects: Effect[] = [];
    for (const [place, effect] of own.entries()) {
        if (effect !== undefined && isJoinable(effect)) {
            places.push(place);
            effects.push(effect);
        }
    }
    if (effects.length < 2) {
        return [];
    }
    // The host says what is wrong with one that is none of them.
    const placeOf = (member: number): number => places[member] ?? 0xffff_ffff;
    return join(effects).map((joint) => ({ ...joint, members: joint.members.map(placeOf) }));
}

function isJoinable(effect: Effect): boolean {
    if (!("http" in effect)) {
        return true;
    }
    const { body, keepBody } = effect.http;
    return !keepBody && (body === undefined || body instanceof Uint8Array);
}
