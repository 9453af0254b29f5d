/**
 * Requests to the external system, as a plugin writes them, and the answers.
 *
 * Nothing is sent here: a request that is sent becomes part of the next step, and the host performs it, with the
 * credentials that it adds.
 */

import { EventFailure, ReplyFailure, UnansweredFailure } from "./failure.js";
import { parse, Unreadable, write, type Schema } from "./json.js";
import type { HttpRequest, HttpResponse, KeptBody, Place, Rounds } from "./rounds.js";

/** How much of a body is quoted in a reason, in characters. */
const QUOTED_CHARACTERS = 200;
/** Of the three forms of a date that RFC 9110 knows, its beginning. */
const HTTP_DATE = /^(Mon|Tues?|Wed(nes)?|Thu(rs)?|Fri|Sat(ur)?|Sun)(day)?[, ]/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_BYTES = new Uint8Array();

/** The way to the external system, for one attempt. */
export class Http {
    readonly #rounds: Rounds;
    readonly #nowMs: number;

    /** @internal */
    constructor(rounds: Rounds, nowMs: number) {
        this.#rounds = rounds;
        this.#nowMs = nowMs;
    }

    /**
     * A request. The URL is absolute, or a path that the host appends to the connector's endpoint; whatever in it comes
     * from an event goes through `encodeSegment`.
     */
    request(method: string, url: string): Request {
        return new Request(this.#rounds, this.#nowMs, method, url);
    }

    /** A `GET` request: see {@link Http.request}. */
    get(url: string): Request {
        return this.request("GET", url);
    }

    /** A `PUT` request: see {@link Http.request}. */
    put(url: string): Request {
        return this.request("PUT", url);
    }

    /** A `POST` request: see {@link Http.request}. */
    post(url: string): Request {
        return this.request("POST", url);
    }

    /** A `PATCH` request: see {@link Http.request}. */
    patch(url: string): Request {
        return this.request("PATCH", url);
    }

    /** A `DELETE` request: see {@link Http.request}. */
    delete(url: string): Request {
        return this.request("DELETE", url);
    }
}

/** A request that is being written. Nothing is asked before `.send()`. */
export class Request {
    readonly #rounds: Rounds;
    readonly #nowMs: number;
    readonly #request: HttpRequest;

    /** @internal */
    constructor(rounds: Rounds, nowMs: number, method: string, url: string) {
        this.#rounds = rounds;
        this.#nowMs = nowMs;
        this.#request = { method, url, headers: [], body: undefined, timeoutMs: undefined, keepBody: false };
    }

    /**
     * Adds a header. `Host`, `Content-Length`, `Connection` and the like are the host's and are refused; it adds
     * `Idempotency-Key` and the credentials.
     */
    header(name: string, value: string): this {
        this.#request.headers.push([name, value]);
        return this;
    }

    /**
     * Carries this value as JSON.
     *
     * @throws {@link EventFailure} where it has no form in JSON.
     */
    json(body: unknown): this {
        let written: Uint8Array;
        try {
            written = write(body);
        } catch (error) {
            throw error instanceof Unreadable ? new EventFailure(`the body has no form in JSON: ${error.message}`) : error;
        }
        return this.body(written).header("content-type", "application/json");
    }

    /** Carries these bytes, or this text in UTF-8. Say what they are by a `content-type` header. */
    body(body: Uint8Array | string): this {
        this.#request.body = typeof body === "string" ? encoder.encode(body) : body;
        return this;
    }

    /** Carries the event's data as it is: the host sends it without a copy through the plugin. */
    eventData(): this {
        this.#request.body = "event-data";
        return this;
    }

    /** Carries the body of an earlier response of this attempt, which may have been kept by the host. */
    bodyOf(response: Response): this {
        this.#request.body = { ofReply: response.place };
        return this;
    }

    /** Leaves the response's body with the host, for {@link Request.bodyOf}; the plugin is told its length and sha256. */
    keepBody(): this {
        this.#request.keepBody = true;
        return this;
    }

    /** Waits no longer than this for the whole response. Else it is what is left of the attempt. */
    timeoutMs(timeoutMs: number): this {
        this.#request.timeoutMs = Math.max(0, Math.floor(timeoutMs));
        return this;
    }

