/** The export of a connector: the host's deliveries to the author's functions, and their steps back. */

import { drain } from "./promise.js";

import { Delivery, type Resolution } from "../event.js";
import type { Unanswered } from "../failure.js";
import type { Check, Outcome } from "../outcome.js";
import { plugin } from "../plugin.js";
import type { Body, Effect, KeptBody, Reply } from "../rounds.js";
import { beginCheck, beginDelivery, told, type Asks, type Running } from "../steps.js";
import { bytes, event, milliseconds, timeout } from "./common.js";
import type {
    RawBody,
    RawCheckStep,
    RawDelivery,
    RawEffect,
    RawFailure,
    RawOutcome,
    RawReply,
    RawResolution,
    RawStep,
} from "./contract.js";
import { sqlRequest, sqlResponse } from "./sql.js";

export const connector = {
    deliver(deliveries: RawDelivery[]): RawStep[] {
        return deliveries.map(step);
    },

    check(now: bigint, rounds: RawReply[][]): RawCheckStep {
        try {
            const progress = run(beginCheck(functions().check, Number(now), rounds.map((round) => round.map(reply))));
            return "asks" in progress ? { tag: "perform", val: progress.asks.map(effect) } : checkStep(progress.ended);
        } catch (error) {
            return { tag: "unusable", val: told(error) };
        }
    },
};

function step(raw: RawDelivery): RawStep {
    try {
        const progress = run(
            beginDelivery(functions().deliver, delivery(raw), raw.rounds.map((round) => round.map(reply))),
        );
        if ("asks" in progress) {
            return { tag: "perform", val: progress.asks.map(effect) };
        }
        return "settlesBy" in progress
            ? { tag: "settle-by", val: effect(progress.settlesBy) }
            : { tag: "settle", val: outcome(progress.ended) };
    } catch (error) {
        return { tag: "settle", val: { tag: "rejected", val: told(error) } };
    }
}

function run<End>(running: Running<End>): Asks | End {
    for (;;) {
        drain();
        const progress = running.next();
        if (progress !== undefined) {
            return progress;
        }
    }
}

function functions() {
    const made = plugin();
    if (made?.kind !== "connector") {
        throw new Error("this module has not called `connector`");
    }
    return made;
}

function delivery(raw: RawDelivery): Delivery {
    return new Delivery({
        event: event(raw.event),
        attempt: raw.attempt,
        nowMs: Number(raw.now),
        seed: raw.seed,
        deadlineMs: milliseconds(raw.deadline),
        idempotencyKey: raw.idempotencyKey,
        resolution: raw.resolution && resolution(raw.resolution),
    });
}

function resolution(raw: RawResolution): Resolution {
    return raw.tag === "overwrite"
        ? { kind: "overwrite", version: raw.val }
        : { kind: "merged", data: bytes(raw.val.data), version: raw.val.version };
}

function reply(raw: RawReply): Reply {
    switch (raw.tag) {
        case "http": {
            const { status, headers, body } = raw.val;
            return { http: { status, headers, body: body.tag === "bytes" ? bytes(body.val) : kept(body.val) } };
        }
        case "grpc": {
            const { status, statusMessage, metadata, message } = raw.val;
            return { grpc: { status, statusMessage, metadata, message: message && bytes(message) } };
        }
        case "failed":
            return { unanswered: unanswered(raw.val) };
        case "sql":
            return { sql: sqlResponse(raw.val) };
    }
}

function kept(raw: { length: bigint; sha256: Uint8Array }): KeptBody {
    return { length: Number(raw.length), sha256: bytes(raw.sha256) };
}

function unanswered(raw: RawFailure): Unanswered {
    switch (raw.tag) {
        case "timed-out":
            return { kind: raw.tag };
        case "too-large":
            return { kind: raw.tag, limit: Number(raw.val) };
        default:
            return { kind: raw.tag, detail: raw.val };
    }
}

function effect(effect: Effect): RawEffect {
    if ("grpc" in effect) {
        const { method, metadata, message, timeoutMs } = effect.grpc;
        return { tag: "grpc", val: { method, metadata, message, timeout: timeout(timeoutMs) } };
    }
    if ("sql" in effect) {
        return { tag: "sql", val: sqlRequest(effect.sql) };
    }
    const { method, url, headers, timeoutMs, keepBody } = effect.http;
    const val = { method, url, headers, body: body(effect.http.body), timeout: timeout(timeoutMs), keepBody };
    return { tag: "http", val };
}

function body(body: Body): RawBody {
    if (body === undefined) {
        return { tag: "none" };
    }
    if (body === "event-data") {
        return { tag: body };
    }
    return body instanceof Uint8Array ? { tag: "bytes", val: body } : { tag: "of-reply", val: body.ofReply };
}

function outcome(outcome: Outcome): RawOutcome {
    switch (outcome.kind) {
        case "delivered":
            return { tag: outcome.kind, val: { externalId: outcome.externalId, version: outcome.version } };
        case "retry":
        case "throttled": {
            const after = outcome.afterMs === undefined ? undefined : BigInt(Math.max(0, Math.ceil(outcome.afterMs)));
            return { tag: outcome.kind, val: { after, reason: outcome.reason } };
        }
        case "conflict": {
            const { version, current, reason } = outcome;
            return { tag: outcome.kind, val: { version, current, reason } };
        }
        default:
            return { tag: outcome.kind, val: outcome.reason };
    }
}

function checkStep(check: Check): RawCheckStep {
    return check.kind === "usable" ? { tag: check.kind, val: check.how } : { tag: check.kind, val: check.why };
}
