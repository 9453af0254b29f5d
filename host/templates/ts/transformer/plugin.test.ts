/** The transformer in Node. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Transformed } from "liaison-sdk";
import { event, settings, transform as run } from "liaison-sdk/testing";

import { transform } from "../src/plugin.js";

test("what is public is passed on under another type", () => {
    settings({ kind: "notice" });
    const made = event("made").attribute("audience", "public");
    assert.deepEqual(run(transform, made), Transformed.emit(made.event().reshaped().kind("notice")));
});

test("what is not public is dropped", () => {
    settings({ kind: "notice" });
    assert.deepEqual(run(transform, event("made")), Transformed.drop("not for the public"));
});
