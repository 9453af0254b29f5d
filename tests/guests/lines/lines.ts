/** Appends a line for each event, and the lines of many by one request. */

import { connector, type Delivery, type Http, type Settling } from "liaison-sdk";
import { everyone, memoOf, type Effect, type Joint } from "liaison-sdk/joint";

async function deliver(delivery: Delivery, http: Http): Promise<Settling> {
    return http.post("/lines").body(`${delivery.event.id}\n`).settle();
}

function join(effects: Effect[]): Joint[] {
    const members: number[] = [];
    const lines: string[] = [];
    for (const [number, effect] of effects.entries()) {
        if ("http" in effect && effect.http.body instanceof Uint8Array) {
            members.push(number);
            lines.push(new TextDecoder().decode(effect.http.body));
        }
    }
    const body = new TextEncoder().encode(lines.join(""));
    const whole = { method: "POST", url: "/lines", headers: [], body, timeoutMs: undefined, keepBody: false };
    return [{ effect: { http: whole }, members, memo: memoOf(members.length) }];
}

connector(deliver, undefined, { join, split: everyone });
