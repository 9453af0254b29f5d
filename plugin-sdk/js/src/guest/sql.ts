/** SQL between the contract's words and the SDK's. */

import { Texts, type SqlRequest, type SqlResponse, type SqlValue } from "../database.js";
import { bytes, timeout } from "./common.js";
import type { RawSqlRequest, RawSqlResponse, RawSqlValue } from "./contract.js";

export function sqlRequest(request: SqlRequest): RawSqlRequest {
    const statements = request.statements.map(({ sql, parameters }) => ({ sql, parameters: parameters.map(bound) }));
    return { statements, timeout: timeout(request.timeoutMs) };
}

function bound(value: SqlValue): RawSqlValue {
    switch (typeof value) {
        case "boolean":
            return { tag: "boolean", val: value };
        case "bigint":
            return { tag: "integer", val: value };
        case "number":
            return { tag: "real", val: value };
        case "string":
            return { tag: "text", val: value };
    }
    if (value === null) {
        return { tag: "null" };
    }
    if (value instanceof Uint8Array) {
        return { tag: "bytes", val: value };
    }
    if (value instanceof Texts) {
        return { tag: "texts", val: value.texts.map((text) => text ?? undefined) };
    }
    return "json" in value ? { tag: "json", val: value.json } : { tag: "timestamp", val: value.microseconds };
}

export function sqlResponse(raw: RawSqlResponse): SqlResponse {
    if (raw.tag === "error") {
        const { kind, statement, code, message, constraint } = raw.val;
        return { refused: { kind, statement, code, message, constraint } };
    }
    const done = raw.val.map(({ affected, columns, rows }) => {
        return { affected: Number(affected), columns, rows: rows.map((row) => row.map(value)) };
    });
    return { done };
}

/** As {@link sqlResponse}, the other way round. */
export function rawSqlResponse(response: SqlResponse): RawSqlResponse {
    if ("refused" in response) {
        return { tag: "error", val: response.refused };
    }
    const done = response.done.map(({ affected, columns, rows }) => {
        return { affected: BigInt(affected), columns: [...columns], rows: rows.map((row) => row.map(bound)) };
    });
    return { tag: "done", val: done };
}

function value(raw: RawSqlValue): SqlValue {
    switch (raw.tag) {
        case "null":
            return null;
        case "bytes":
            return bytes(raw.val);
        case "timestamp":
            return { microseconds: raw.val };
        case "json":
            return { json: raw.val };
        case "texts":
            return new Texts(raw.val.map((text) => text ?? null));
        default:
            return raw.val;
    }
}
