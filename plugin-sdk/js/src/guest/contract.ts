/** The contract of `wit/` as componentize-js gives it to a plugin and takes it back. */

import type { SqlErrorKind } from "../database.js";
import type { Attribute, Origin } from "../event.js";
import type { Place } from "../rounds.js";

/** A case of a variant without a value. */
type Case<Tag extends string> = { tag: Tag };
/** A case of a variant with one. */
type CaseOf<Tag extends string, Value> = { tag: Tag; val: Value };

export interface RawEvent {
    id: string;
    source: string;
    type: string;
    subject?: string;
    time?: bigint;
    key?: Uint8Array;
    contentType?: string;
    data?: Uint8Array;
    attributes: Attribute[];
    origin: Origin;
}

export type RawResolution =
    | CaseOf<"overwrite", string | undefined>
    | CaseOf<"merged", { data: Uint8Array; version?: string }>;

export interface RawDelivery {
    event: RawEvent;
    attempt: number;
    now: bigint;
    seed: bigint;
    deadline?: bigint;
    idempotencyKey: string;
    resolution?: RawResolution;
    rounds: RawReply[][];
}

export type RawBody =
    | Case<"none">
    | CaseOf<"bytes", Uint8Array>
    | Case<"event-data">
    | CaseOf<"of-reply", Place>;

export interface RawRequest {
    method: string;
    url: string;
    headers: Attribute[];
    body: RawBody;
    timeout: bigint | undefined;
    keepBody: boolean;
}

export interface RawGrpcRequest {
    method: string;
    metadata: Attribute[];
    message: Uint8Array;
    timeout: bigint | undefined;
}

export type RawSqlValue =
    | Case<"null">
    | CaseOf<"boolean", boolean>
    | CaseOf<"integer" | "timestamp", bigint>
    | CaseOf<"real", number>
    | CaseOf<"text" | "json", string>
    | CaseOf<"bytes", Uint8Array>
    | CaseOf<"texts", (string | undefined)[]>;

export interface RawSqlRequest {
    statements: { sql: string; parameters: RawSqlValue[] }[];
    timeout: bigint | undefined;
}

export type RawEffect = CaseOf<"http", RawRequest> | CaseOf<"grpc", RawGrpcRequest> | CaseOf<"sql", RawSqlRequest>;

export interface RawResponse {
    status: number;
    headers: Attribute[];
    body: CaseOf<"bytes", Uint8Array> | CaseOf<"kept", { length: bigint; sha256: Uint8Array }>;
}

export interface RawGrpcResponse {
    status: number;
    statusMessage: string;
    metadata: Attribute[];
    message?: Uint8Array | undefined;
}

export interface RawSqlError {
    kind: SqlErrorKind;
    statement?: number | undefined;
    code: string;
    message: string;
    constraint?: string | undefined;
}

export type RawSqlResponse =
    | CaseOf<"done", { affected: bigint; columns: string[]; rows: RawSqlValue[][] }[]>
    | CaseOf<"error", RawSqlError>;

export type RawFailure =
    | CaseOf<"not-allowed" | "invalid" | "connection" | "unsupported" | "other", string>
    | Case<"timed-out">
    | CaseOf<"too-large", bigint>;

export type RawReply =
    | CaseOf<"http", RawResponse>
    | CaseOf<"grpc", RawGrpcResponse>
    | CaseOf<"sql", RawSqlResponse>
    | CaseOf<"failed", RawFailure>;

export interface RawJoint {
    effect: RawEffect;
    members: Uint32Array;
    memo: Uint8Array;
}

interface RawRetry {
    after: bigint | undefined;
    reason: string;
}

export type RawOutcome =
    | CaseOf<"delivered", { externalId: string | undefined; version: string | undefined }>
    | CaseOf<"skipped" | "denied" | "rejected", string>
    | CaseOf<"retry" | "throttled", RawRetry>
    | CaseOf<"conflict", { version: string | undefined; current: Uint8Array | undefined; reason: string }>;

export type RawStep =
    | CaseOf<"perform", RawEffect[]>
    | CaseOf<"settle-by", RawEffect>
    | CaseOf<"settle", RawOutcome>;
export type RawCheckStep = CaseOf<"perform", RawEffect[]> | CaseOf<"usable" | "unusable", string>;

export interface RawReshaped {
    type: string;
    subject: string | undefined;
    contentType: string | undefined;
    data: Uint8Array | undefined;
    attributes: Attribute[];
}

export type RawTransformed = CaseOf<"emit", RawReshaped[]> | CaseOf<"drop" | "reject", string>;
