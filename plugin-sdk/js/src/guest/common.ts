/** What both kinds of plugin have in common inside WebAssembly: log, settings, events. */

import { get } from "wasi:config/store@0.2.0-rc.1";
import { log } from "wasi:logging/logging@0.1.0-draft";

import { Event } from "../event.js";
import { writeTo } from "../log.js";
import { readFrom } from "../settings.js";
import type { RawEvent } from "./contract.js";

writeTo((level, message) => log(level, "", message));
readFrom(() => get("settings") ?? "{}");

export function event(raw: RawEvent): Event {
    return new Event({
        id: raw.id,
        source: raw.source,
        type: raw.type,
        subject: raw.subject,
        timeMs: milliseconds(raw.time),
        key: raw.key && bytes(raw.key),
        contentType: raw.contentType,
        data: raw.data && bytes(raw.data),
        attributes: raw.attributes,
        origin: raw.origin,
    });
}

/** The same bytes as what the plugin itself calls a `Uint8Array`: the engine gives those of another realm. */
export function bytes(raw: Uint8Array): Uint8Array {
    return new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
}

export function milliseconds(raw: bigint | undefined): number | undefined {
    return raw === undefined ? undefined : Number(raw);
}

export function timeout(timeoutMs: number | undefined): bigint | undefined {
    return timeoutMs === undefined ? undefined : BigInt(timeoutMs);
}
