/**
 * What a connector says of one attempt, and which answer means what.
 *
 * A plugin says what happened; what follows from it (wait, alert, dead letter) is the host's.
 */

import type { SqlErrorKind } from "./database.js";
import { Failure, RefusedFailure, ReplyFailure, SettingsFailure, UnansweredFailure } from "./failure.js";
import type { GrpcAnswer } from "./grpc.js";
import type { Response } from "./response.js";

/** What came of an attempt. The host decides what follows. Waits are in milliseconds. */
export type Outcome =
    | { readonly kind: "delivered"; readonly externalId: string | undefined; readonly version: string | undefined }
    | { readonly kind: "skipped"; readonly reason: string }
    | { readonly kind: "retry"; readonly reason: string; readonly afterMs: number | undefined }
    | { readonly kind: "throttled"; readonly reason: string; readonly afterMs: number | undefined }
    | { readonly kind: "denied"; readonly reason: string }
    | {
          readonly kind: "conflict";
          readonly reason: string;
          readonly version: string | undefined;
          readonly current: Uint8Array | undefined;
      }
    | { readonly kind: "rejected"; readonly reason: string };

/** An {@link Outcome} without what it holds. */
export type OutcomeKind = Outcome["kind"];

export const Outcome = {
    /** The external system has it: what it calls it, and its version there, such as an ETag. */
    delivered(receipt: { externalId?: string | undefined; version?: string | undefined } = {}): Outcome {
        return { kind: "delivered", externalId: receipt.externalId, version: receipt.version };
    },

    /** Nothing had to be done, and why. */
    skipped(reason: string): Outcome {
        return { kind: "skipped", reason };
    },

    /** This event may succeed later. The host decides when. */
    retry(reason: string): Outcome {
        return { kind: "retry", reason, afterMs: undefined };
    },

    /** This event may succeed later, and not before this time has passed. */
    retryAfter(afterMs: number, reason: string): Outcome {
        return { kind: "retry", reason, afterMs };
    },

    /** The external system asks everyone to slow down. */
    throttled(afterMs: number | undefined, reason: string): Outcome {
        return { kind: "throttled", reason, afterMs };
    },

    /** The external system refuses our credentials, or a person must mend what concerns every event. */
    denied(reason: string): Outcome {
        return { kind: "denied", reason };
    },

    /** The external system holds something newer or different: its version, and what it holds. */
    conflict(version: string | undefined, current: Uint8Array | undefined, reason: string): Outcome {
        return { kind: "conflict", reason, version, current };
    },

    /** This event will never succeed, and why. */
    rejected(reason: string): Outcome {
        return { kind: "rejected", reason };
    },

    /** What an HTTP answer means by {@link Outcome.kindOfStatus}, with all that it tells: see {@link Outcome.ofKind}. */
    fromResponse(response: Response): Outcome {
        return Outcome.ofKind(Outcome.kindOfStatus(response.status), response);
    },

    /**
     * An HTTP answer as this kind of outcome, for an external system that uses its statuses in its own way.
     *
     * `Location` and `ETag` become the receipt, `Retry-After` the wait; the first 200 characters of a body say why an
     * event is rejected. The body of a conflict becomes what the external system holds where it can be that: see
     * {@link Response.current}.
     */
    ofKind(kind: OutcomeKind, response: Response): Outcome {
        const reason = response.summary;
        const version = response.header("etag");
        switch (kind) {
            case "delivered":
                return Outcome.delivered({ externalId: response.header("location"), version });
            case "skipped":
                return Outcome.skipped(reason);
            case "retry":
                return { kind, reason, afterMs: response.retryAfterMs };
            case "throttled":
                return Outcome.throttled(response.retryAfterMs, reason);
            case "denied":
                return Outcome.denied(reason);
            case "conflict":
                return Outcome.conflict(version, response.current, reason);
            case "rejected":
                return Outcome.rejected(response.summaryWithBody);
        }
    },

    /**
     * What a status means where the external system follows RFC 9110 and RFC 6585.
     *
     * | status | kind |
     * |---|---|
     * | 2xx | delivered |
     * | 304 | skipped |
     * | 401, 403, 407 | denied |
     * | 408, 425, 5xx but 501 and 505 | retry |
     * | 409, 412 | conflict |
     * | 429 | throttled |
     * | all others | rejected |
     *
     * A redirect is rejected because nobody follows it: the host asks only for what the plugin named.
     */
    kindOfStatus(status: number): OutcomeKind {
        switch (status) {
            case 304:
                return "skipped";
            case 401:
            case 403:
            case 407:
                return "denied";
            case 408:
            case 425:
                return "retry";
            case 409:
            case 412:
                return "conflict";
            case 429:
                return "throttled";
            case 501:
            case 505:
                return "rejected";
        }
        if (status >= 200 && status <= 299) {
            return "delivered";
        }
        return status >= 500 && status <= 599 ? "retry" : "rejected";
    },

    /** What the answer to a gRPC call means by {@link GrpcAnswer.kind}. */
    fromGrpc(answer: GrpcAnswer): Outcome {
        return Outcome.ofGrpcKind(answer.kind, answer);
    },

    /**
     * The answer to a gRPC call as this kind of outcome, for a server that uses its statuses in its own way. The wait that it
     * asks for is passed on.
     */
    ofGrpcKind(kind: OutcomeKind, answer: GrpcAnswer): Outcome {
        return ofReason(kind, answer.summary, answer.pushbackMs);
    },

    /** What a database's refusal means by {@link Outcome.kindOfSql}. */
    fromSql(refusal: RefusedFailure): Outcome {
        return ofReason(Outcome.kindOfSql(refusal.error.kind), refusal.message);
    },

    /**
     * What a database's refusal usually means.
     *
     * | kind | outcome |
     * |---|---|
     * | constraint, data, too many rows | rejected |
     * | serialization, unavailable, other | retry |
     * | permission, statement | denied |
     *
     * A statement is written by the settings, or by the plugin: no event is to blame where the database does not know a
     * table or a column, and none is lost while that is mended. So it is where a statement is not granted.
     */
    kindOfSql(kind: SqlErrorKind): OutcomeKind {
        switch (kind) {
            case "constraint":
            case "data":
            case "too-many-rows":
                return "rejected";
            case "serialization":
            case "unavailable":
            case "other":
                return "retry";
            case "permission":
            case "statement":
                return "denied";
        }
    },

    /**
     * What a status of gRPC usually means by itself; {@link GrpcAnswer.kind} knows more.
     *
     * | status | kind |
     * |---|---|
     * | OK | delivered |
     * | CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE | retry |
     * | RESOURCE_EXHAUSTED | retry, so that it ends: one message may be too large, or a quota gone |
     * | PERMISSION_DENIED, UNAUTHENTICATED | denied |
     * | ALREADY_EXISTS, FAILED_PRECONDITION, ABORTED | conflict |
     * | all others | rejected |
     */
    kindOfGrpcStatus(status: number): OutcomeKind {
        switch (status) {
            case 0:
                return "delivered";
            case 1:
            case 2:
            case 4:
            case 8:
            case 13:
            case 14:
                return "retry";
            case 7:
            case 16:
                return "denied";
            case 6:
            case 9:
            case 10:
                return "conflict";
            default:
                return "rejected";
        }
    },

    /** What a failure becomes: the outcome that does the least harm. */
    ofFailure(failure: Failure): Outcome {
        if (failure instanceof SettingsFailure) {
            return Outcome.denied(failure.message);
        }
        if (failure instanceof RefusedFailure) {
            return Outcome.fromSql(failure);
        }
        const mayPass =
            failure instanceof ReplyFailure ||
            (failure instanceof UnansweredFailure && ["connection", "timed-out", "other"].includes(failure.why.kind));
        return mayPass ? Outcome.retry(failure.message) : Outcome.rejected(failure.message);
    },
};

/** An outcome of this kind of which nothing is known but why, and for how long. */
function ofReason(kind: OutcomeKind, reason: string, afterMs?: number): Outcome {
    switch (kind) {
        case "delivered":
            return Outcome.delivered();
        case "throttled":
            return Outcome.throttled(afterMs, reason);
        case "retry":
            return { kind, reason, afterMs };
        case "conflict":
            return Outcome.conflict(undefined, undefined, reason);
        case "skipped":
        case "denied":
        case "rejected":
            return { kind, reason };
    }
}

/** Whether the external system is usable, as `check` found: how that was seen, or why not. */
export type Check =
    | { readonly kind: "usable"; readonly how: string }
    | { readonly kind: "unusable"; readonly why: string };

export const Check = {
    /** It is, and how that was seen. */
    usable(how: string): Check {
        return { kind: "usable", how };
    },

    /** It is not, and why. */
    unusable(why: string): Check {
        return { kind: "unusable", why };
    },

    /** Usable is what answers, lets us in and is not broken: a status below 500, but for 401, 403 and 407. */
    fromResponse(response: Response): Check {
        const isBad = [401, 403, 407].includes(response.status) || response.status >= 500;
        return isBad ? Check.unusable(response.summary) : Check.usable(response.summary);
    },
};
