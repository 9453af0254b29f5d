/** What the host is asked for, and what it answers both ways, between the contract's words and the SDK's. */

import type { Unanswered } from "../failure.js";
import type { Body, Effect, KeptBody, Reply } from "../rounds.js";
import { bytes, timeout } from "./common.js";
import type { RawBody, RawEffect, RawFailure, RawReply } from "./contract.js";
import { rawSqlResponse, sqlRequest, sqlResponse } from "./sql.js";

export function reply(raw: RawReply): Reply {
    switch (raw.tag) {
        case "http": {
            const { status, headers, body } = raw.val;
            return { http: { status, headers, body: body.tag === "bytes" ? bytes(body.val) : kept(body.val) } };
        }
        case "grpc": {
            const { status, statusMessage, metadata, message } = raw.val;
            return { grpc: { status, statusMessage, metadata, message: message && bytes(message) } };
        }
        case "failed":
            return { unanswered: unanswered(raw.val) };
        case "sql":
            return { sql: sqlResponse(raw.val) };
    }
}

function kept(raw: { length: bigint; sha256: Uint8Array }): KeptBody {
    return { length: Number(raw.length), sha256: bytes(raw.sha256) };
}

function unanswered(raw: RawFailure): Unanswered {
    switch (raw.tag) {
        case "timed-out":
            return { kind: raw.tag };
        case "too-large":
            return { kind: raw.tag, limit: Number(raw.val) };
        default:
            return { kind: raw.tag, detail: raw.val };
    }
}

export function effect(effect: Effect): RawEffect {
    if ("grpc" in effect) {
        const { method, metadata, message, timeoutMs } = effect.grpc;
        return { tag: "grpc", val: { method, metadata, message, timeout: timeout(timeoutMs) } };
    }
    if ("sql" in effect) {
        return { tag: "sql", val: sqlRequest(effect.sql) };
    }
    const { method, url, headers, timeoutMs, keepBody } = effect.http;
    const val = { method, url, headers, body: body(effect.http.body), timeout: timeout(timeoutMs), keepBody };
    return { tag: "http", val };
}

function body(body: Body): RawBody {
    if (body === undefined) {
        return { tag: "none" };
    }
    if (body === "event-data") {
        return { tag: body };
    }
    return body instanceof Uint8Array ? { tag: "bytes", val: body } : { tag: "of-reply", val: body.ofReply };
}

/** As {@link reply}, the other way round. */
export function answered(reply: Reply): RawReply {
    if ("unanswered" in reply) {
        return { tag: "failed", val: failed(reply.unanswered) };
    }
    if ("grpc" in reply) {
        const { status, statusMessage, metadata, message } = reply.grpc;
        return { tag: "grpc", val: { status, statusMessage, metadata: [...metadata], message } };
    }
    if ("sql" in reply) {
        return { tag: "sql", val: rawSqlResponse(reply.sql) };
    }
    const { status, headers, body } = reply.http;
    const carries =
        body instanceof Uint8Array
            ? ({ tag: "bytes", val: body } as const)
            : ({ tag: "kept", val: { length: BigInt(body.length), sha256: body.sha256 } } as const);
    return { tag: "http", val: { status, headers: [...headers], body: carries } };
}

function failed(why: Unanswered): RawFailure {
    switch (why.kind) {
        case "timed-out":
            return { tag: why.kind };
        case "too-large":
            return { tag: why.kind, val: BigInt(why.limit) };
        default:
            return { tag: why.kind, val: why.detail };
    }
}
