/** The export of a connector: the host's deliveries to the author's functions, and their steps back. */

import { drain } from "./promise.js";

import { Delivery, type Resolution } from "../event.js";
import type { Check, Outcome } from "../outcome.js";
import { plugin } from "../plugin.js";
import type { Effect } from "../rounds.js";
import { beginCheck, beginDelivery, told, type Asks, type DeliveryEnd, type Running } from "../steps.js";
import { bytes, event, milliseconds } from "./common.js";
import type { RawCheckStep, RawDelivery, RawOutcome, RawReply, RawResolution, RawStep } from "./contract.js";
import { effect, reply } from "./exchange.js";

export const connector = {
    deliver(deliveries: RawDelivery[]): RawStep[] {
        return deliveries.map(step);
    },

    check(now: bigint, rounds: RawReply[][]): RawCheckStep {
        try {
            const progress = run(beginCheck(functions().check, Number(now), rounds.map((round) => round.map(reply))));
            if ("ended" in progress) {
                return checkStep(progress.ended);
            }
            const asks = "asks" in progress ? progress.asks : [progress.settlesBy];
            return { tag: "perform", val: asks.map(effect) };
        } catch (error) {
            return { tag: "unusable", val: told(error) };
        }
    },
};

/** What a delivery would settle by, if anything. */
export function ownEffect(raw: RawDelivery): Effect | undefined {
    try {
        const progress = asked(raw);
        return "settlesBy" in progress ? progress.settlesBy : undefined;
    } catch {
        return undefined;
    }
}

function asked(raw: RawDelivery): Asks | DeliveryEnd {
    return run(beginDelivery(functions().deliver, delivery(raw), raw.rounds.map((round) => round.map(reply))));
}

function step(raw: RawDelivery): RawStep {
    try {
        const progress = asked(raw);
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
