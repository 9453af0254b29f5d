/** What a plugin is given: an event, and its delivery. */

import { EventFailure } from "./failure.js";
import { parse, Unreadable, type Schema } from "./json.js";
import { Reshaped } from "./transform.js";

/** Name and value. Names are lower case; a name may come more than once. */
export type Attribute = [name: string, value: string];

/** Where an event was read. With the subscription it names one delivery for ever. */
export interface Origin {
    topic: string;
    partition: number;
    offset: bigint;
}

/** What an event holds, in the words of CloudEvents 1.0. */
export interface EventFields {
    /** Stable for the life of the event: the same on every attempt, after a restart and after a redrive. */
    readonly id: string;
    /** Who says so: a URI reference. With `id` it is unique. */
    readonly source: string;
    /** What happened, such as `policy.updated`. */
    readonly type: string;
    /** What it happened to, where the producer says so. */
    readonly subject: string | undefined;
    /** When it happened, in milliseconds since 1970; else when Kafka received it. */
    readonly timeMs: number | undefined;
    /** The Kafka key: events with the same key are delivered in order. */
    readonly key: Uint8Array | undefined;
    /** The media type of `data`, such as `application/json`. */
    readonly contentType: string | undefined;
    /** `undefined` is a tombstone: the thing named by `key` or `subject` is gone. */
    readonly data: Uint8Array | undefined;
    /** CloudEvents extension attributes and the record's text headers. */
    readonly attributes: readonly Attribute[];
    /** Where it was read. */
    readonly origin: Origin;
}

export interface Event extends EventFields {}

/** One event. */
export class Event {
    constructor(fields: EventFields) {
        Object.assign(this, fields);
    }

    /**
     * The data as JSON, read now; through the schema, where there is one.
     *
     * @throws {@link EventFailure} where there is no data (a tombstone), or it is not JSON of this shape.
     */
    json<T = unknown>(schema?: Schema<T>): T {
        return readJson(this.data, schema, "the event's data");
    }

    /** The first extension attribute or header of this name, which is lower case. */
    attribute(name: string): string | undefined {
        return this.attributes.find(([known]) => known === name)?.[1];
    }

    /** True where what the key or the subject names is gone. */
    get isTombstone(): boolean {
        return this.data === undefined;
    }

    /** The event as it is, to be changed and emitted. */
    reshaped(): Reshaped {
        const { type, subject, contentType, data, attributes } = this;
        return new Reshaped({ type, subject, contentType, data, attributes: [...attributes] });
    }
}

/**
 * What the host decided after an earlier conflict: write the event over this version of what the external system holds,
 * or write merged data instead of the event's, over this version only.
 */
export type Resolution =
    | { kind: "overwrite"; version: string | undefined }
    | { kind: "merged"; data: Uint8Array; version: string | undefined };

export interface DeliveryFields {
    readonly event: Event;
    /** 1 for the first attempt. */
    readonly attempt: number;
    /** When the attempt began, in milliseconds since 1970, to a tenth of a second. The clock shows it too. */
    readonly nowMs: number;
    /** What random numbers grow from: the same for every step of one attempt. */
    readonly seed: bigint;
    /** When the event's SLA is missed, in milliseconds since 1970. */
    readonly deadlineMs: number | undefined;
    /** The same on every attempt, after restarts and redrives. The host sends it with every request. */
    readonly idempotencyKey: string;
    /** What the host decided after an earlier conflict. */
    readonly resolution: Resolution | undefined;
}

export interface Delivery extends DeliveryFields {}

/** One event on its way to the external system. */
export class Delivery {
    constructor(fields: DeliveryFields) {
        Object.assign(this, fields);
    }

    /** What to write: the event's data, or what the host made of it and of the external system's. */
    get data(): Uint8Array | undefined {
        return this.resolution?.kind === "merged" ? this.resolution.data : this.event.data;
    }

    /** The version to write over, where the host decided on one. */
    get version(): string | undefined {
        return this.resolution?.version;
    }

    /** What to write as JSON: as {@link Event.json}, of `data`. */
    json<T = unknown>(schema?: Schema<T>): T {
        const what = this.resolution?.kind === "merged" ? "the merged data" : "the event's data";
        return readJson(this.data, schema, what);
    }
}

function readJson<T>(data: Uint8Array | undefined, schema: Schema<T> | undefined, what: string): T {
    if (data === undefined) {
        throw new EventFailure("the event has no data: it is a tombstone");
    }
    try {
        return parse(data, schema);
    } catch (error) {
        throw error instanceof Unreadable ? new EventFailure(`${what}: ${error.message}`) : error;
    }
}
