/**
 * SQL in the connector's database, as a plugin writes it, and what came of it.
 *
 * Statements that are run together are one transaction: all of them or none, and committed before the answer comes. Values
 * are bound and never written into the text. Each statement is in the database's own SQL: its parameters stand as `$1` in
 * PostgreSQL, as `?` in MySQL and MariaDB, and as either in SQLite.
 *
 * ```ts
 * const stored = await http
 *     .sql("insert into people (id, name) values ($1, $2) on conflict (id) do nothing")
 *     .bind(delivery.event.id)
 *     .bind("Ada")
 *     .and("insert into log (event) values ($1)")
 *     .bind(delivery.idempotencyKey)
 *     .run();
 * return stored.affected === 1 ? Outcome.delivered() : Outcome.skipped("it is there");
 * ```
 *
 * @module
 */

import { line, sqlAnswer } from "./asking.js";
import { Texts, type SqlRequest, type SqlResult, type SqlValue } from "./database.js";
import { EventFailure, RefusedFailure, ReplyFailure, SettingsFailure } from "./failure.js";
import { parse, Unreadable, write, type Schema } from "./json.js";
import type { Rounds } from "./rounds.js";

/** What can be bound: a whole `number` as a whole number, a `Date` as a moment, other objects and lists as JSON. */
export type Bound = SqlValue | undefined | Date | readonly unknown[] | Readonly<Record<string, unknown>>;

const LARGEST = 2n ** 63n;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A transaction that is being written. Nothing is done before `.run()`. */
export class Sql {
    readonly #rounds: Rounds;
    readonly #request: SqlRequest;

    /** @internal */
    constructor(rounds: Rounds, statement: string) {
        this.#rounds = rounds;
        this.#request = { statements: [{ sql: statement, parameters: [] }], timeoutMs: undefined };
    }

    /**
     * Binds the next parameter of the latest statement, which takes at most 1000; `undefined` is null.
     *
     * @throws {@link EventFailure} where no database can hold it.
     */
    bind(value: Bound): this {
        this.#request.statements.at(-1)?.parameters.push(bound(value));
        return this;
    }

    /** One more statement of the same transaction, of at most 64 KiB; a transaction takes at most 100. */
    and(statement: string): this {
        this.#request.statements.push({ sql: statement, parameters: [] });
        return this;
    }

    /** Waits no longer than this. Else it is what is left of the attempt. */
    timeoutMs(timeoutMs: number): this {
        this.#request.timeoutMs = Math.max(0, Math.floor(timeoutMs));
        return this;
    }

    /**
     * Runs the transaction, and waits until it is committed.
     *
     * @throws {@link RefusedFailure} where the database refused it and nothing was done, {@link SettingsFailure} where the
     * connector is not granted what it asks for, {@link UnansweredFailure} where it is unknown whether all of it was done or
     * nothing.
     */
    run(): Promise<SqlAnswer> {
        return this.#ask(false);
    }

    /**
     * As {@link Sql.run}, for the transaction that delivers the event: where each of its statements changed a row and none
     * gave one, that alone is `Outcome.delivered()`, and the host need not call the plugin again. Else the function goes on
     * from here, and where it is called all the same, it must end just so: see {@link SqlAnswer.hasDelivered}. Where something
     * else is asked beside it, it is as {@link Sql.run}.
     *
     * ```ts
     * const changed = await http.sql("update people set name = $1 where id = $2").bind("Ada").bind(7).runToDeliver();
     * return changed.hasDelivered ? Outcome.delivered() : Outcome.skipped("nobody is there");
     * ```
     */
    runToDeliver(): Promise<SqlAnswer> {
        return this.#ask(true);
    }

    async #ask(settles: boolean): Promise<SqlAnswer> {
        const effect = { sql: this.#request };
        const reply = await this.#rounds.ask(effect, settles).reply;
        if ("unanswered" in reply && reply.unanswered.kind === "not-allowed") {
            // Statements are written by settings, and not by an event.
            const why = reply.unanswered.detail;
            throw new SettingsFailure(`the connector's \`database\` does not grant what they ask for: ${why}`);
        }
        const response = sqlAnswer(effect, reply);
        if ("refused" in response) {
            throw new RefusedFailure(line(effect), response.refused);
        }
        return new SqlAnswer(line(effect), response.done);
    }
}

/** A transaction that is committed. */
export class SqlAnswer {
    readonly #request: string;
    readonly #results: readonly SqlResult[];

    /** @internal */
    constructor(request: string, results: readonly SqlResult[]) {
        this.#request = request;
        this.#results = results;
    }

