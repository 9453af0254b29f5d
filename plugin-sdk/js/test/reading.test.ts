/** What a plugin reads: data, replies, settings. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { array, number, object, optional, string } from "valibot";

import {
    encodeSegment,
    EventFailure,
    Outcome,
    settings,
    SettingsFailure,
    Transformed,
    type Delivery,
    type Event,
    type Http,
} from "../src/index.js";
import { endpoint, event, reply, settings as setSettings, transform } from "../src/testing.js";

const Limits = object({ path: string(), limit: optional(number(), 0), names: optional(array(string()), []) });
const bytes = (text: string) => new TextEncoder().encode(text);

test("data is read through a schema", () => {
    const read = (text: string) => event("t").bytes(bytes(text)).event().json(Limits);
    assert.deepEqual(read('{"path":"/a","more":[1]}'), { path: "/a", limit: 0, names: [] });
    assert.deepEqual(event("t").data({ a: [1] }).event().json(), { a: [1] });
});

test("an error names the key", () => {
    const table: [Uint8Array, string][] = [
        [bytes("{}"), 'path: Invalid key: Expected "path" but received undefined'],
        [bytes('{"path":5}'), "path: Invalid type: Expected string but received 5"],
        [bytes('{"path":"/a","names":["b",1]}'), "names.1: Invalid type: Expected string but received 1"],
        [bytes("5"), "Invalid type: Expected Object but received 5"],
        [bytes('"\\ud800"'), "it is no text in UTF-8: half of a surrogate pair"],
        [Uint8Array.of(0x22, 0xff, 0x22), "it is no text in UTF-8"],
    ];
    for (const [data, why] of table) {
        assert.throws(
            () => event("t").bytes(data).event().json(Limits),
            (error) => {
                assert(error instanceof EventFailure);
                assert.equal(error.message, `the event's data: ${why}`);
                return true;
            },
        );
    }
    // What only looks like half of a pair stays.
    assert.equal(event("t").bytes(bytes('"\\\\ud800 \\ud83d\\ude00"')).event().json(), "\\ud800 😀");
    for (const odd of ["{", "\ufeff{}"]) {
        assert.throws(() => event("t").bytes(bytes(odd)).event().json(), /the event's data: /, odd);
    }
});

test("a tombstone has no data", () => {
    const gone = event("t").tombstone().event();
    assert(gone.isTombstone);
    assert.throws(() => gone.json(), /the event has no data: it is a tombstone/);
});

test("a delivery holds what the host decided", () => {
    const plain = event("t").data(1);
    assert.deepEqual([plain.delivery().json(), plain.delivery().version], [1, undefined]);
    assert.equal(plain.resolution({ kind: "overwrite", version: "7" }).delivery().version, "7");
    const merged = plain.resolution({ kind: "merged", data: bytes("2"), version: "8" }).delivery();
    assert.deepEqual([merged.json(), merged.version, merged.event.json()], [2, "8", 1]);
    const bad = plain.resolution({ kind: "merged", data: bytes("x"), version: undefined }).delivery();
    assert.throws(() => bad.json(), /the merged data: /);
});

test("a reply that cannot be read may be another one next time", async () => {
    const deliver = async (_: Delivery, http: Http) => {
        (await http.get("/a").send()).json(string());
        return Outcome.delivered();
    };
    const run = await endpoint().expect("GET /a", reply(200).text("5")).deliver(deliver, event("t"));
    const why = "GET /a answered 200 OK: its body: Invalid type: Expected string but received 5";
    assert.deepEqual(run.outcome, Outcome.retry(why));
});

test("a body without a form in JSON is the event's fault", async () => {
    for (const [value, why] of [
        [1n, /serialize a BigInt/],
        [undefined, /undefined is no value of JSON/],
    ] as const) {
        const deliver = async (_: Delivery, http: Http) =>
            Outcome.fromResponse(await http.put("/").json(value).send());
        const { outcome } = await endpoint().deliver(deliver, event("t"));
        assert.equal(outcome.kind, "rejected");
        assert.match(JSON.stringify(outcome), why);
    }
});

test("settings are read once an instance", () => {
    setSettings({ path: "/a", limit: 7 });
    const first = settings(Limits);
    assert.deepEqual(first, { path: "/a", limit: 7, names: [] });
    assert.equal(settings(Limits), first);
    assert.deepEqual(settings(), { path: "/a", limit: 7 });
    setSettings({ pth: "/a" });
    assert.throws(() => settings(Limits), SettingsFailure);
    assert.throws(() => settings(Limits), /settings: path: Invalid key/);
});

test("only unreserved characters stay", () => {
    for (const [text, encoded] of [
        ["", ""],
        ["policy-7_a.b~c", "policy-7_a.b~c"],
        ["a/b?c#d", "a%2Fb%3Fc%23d"],
        ["100 %", "100%20%25"],
        ["é\n", "%C3%A9%0A"],
        ["(!'*)", "%28%21%27%2A%29"],
    ] as const) {
        assert.equal(encodeSegment(text), encoded);
    }
});

test("an event is reshaped", () => {
    function publish(event: Event): Transformed {
        if (event.attribute("audience") !== "public") {
            return Transformed.drop("not for the public");
        }
        return Transformed.emit(event.reshaped().kind("notice").json({ was: event.json() }));
    }
    assert.deepEqual(transform(publish, event("t")), Transformed.drop("not for the public"));
    const prepared = event("t").attribute("audience", "public");
    const expected = prepared.event().reshaped().with({ type: "notice", data: bytes('{"was":"é"}') });
    assert.deepEqual(transform(publish, prepared.data("é")), Transformed.emit(expected));
    assert.equal(transform(publish, prepared.bytes(bytes("x"))).kind, "reject");
});
