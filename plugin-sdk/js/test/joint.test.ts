/** Requests that are made one: what a connector gives for it, and what comes back to each. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { connector, type Delivery, type Http, type Settling } from "../src/index.js";
import { everyone, joinOwn, memoOf, type Body, type Effect, type Joining, type Joint } from "../src/joint.js";
import { plugin } from "../src/plugin.js";

async function deliver(delivery: Delivery, http: Http): Promise<Settling> {
    return http.post("/lines").body(`${delivery.event.id}\n`).settle();
}

function post(body: Body): Effect {
    return { http: { method: "POST", url: "/lines", headers: [], body, timeoutMs: undefined, keepBody: false } };
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
    const whole = post(new TextEncoder().encode(lines.join("")));
    return [{ effect: whole, members, memo: memoOf(members.length) }];
}

test("what is joined is split among all that share it", () => {
    const line = (text: string) => new TextEncoder().encode(text);
    const [joint, ...more] = join([post(line("1\n")), post(undefined), post(line("3\n"))]);
    assert.deepEqual([joint, more], [{ effect: post(line("1\n3\n")), members: [0, 2], memo: line("2") }, []]);
    const created = { http: { status: 201, headers: [], body: new Uint8Array() } };
    assert.deepEqual(everyone(joint?.memo ?? line(""), created), [created, created]);
    for (const odd of ["", "x", "-1", "1.5", "9999999999999"]) {
        assert.deepEqual(everyone(line(odd), created), [], odd);
    }
});

test("what needs its delivery goes by itself", () => {
    const line = (text: string) => post(new TextEncoder().encode(text));
    const get = { method: "GET", url: "/", headers: [], body: undefined, timeoutMs: undefined };
    const kept: Effect = { http: { ...get, keepBody: true } };
    const own = [undefined, line("1\n"), post("event-data"), kept];
    const [joint, ...more] = joinOwn(join, [...own, line("4\n")]);
    assert.deepEqual([joint?.effect, joint?.members, more], [line("1\n4\n"), [1, 4], []]);
    assert.deepEqual(joinOwn(join, own), [], "one alone is not joined");
    const [wrong] = joinOwn((effects) => effects.map((effect) => ({ effect, members: [1, 2] })), [line("1"), line("2")]);
    assert.deepEqual(wrong?.members, [1, 0xffff_ffff], "which the host refuses");
});

test("a connector joins and splits or does neither", () => {
    for (const half of [{ join }, { split: everyone }, {}]) {
        const mistake = /give `join` and `split`, or neither/;
        assert.throws(() => connector(deliver, undefined, half as unknown as Joining), mistake);
    }
    connector(deliver, undefined, { join, split: everyone });
    const made = plugin();
    assert(made?.kind === "connector" && made.joining?.join === join);
});
