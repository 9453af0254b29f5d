/**
 * Unary gRPC calls, as a plugin writes them, and the answers.
 *
 * The plugin encodes and decodes messages, by a library in plain JavaScript or by hand; the host frames, sends and reads
 * them, tells the server how long it will wait, and adds the credentials.
 */

import { grpcAnswer, line } from "./asking.js";
import { retryDelayMs } from "./details.js";
import { Outcome, type OutcomeKind } from "./outcome.js";
import type { GrpcRequest, GrpcResponse, Rounds } from "./rounds.js";

const NO_BYTES = new Uint8Array();

/** A call that is being written. Nothing is asked before `.send()`. */
export class GrpcCall {
    readonly #rounds: Rounds;
    readonly #request: GrpcRequest;

    /** @internal */
    constructor(rounds: Rounds, method: string) {
        this.#rounds = rounds;
        this.#request = { method, metadata: [], message: NO_BYTES, timeoutMs: undefined };
    }

    /**
     * Adds metadata. Under a name that ends in `-bin` the value is base64. Names that begin with `grpc-` are the host's.
     */
    metadata(name: string, value: string): this {
        this.#request.metadata.push([name, value]);
        return this;
    }

    /** Carries this encoded message; else it is empty. */
    message(message: Uint8Array): this {
        this.#request.message = message;
        return this;
    }

    /** Waits no longer than this. Else it is what is left of the attempt. */
    timeoutMs(timeoutMs: number): this {
        this.#request.timeoutMs = Math.max(0, Math.floor(timeoutMs));
        return this;
    }

    /**
     * Sends it and waits for the answer, whatever its status.
     *
     * @throws {@link UnansweredFailure} where there is no answer at all.
     */
    async send(): Promise<GrpcAnswer> {
        const effect = { grpc: this.#request };
        return new GrpcAnswer(this.#request, grpcAnswer(effect, await this.#rounds.ask(effect).reply));
    }
}

/** The answer to a call, whatever its status. */
export class GrpcAnswer {
    readonly #request: GrpcRequest;
    readonly #response: GrpcResponse;

    /** @internal */
    constructor(request: GrpcRequest, response: GrpcResponse) {
        this.#request = request;
        this.#response = response;
    }

    /** The status: 0 is OK, the others are those of gRPC's list. */
    get status(): number {
        return this.#response.status;
    }

    /** True for status 0. */
    get isOk(): boolean {
        return this.status === 0;
    }

    /** What the server says of the status. */
    get statusMessage(): string {
        return this.#response.statusMessage;
    }

    /** The first value of this name in headers and trailers. */
    metadata(name: string): string | undefined {
        const wanted = name.toLowerCase();
        return this.#response.metadata.find(([known]) => known.toLowerCase() === wanted)?.[1];
    }

    /**
     * How long the server asks to be left alone, where it does, in milliseconds.
     *
     * By `grpc-retry-pushback-ms` (gRFC A6), in which what is negative or no number of 32 bits asks not to be tried again and
     * so says no time; else by `google.rpc.RetryInfo` among the details of the status.
     */
    get pushbackMs(): number | undefined {
        const said = this.metadata("grpc-retry-pushback-ms");
        if (said === undefined) {
            return retryDelayMs(this.metadata("grpc-status-details-bin") ?? "");
        }
        const isNumber = /^[0-9]+$/.test(said.trim());
        return isNumber && Number(said) <= LARGEST_PUSHBACK ? Number(said) : undefined;
    }

    /**
     * What it means by {@link Outcome.kindOfGrpcStatus}, but for `RESOURCE_EXHAUSTED`: that is throttled where the server
     * pushes back.
     *
     * A server says it of a rate that is too high, of a quota that is gone, and of one message that is too large. Only the
     * first passes by waiting, and of it a server can say so; the others must come to an end.
     */
    get kind(): OutcomeKind {
        const isThrottled = this.status === RESOURCE_EXHAUSTED && (this.pushbackMs ?? 0) > 0;
        return isThrottled ? "throttled" : Outcome.kindOfGrpcStatus(this.status);
    }

    /** The encoded message; empty where there is none. */
    get message(): Uint8Array {
        return this.#response.message ?? NO_BYTES;
    }

    /** For a person: `gRPC /package.Service/Method answered NOT_FOUND: no such room`. */
    get summary(): string {
        const name = NAMES[this.status] ?? `status ${this.status}`;
        const said = this.statusMessage === "" ? "" : `: ${this.statusMessage}`;
        return `${line({ grpc: this.#request })} answered ${name}${said}`;
    }
}

const RESOURCE_EXHAUSTED = 8;
const LARGEST_PUSHBACK = 2 ** 31 - 1;

const NAMES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