    /**
     * Has each statement changed a row, and none given one? Then what was asked by {@link Sql.runToDeliver} has delivered the
     * event.
     */
    get hasDelivered(): boolean {
        return haveDelivered(this.#results);
    }

    /** Rows that the last statement inserted, updated or deleted, as the database counts them. */
    get affected(): number {
        return this.#results.at(-1)?.affected ?? 0;
    }

    /** The same of one statement, from 0; 0 where there is no such statement. */
    affectedBy(statement: number): number {
        return this.#results[statement]?.affected ?? 0;
    }

    /** The rows that the last statement gave. */
    get rows(): Row[] {
        return this.rowsOf(this.#results.length - 1);
    }

    /** The rows that one statement gave, from 0; none where there is no such statement. */
    rowsOf(statement: number): Row[] {
        const result = this.#results[statement];
        return result === undefined ? [] : result.rows.map((values) => new Row(this.#request, result.columns, values));
    }

    /** The first row of the last statement; `undefined` where there is none. */
    get row(): Row | undefined {
        return this.rows[0];
    }
}

/** @internal Whether these results of a transaction that was run to deliver settle the event. */
export function haveDelivered(results: readonly SqlResult[]): boolean {
    return results.length > 0 && results.every(({ affected, rows }) => affected > 0 && rows.length === 0);
}

/** One row. Each reading throws {@link ReplyFailure} where there is no such column, or it holds something else, or nothing. */
export class Row {
    readonly #request: string;
    readonly #columns: readonly string[];
    readonly #values: readonly SqlValue[];

    /** @internal */
    constructor(request: string, columns: readonly string[], values: readonly SqlValue[]) {
        this.#request = request;
        this.#columns = columns;
        this.#values = values;
    }

    /** The value of this column as it came. */
    value(column: string): SqlValue {
        const value = this.#values[this.#columns.indexOf(column)];
        if (value === undefined) {
            throw new ReplyFailure(`${this.#request} gave no column \`${column}\``);
        }
        return value;
    }

    /** Does the column hold nothing? */
    isNull(column: string): boolean {
        return this.value(column) === null;
    }

    /** As true or false, for which MySQL and SQLite have 1 and 0. */
    boolean(column: string): boolean {
        const value = this.value(column);
        if (value === 0n || value === 1n) {
            return value === 1n;
        }
        return typeof value === "boolean" ? value : this.#wrong(column);
    }

    /** As a number; one beyond 2^53 has to be read by {@link Row.bigint}. */
    number(column: string): number {
        const value = this.value(column);
        if (typeof value === "bigint") {
            return Number.isSafeInteger(Number(value)) ? Number(value) : this.#wrong(column);
        }
        return typeof value === "number" ? value : this.#wrong(column);
    }

    /** As a whole number of any size. */
    bigint(column: string): bigint {
        const value = this.value(column);
        return typeof value === "bigint" ? value : this.#wrong(column);
    }

    /** As text: JSON is text too, and so are decimal numbers, dates and UUIDs. */
    text(column: string): string {
        const value = this.value(column);
        if (typeof value === "object" && value !== null && "json" in value) {
            return value.json;
        }
        return typeof value === "string" ? value : this.#wrong(column);
    }

    bytes(column: string): Uint8Array {
        const value = this.value(column);
        return value instanceof Uint8Array ? value : this.#wrong(column);
    }

    /** As a moment, to the millisecond that `Date` has. */
    date(column: string): Date {
        const value = this.value(column);
        return typeof value === "object" && value !== null && "microseconds" in value
            ? new Date(Number(value.microseconds / 1000n))
            : this.#wrong(column);
    }

    /** As JSON, of its own type or in text; through the schema, where there is one. */
    json<T = unknown>(column: string, schema?: Schema<T>): T {
        try {
            return parse(encoder.encode(this.text(column)), schema);
        } catch (error) {
            throw error instanceof Unreadable
                ? new ReplyFailure(`${this.#request} gave in \`${column}\`: ${error.message}`)
                : error;
        }
    }

    #wrong(column: string): never {
        throw new ReplyFailure(`${this.#request} gave another type than is wanted in \`${column}\``);
    }
}

function bound(value: Bound): SqlValue {
    switch (typeof value) {
        case "undefined":
            return null;
        case "number":
            return Number.isInteger(value) ? whole(BigInt(value)) : value;
        case "bigint":
            return whole(value);
        case "object":
            return object(value);
        default:
            return value;
    }
}

function whole(value: bigint): bigint {
    if (value < -LARGEST || value >= LARGEST) {
        throw new EventFailure(`${value} is no number of 64 bits, which a database could hold`);
    }
    return value;
}

function object(value: Exclude<Bound, undefined | boolean | bigint | number | string>): SqlValue {
    if (value === null || value instanceof Uint8Array || value instanceof Texts) {
        return value;
    }
    if (value instanceof Date) {
        if (Number.isNaN(value.getTime())) {
            throw new EventFailure("what is bound is a date that is none");
        }
        return { microseconds: BigInt(value.getTime()) * 1000n };
    }
    try {
        return { json: decoder.decode(write(value)) };
    } catch (error) {
        throw error instanceof Unreadable
            ? new EventFailure(`what is bound has no form in JSON: ${error.message}`)
            : error;
    }
}
