/**
 * What went wrong on the way to an outcome: what a plugin throws, or lets pass.
 *
 * Each kind becomes the outcome that does the least harm, so a plugin need not decide unless it knows better. Any other
 * error is a fault of the plugin: the host tries again, and the third time on one event it is a dead letter.
 */

import type { SqlError } from "./database.js";

/** Why a plugin could not go on. Throw one of its kinds. */
export abstract class Failure extends Error {}

/** Why a request has no answer. */
export type Unanswered =
    | { kind: "not-allowed" | "invalid" | "connection" | "unsupported" | "other"; detail: string }
    | { kind: "timed-out" }
    /** The limit is in bytes. */
    | { kind: "too-large"; limit: number };

/** A request has no answer. Becomes `retry` where another attempt may go better, else `rejected`. */
export class UnansweredFailure extends Failure {
    constructor(
        /** Which one, as `PUT /events/1`. */
        readonly request: string,
        readonly why: Unanswered,
    ) {
        super(`${request} ${inWords(why)}`);
    }
}

/** The database refused a transaction, and nothing of it was done. Becomes what `Outcome.kindOfSql` says. */
export class RefusedFailure extends Failure {
    constructor(
        /** The transaction, as `SQL insert into people …`. */
        readonly request: string,
        readonly error: SqlError,
    ) {
        super(`${request} was refused${error.code === "" ? "" : ` (${error.code})`}: ${error.message}`);
    }
}

/** The settings are not what the plugin wants. Becomes `denied`: nothing is lost while they are mended. */
export class SettingsFailure extends Failure {
    constructor(why: string) {
        super(`settings: ${why}`);
    }
}

/** The event is not what the plugin can deliver. Becomes `rejected`. */
export class EventFailure extends Failure {}

/** The external system's answer is not what the plugin understands. Becomes `retry`. */
export class ReplyFailure extends Failure {}

function inWords(why: Unanswered): string {
    switch (why.kind) {
        case "not-allowed":
            return `is not allowed: ${why.detail}`;
        case "invalid":
            return `is not valid: ${why.detail}`;
        case "connection":
            return `got no answer: ${why.detail}`;
        case "timed-out":
            return "timed out";
        case "too-large":
            return `was answered with more than ${why.limit} bytes`;
        case "unsupported":
            return `is not supported by this host: ${why.detail}`;
        case "other":
            return `failed: ${why.detail}`;
    }
}
