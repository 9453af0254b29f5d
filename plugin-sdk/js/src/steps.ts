/**
 * Runs a connector's function as far as the recorded replies take it, and says what is next.
 *
 * It goes on in passes, one a round (see `rounds`). A pass ends when nothing in the plugin moves any more, and only the
 * caller can tell when that is: inside WebAssembly the queue of promises is the SDK's own, in a test it is Node's.
 */

import type { Delivery, Event } from "./event.js";
import { Failure } from "./failure.js";
import { Http } from "./http.js";
import * as log from "./log.js";
import { Check, Outcome } from "./outcome.js";
import { seed } from "./randomness.js";
import { Fault, Rounds, type Effect, type Reply } from "./rounds.js";
import { Settling, type Ending } from "./settling.js";
import { Transformed } from "./transform.js";

/** A connector's function: one delivery to the external system. */
export type Deliver = (delivery: Delivery, http: Http) => Promise<Ending>;
/** A connector's function that finds out whether the external system is usable. */
export type DoCheck = (http: Http) => Promise<Check>;
/** A transformer's function. */
export type Transform = (event: Event) => Transformed;

/** What a function asks: all that it needs before it goes on, or the one thing that delivers the event. */
export type Asks = { readonly asks: readonly Effect[] } | { readonly settlesBy: Effect };
/** How a delivery's function ended: with an outcome, or by the request whose answer is one. */
export type DeliveryEnd = { readonly settlesBy: Effect } | { readonly ended: Outcome };
/** How a check's function ended. */
export type CheckEnd = { readonly ended: Check };

/** A function that was begun. */
export class Running<End> {
    readonly #rounds: Rounds;
    readonly #undoSeed: () => void;
    readonly #finish: (value: unknown, rounds: Rounds) => End;
    #end: { value: unknown } | { error: unknown } | undefined;

    /** `finish` says what that comes to which the function returned, or threw as a failure. */
    constructor(
        recorded: readonly (readonly Reply[])[],
        nowMs: number,
        seeded: bigint,
        begin: (http: Http) => Promise<unknown>,
        finish: (value: unknown, rounds: Rounds) => End,
    ) {
        this.#finish = finish;
        this.#rounds = new Rounds(recorded);
        this.#undoSeed = seed(seeded);
        const http = new Http(this.#rounds, nowMs);
        caught(() => begin(http)).then(
            (value) => (this.#end = { value }),
            (error: unknown) => (this.#end = { error }),
        );
    }

    /** When nothing in it moves any more: `undefined` where it goes on by itself. Throws what is no failure, and a fault. */
    next(): Asks | End | undefined {
        try {
            const progress = this.#progress();
            if (progress !== undefined) {
                this.#undoSeed();
            }
            return progress;
        } catch (error) {
            this.#undoSeed();
            throw error;
        }
    }

    #progress(): Asks | End | undefined {
        if (this.#end === undefined) {
            const asks = this.#rounds.endRound();
            const [settlesBy, ...others] = asks ?? [];
            const isSettled = settlesBy !== undefined && others.length === 0 && this.#rounds.isSettling;
            return isSettled ? { settlesBy } : asks && { asks };
        }
        if ("value" in this.#end) {
            return this.#finish(this.#end.value, this.#rounds);
        }
        throw this.#end.error;
    }
}

/** Begins a delivery. */
export function beginDelivery(
    deliver: Deliver,
    delivery: Delivery,
    recorded: readonly (readonly Reply[])[],
): Running<DeliveryEnd> {
    return new Running(recorded, delivery.nowMs, delivery.seed, (http) => deliver(delivery, http), finishDelivery);
}

function finishDelivery(value: unknown, rounds: Rounds): DeliveryEnd {
    try {
        if (value instanceof Settling) {
            return value.step(rounds);
        }
        rounds.end();
        return { ended: value instanceof Failure ? Outcome.ofFailure(value) : expectKind<Outcome>(value, "Outcome") };
    } catch (error) {
        return { ended: Outcome.ofFailure(failure(error)) };
    }
}

/** Begins a check. */
export function beginCheck(
    check: DoCheck,
    nowMs: number,
    recorded: readonly (readonly Reply[])[],
): Running<CheckEnd> {
    return new Running(recorded, nowMs, BigInt(nowMs), check, finishCheck);
}

function finishCheck(value: unknown, rounds: Rounds): CheckEnd {
    rounds.end();
    return { ended: value instanceof Failure ? Check.unusable(value.message) : expectKind<Check>(value, "Check") };
}

/** A failure that is thrown, as if it were returned. */
async function caught(begin: () => Promise<unknown>): Promise<unknown> {
    try {
        return await begin();
    } catch (error) {
        return failure(error);
    }
}

/** What becomes of the event. */
export function transformOne(transform: Transform, event: Event): Transformed {
    const undoSeed = seed(event.origin.offset);
    try {
        return expectKind<Transformed>(transform(event), "Transformed");
    } catch (error) {
        return Transformed.reject(failure(error).message);
    } finally {
        undoSeed();
    }
}

/** The `check` of a connector that has none. */
export async function noCheck(): Promise<Check> {
    return Check.usable("this plugin has no check: it cannot tell");
}

/** A fault in words, after it was logged; throws everything else. */
export function told(error: unknown): string {
    if (!(error instanceof Fault)) {
        throw error;
    }
    log.error(error.message);
    return error.message;
}

/** Only a failure becomes an outcome. */
function failure(error: unknown): Failure {
    if (error instanceof Failure) {
        return error;
    }
    throw error;
}

/** Not every author has a compiler that would tell. */
function expectKind<T extends { kind: string }>(value: unknown, what: string): T {
    if (typeof (value as { kind?: unknown } | undefined)?.kind !== "string") {
        throw new Fault(`plugin fault: it returned ${String(value)}, and not what is made by \`${what}\``);
    }
    return value as T;
}
