/** SQL as the host is told of it, and what it tells. */

/** A moment, in microseconds since 1970-01-01T00:00:00Z. */
export interface Timestamp {
    readonly microseconds: bigint;
}

/** A value as JSON text. */
export interface Json {
    readonly json: string;
}

/** Texts and nulls as one array. Bound in PostgreSQL alone, which reads each as the type of the array's elements. */
export class Texts {
    constructor(readonly texts: readonly (string | null)[]) {}
}

/** A value that is bound, or that a row holds. A `bigint` is a whole number, a `number` one with a fraction. */
export type SqlValue = null | boolean | bigint | number | string | Uint8Array | Timestamp | Json | Texts;

/** One statement, and its parameters in order. */
export interface SqlStatement {
    readonly sql: string;
    readonly parameters: SqlValue[];
}

/** The statements of one transaction. */
export interface SqlRequest {
    readonly statements: SqlStatement[];
    timeoutMs: number | undefined;
}

/** What came of one statement. */
export interface SqlResult {
    readonly affected: number;
    readonly columns: readonly string[];
    readonly rows: readonly (readonly SqlValue[])[];
}

/** Why a database refuses. */
export type SqlErrorKind =
    /** A constraint refused the data. */
    | "constraint"
    /** A value does not fit: out of range, too long, not of its column's type. */
    | "data"
    /** Two transactions were in each other's way: trying again may help. */
    | "serialization"
    /** The statement itself is wrong. */
    | "statement"
    /** The database lets this user not in, or not do this. */
    | "permission"
    /** A statement gives more rows than the connector's `database.max-rows`. */
    | "too-many-rows"
    /** The database cannot now: it is full, starting, or being shut down. */
    | "unavailable"
    | "other";

/** A transaction that was rolled back. */
export interface SqlError {
    readonly kind: SqlErrorKind;
    /** The statement that was refused, from 0; `undefined` where it was the log-in or the commit. */
    readonly statement: number | undefined;
    /** The SQLSTATE, where there is one, else empty. */
    readonly code: string;
    readonly message: string;
    /** The constraint that was violated, where the database says so. */
    readonly constraint: string | undefined;
}

/** What came of a transaction: it is committed, with one result a statement, or was rolled back. */
export type SqlResponse = { readonly done: readonly SqlResult[] } | { readonly refused: SqlError };
