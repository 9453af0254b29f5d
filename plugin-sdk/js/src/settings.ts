/**
 * The plugin's own part of the configuration, as the plugin's own type.
 *
 * They do not change while an instance lives, so they are read once an instance.
 */

import { SettingsFailure } from "./failure.js";
import { parse, Unreadable, type Schema } from "./json.js";

const encoder = new TextEncoder();

let source: () => string = () => "{}";
const read = new Map<unknown, unknown>();

/**
 * The `settings` of the connector or transformer that this plugin runs as; through the schema, where there is one.
 *
 * @throws {@link SettingsFailure}, which names the key. In `deliver` it becomes `denied`: its connector is held back and
 * somebody is told, and no event is lost to a typing mistake. In `check` it becomes unusable, in a transformer `reject`.
 */
export function settings<T = Record<string, unknown>>(schema?: Schema<T>): T {
    if (!read.has(schema)) {
        read.set(schema, readNow(schema));
    }
    return read.get(schema) as T;
}

function readNow<T>(schema: Schema<T> | undefined): T {
    try {
        return parse(encoder.encode(source()), schema);
    } catch (error) {
        throw error instanceof Unreadable ? new SettingsFailure(error.message) : error;
    }
}

/** @internal Begins anew with settings from there: one JSON object as text. */
export function readFrom(there: () => string): void {
    source = there;
    read.clear();
}
