/** Events, deliveries and replies for a test, with defaults for all that the test does not care about. */

import { Delivery, Event, type Attribute, type DeliveryFields, type EventFields, type Resolution } from "../event.js";
import type { GrpcResponse, HttpResponse, Reply } from "../rounds.js";

/** 2026-01-01T00:00:00Z: when attempts begin. */
export const NOW_MS = 1_767_225_600_000;

const encoder = new TextEncoder();

/** A reply with this status and nothing else. */
export function reply(status: number): ScriptedReply {
    return new ScriptedReply({ status, headers: [], body: new Uint8Array() });
}

/** The answer to a gRPC call with this status and nothing else; 0 is OK. */
export function grpcReply(status: number): ScriptedGrpcReply {
    return new ScriptedGrpcReply({ status, statusMessage: "", metadata: [], message: undefined });
}

/** An event of this type: id `1`, source `/test`, data `{}`. */
export function event(type: string): Prepared {
    const fields: EventFields = {
        id: "1",
        source: "/test",
        type,
        subject: undefined,
        timeMs: undefined,
        key: undefined,
        contentType: "application/json",
        data: encoder.encode("{}"),
        attributes: [],
        origin: { topic: "events", partition: 0, offset: 0n },
    };
    return new Prepared(fields, {
        attempt: 1,
        nowMs: NOW_MS,
        seed: 7n,
        deadlineMs: undefined,
        idempotencyKey: "test-1",
        resolution: undefined,
    });
}

/** What the endpoint answers. */
export class ScriptedReply {
    /** @internal */
    constructor(readonly response: HttpResponse) {}

    /** @internal */
    get reply(): Reply {
        return { http: this.response };
    }

    /** Adds a header. */
    header(name: string, value: string): ScriptedReply {
        return this.#with({ headers: [...this.response.headers, [name.toLowerCase(), value]] });
    }

    /** With this value as JSON. */
    json(body: unknown): ScriptedReply {
        return this.text(JSON.stringify(body)).header("content-type", "application/json");
    }

    /** With this text. */
    text(body: string): ScriptedReply {
        return this.bytes(encoder.encode(body));
    }

    /** With these bytes. */
    bytes(body: Uint8Array): ScriptedReply {
        return this.#with({ body });
    }

    #with(changes: Partial<HttpResponse>): ScriptedReply {
        return new ScriptedReply({ ...this.response, ...changes });
    }
}

/** What the endpoint answers to a gRPC call. */
export class ScriptedGrpcReply {
    /** @internal */
    constructor(readonly response: GrpcResponse) {}

    /** @internal */
    get reply(): Reply {
        return { grpc: this.response };
    }

    /** With these words beside the status. */
    statusMessage(statusMessage: string): ScriptedGrpcReply {
        return new ScriptedGrpcReply({ ...this.response, statusMessage });
    }

    /** Adds metadata. */
    metadata(name: string, value: string): ScriptedGrpcReply {
        const metadata = [...this.response.metadata, [name.toLowerCase(), value] as Attribute];
        return new ScriptedGrpcReply({ ...this.response, metadata });
    }

    /** With this encoded message, or this text in UTF-8. */
    message(message: Uint8Array | string): ScriptedGrpcReply {
        const bytes = typeof message === "string" ? encoder.encode(message) : message;
        return new ScriptedGrpcReply({ ...this.response, message: bytes });
    }
}

/** An event, and its delivery, with defaults for all that the test does not care about. */
export class Prepared {
    readonly #event: EventFields;
    readonly #delivery: Omit<DeliveryFields, "event">;

    /** @internal */
    constructor(event: EventFields, delivery: Omit<DeliveryFields, "event">) {
        this.#event = event;
        this.#delivery = delivery;
    }

    id(id: string): Prepared {
        return new Prepared({ ...this.#event, id }, { ...this.#delivery, idempotencyKey: `test-${id}` });
    }

    source(source: string): Prepared {
        return this.#withEvent({ source });
    }

    subject(subject: string): Prepared {
        return this.#withEvent({ subject });
    }

    key(key: Uint8Array): Prepared {
        return this.#withEvent({ key });
    }

    /** When it happened, in milliseconds since 1970. */
    timeMs(timeMs: number): Prepared {
        return this.#withEvent({ timeMs });
    }

    /** Adds an extension attribute or a header. */
    attribute(name: string, value: string): Prepared {
        return this.#withEvent({ attributes: [...this.#event.attributes, [name, value]] });
    }

    /** With this JSON as data. */
    data(data: unknown): Prepared {
        return this.#withEvent({ data: encoder.encode(JSON.stringify(data)) });
    }

    /** With these bytes as data, and their media type where there is one. */
    bytes(data: Uint8Array, contentType?: string): Prepared {
        return this.#withEvent({ data, contentType });
    }

    /** Without data. */
    tombstone(): Prepared {
        return this.#withEvent({ data: undefined, contentType: undefined });
    }

    /** On this attempt; 1 is the first. */
    attempt(attempt: number): Prepared {
        return this.#withDelivery({ attempt });
    }

    /** At this time, in milliseconds since 1970. */
    nowMs(nowMs: number): Prepared {
        return this.#withDelivery({ nowMs });
    }

    /** After the host decided a conflict in this way. */
    resolution(resolution: Resolution): Prepared {
        return this.#withDelivery({ resolution });
    }

    /** The delivery, anew. */
    delivery(): Delivery {
        return new Delivery({ ...structuredClone(this.#delivery), event: this.event() });
    }

    /** The event, anew. */
    event(): Event {
        return new Event(structuredClone(this.#event));
    }

    #withEvent(changes: Partial<EventFields>): Prepared {
        return new Prepared({ ...this.#event, ...changes }, this.#delivery);
    }

    #withDelivery(changes: Partial<DeliveryFields>): Prepared {
        return new Prepared(this.#event, { ...this.#delivery, ...changes });
    }
}
