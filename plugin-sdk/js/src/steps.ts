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
import { Fault, Rounds, type HttpRequest, type Reply } from "./rounds.js";
import { Transformed } from "./transform.js";

/** A connector's function: one delivery to the external system. */
export type Deliver = (delivery: Delivery, http: Http) => Promise<Outcome>;
/** A connector's function that finds out whether the external system is usable. */
export type DoCheck = (http: Http) => Promise<Check>;
/** A transformer's function. */
export type Transform = (event: Event) => Transformed;

/** How far a function came: what it asks, or what it ended with. */
export type Progress<T> = { readonly asks: readonly HttpRequest[] } | { readonly ended: T };

/** A function that was begun. */
export class Running<T> {
    readonly #rounds: Rounds;
    readonly #undoSeed: () => void;
    #end: { value: T } | { error: unknown } | undefined;

    constructor(recorded: readonly (readonly Reply[])[], nowMs: number, seeded: bigint, begin: (http: Http) => Promise<T>) {
        this.#rounds = new Rounds(recorded);
        this.#undoSeed = seed(seeded);
        const http = new Http(this.#rounds, nowMs);
        new Promise<T>((resolve) => resolve(begin(http))).then(
            (value) => (this.#end = { value }),
            (error: unknown) => (this.#end = { error }),
        );
    }

    /** When nothing in it moves any more: `undefined` where it goes on by itself. Throws what is no failure, and a fault. */
    next(): Progress<T> | undefined {
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

    #progress(): Progress<T> | undefined {
        if (this.#end === undefined) {
            const asks = this.#rounds.endRound();
            return asks === undefined ? undefined : { asks };
        }
        if ("error" in this.#end) {
            throw this.#end.error;
        }
        this.#rounds.end();
        return { ended: this.#end.value };
    }
}

/** Begins a delivery. */
export function beginDelivery(
    deliver: Deliver,
    delivery: Delivery,
    recorded: readonly (readonly Reply[])[],
): Running<Outcome> {
    return new Running(recorded, delivery.nowMs, delivery.seed, async (http) => {
        try {
            return expectKind(await deliver(delivery, http), "Outcome");
        } catch (error) {
            return Outcome.ofFailure(failure(error));
        }
    });
}

/** Begins a check. */
export function beginCheck(check: DoCheck, nowMs: number, recorded: readonly (readonly Reply[])[]): Running<Check> {
    return new Running(recorded, nowMs, BigInt(nowMs), async (http) => {
        try {
            return expectKind(await check(http), "Check");
        } catch (error) {
            return Check.unusable(failure(error).message);
        }
    });
}

/** What becomes of the event. */
export function transformOne(transform: Transform, event: Event): Transformed {
    const undoSeed = seed(event.origin.offset);
    try {
        return expectKind(transform(event), "Transformed");
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
function expectKind<T extends { kind: string }>(value: T, what: string): T {
    if (typeof (value as { kind?: unknown } | undefined)?.kind !== "string") {
        throw new Fault(`plugin fault: it returned ${String(value)}, and not what is made by \`${what}\``);
    }
    return value;
}
