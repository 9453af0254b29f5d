/** JSON read through a schema, with errors that name the place. */

import type { StandardSchemaV1 } from "@standard-schema/spec";

/** A schema of any library that follows https://standardschema.dev, such as valibot, zod or arktype. */
export type Schema<T> = StandardSchemaV1<unknown, T>;

/** Says what is wrong with a text, and at which key. */
export class Unreadable extends Error {}

// A mark of the byte order is no JSON (RFC 8259, 8.1): it is seen, and refused.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
/** In what `JSON.stringify` writes: half of a surrogate pair, which no text in UTF-8 can hold. */
const LONE_SURROGATE = /(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/;

/** One JSON value; through the schema, where there is one. Throws {@link Unreadable}. */
export function parse<T>(text: Uint8Array, schema: Schema<T> | undefined): T {
    const value = read(text);
    if (schema === undefined) {
        return value as T;
    }
    const result = schema["~standard"].validate(value);
    if (result instanceof Promise) {
        throw new TypeError("a schema that must be awaited cannot read JSON");
    }
    if (result.issues === undefined) {
        return result.value;
    }
    const [issue] = result.issues;
    const path = (issue?.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment));
    throw new Unreadable([path.join("."), issue?.message ?? "it is not valid"].filter((part) => part !== "").join(": "));
}

/** A value as JSON. Throws {@link Unreadable} where it has no form in JSON. */
export function write(value: unknown): Uint8Array {
    let text: string | undefined;
    try {
        text = JSON.stringify(value);
    } catch (error) {
        throw new Unreadable(error instanceof Error ? error.message : String(error));
    }
    if (text === undefined) {
        throw new Unreadable(`${typeof value} is no value of JSON`);
    }
    return encoder.encode(text);
}

function read(bytes: Uint8Array): unknown {
    let text: string;
    try {
        text = decoder.decode(bytes);
    } catch {
        throw new Unreadable("it is no text in UTF-8");
    }
    let value: unknown;
    try {
        value = JSON.parse(text);
    } catch (error) {
        // Too deep a nesting is told by another kind of error, in words of the engine.
        throw new Unreadable(error instanceof SyntaxError ? error.message : "it is nested too deeply");
    }
    if (text.includes("\\u") && LONE_SURROGATE.test(JSON.stringify(value))) {
        throw new Unreadable("it is no text in UTF-8: half of a surrogate pair");
    }
    return value;
}