    /**
     * Sends it and waits for the response, whatever its status.
     *
     * @throws {@link UnansweredFailure} where there is no response at all.
     */
    async send(): Promise<Response> {
        const request = this.#request;
        const { place, reply } = this.#rounds.ask(request);
        const answer = await reply;
        if ("unanswered" in answer) {
            throw new UnansweredFailure(line(request), answer.unanswered);
        }
        return new Response(request, answer.response, place, this.#nowMs);
    }
}

/** The answer to a request, whatever its status. Redirects are answers too: nobody follows them. */
export class Response {
    readonly #request: HttpRequest;
    readonly #response: HttpResponse;
    readonly #nowMs: number;
    /** The contract's name for this response. */
    readonly place: Place;

    /** @internal */
    constructor(request: HttpRequest, response: HttpResponse, place: Place, nowMs: number) {
        this.#request = request;
        this.#response = response;
        this.#nowMs = nowMs;
        this.place = place;
    }

    /** The status code. */
    get status(): number {
        return this.#response.status;
    }

    /** True for 2xx. */
    get isSuccess(): boolean {
        return this.status >= 200 && this.status <= 299;
    }

    /** The first header of this name. Values that are not text are left out by the host. */
    header(name: string): string | undefined {
        const wanted = name.toLowerCase();
        return this.#response.headers.find(([known]) => known.toLowerCase() === wanted)?.[1];
    }

    /** The body; empty where it was kept by the host. */
    get body(): Uint8Array {
        return this.#response.body instanceof Uint8Array ? this.#response.body : NO_BYTES;
    }

    /** Length and sha256 of the body where it was kept by the host. */
    get keptBody(): KeptBody | undefined {
        return this.#response.body instanceof Uint8Array ? undefined : this.#response.body;
    }

    /** The body as text; what is not UTF-8 is replaced. */
    get text(): string {
        return decoder.decode(this.body);
    }

    /**
     * The body as JSON, read now; through the schema, where there is one.
     *
     * @throws {@link ReplyFailure} where it is not JSON of this shape: a reply that is not what the system promises, such
     * as a proxy's page, may be another one next time.
     */
    json<T = unknown>(schema?: Schema<T>): T {
        try {
            return parse(this.body, schema);
        } catch (error) {
            throw error instanceof Unreadable ? new ReplyFailure(`${this.summary}: its body: ${error.message}`) : error;
        }
    }

    /**
     * `Retry-After` in both its forms (RFC 9110, 10.2.3), in milliseconds from the attempt's begin; `undefined` where it
     * is absent or says neither.
     */
    get retryAfterMs(): number | undefined {
        const value = (this.header("retry-after") ?? "").trim();
        if (/^[0-9]+$/.test(value)) {
            return Math.min(Number(value) * 1000, Number.MAX_SAFE_INTEGER);
        }
        // Without a zone, as in one of the three forms, it is UTC.
        const date = HTTP_DATE.test(value) ? Date.parse(value.endsWith("GMT") ? value : `${value} GMT`) : NaN;
        return Number.isNaN(date) ? undefined : Math.max(date - this.#nowMs, 0);
    }

    /**
     * For a person: `PUT /events/1 answered 503 Service Unavailable`. Of the URL it shows neither user nor query, which may
     * hold secrets.
     */
    get summary(): string {
        return `${line(this.#request)} answered ${this.status} ${PHRASES[this.status] ?? ""}`.trimEnd();
    }

    /** {@link Response.summary} and the beginning of the body. */
    get summaryWithBody(): string {
        if (this.status >= 300 && this.status <= 399 && this.status !== 304) {
            return `${this.summary}: redirects are not followed`;
        }
        const characters = [...this.text.trim()];
        const beginning = characters.slice(0, QUOTED_CHARACTERS).join("");
        // Control characters would break a log line or a terminal: one space for each run of them.
        const quoted = beginning.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, " ").trim();
        const more = characters.length > QUOTED_CHARACTERS ? "…" : "";
        return quoted === "" ? this.summary : `${this.summary}: ${quoted}${more}`;
    }
}

/** A request as a person knows it, `PUT https://host/path`: without user, password and query. */
function line(request: HttpRequest): string {
    const url = request.url.replace(/[?#].*$/s, "").replace(/^([^:/]*:\/\/)[^/]*@/, "$1");
    return `${request.method} ${url}`;
}

/** What people call the statuses that end an attempt badly (RFC 9110, section 15, and RFC 6585). */
const PHRASES: Readonly<Record<number, string>> = {
    200: "OK",
    201: "Created",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    425: "Too Early",
    428: "Precondition Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
};
