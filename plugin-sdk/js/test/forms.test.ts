/** Forms: the same bytes as the SDKs in other languages write. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Multipart, Outcome, type Delivery, type Fields, type Http } from "../src/index.js";
import { endpoint, event, reply } from "../src/testing.js";

const BOUNDARY = "liaison-part-5f0c9e27b81d";

async function sent(form: Multipart | Fields) {
    const deliver = async (_delivery: Delivery, http: Http) => {
        const request = http.post("/");
        const written = form instanceof Multipart ? request.multipart(form) : request.form(form);
        return Outcome.fromResponse(await written.send());
    };
    const run = await endpoint().expect("POST /", reply(200)).deliver(deliver, event("t"));
    const request = run.requests[0];
    assert(request !== undefined && request.body instanceof Uint8Array);
    return { text: new TextDecoder().decode(request.body), headers: request.headers };
}

test("fields are encoded as a form", async () => {
    const { text, headers } = await sent([
        ["a b", "1&2=3"],
        ["a b", "ü*-._~"],
        ["empty", ""],
    ]);
    assert.equal(text, "a+b=1%262%3D3&a+b=%C3%BC*-._%7E&empty=");
    assert.deepEqual(headers, [["content-type", "application/x-www-form-urlencoded"]]);
    assert.equal((await sent({ a: "b" })).text, "a=b");
});

test("a form of parts is written alike each time, and no part ends it", async () => {
    const form = new Multipart()
        .field("title", "Überstunden\r\n")
        .field('a"b\r\n', `--${BOUNDARY}-0.\r\n`)
        .file("pdf", 'a".pdf', "application/pdf\r\nx-evil: 1", new TextEncoder().encode("%PDF"));
    const { text, headers } = await sent(form);
    const boundary = `${BOUNDARY}-1.`;
    assert.equal(
        text,
        `--${boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nÜberstunden\r\n\r\n` +
            `--${boundary}\r\nContent-Disposition: form-data; name="a%22b%0D%0A"\r\n\r\n--${BOUNDARY}-0.\r\n\r\n` +
            `--${boundary}\r\nContent-Disposition: form-data; name="pdf"; filename="a%22.pdf"\r\n` +
            `Content-Type: application/pdf  x-evil: 1\r\n\r\n%PDF\r\n--${boundary}--\r\n`,
    );
    assert.deepEqual(headers, [["content-type", `multipart/form-data; boundary=${boundary}`]]);
});
