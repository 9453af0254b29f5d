/** An answer of the external system, as a plugin reads it. */

import { line } from "./asking.js";
import { httpDateMs } from "./dates.js";
import { ReplyFailure } from "./failure.js";
import { parse, Unreadable, type Schema } from "./json.js";
import type { HttpRequest, HttpResponse, KeptBody, Place } from "./rounds.js";

/** How much of a body is quoted in a reason, in characters. */
const QUOTED_CHARACTERS = 200;

const decoder = new TextDecoder();
const NO_BYTES = new Uint8Array();

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
     * The body of a 409 or 412, where it may be what the external system holds, for the host's conflict policy to see.
     *
     * That is an object or a list of JSON, under a media type of JSON where the answer has one. A problem (RFC 9457) and
     * a page speak of the error, and are not.
     */
    get current(): Uint8Array | undefined {
        const essence = this.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "application/json";
        if (!/[/+]json$/.test(essence) || essence === "application/problem+json") {
            return undefined;
        }
        try {
            const record = parse(this.body, undefined);
            return typeof record === "object" && record !== null ? this.body : undefined;
        } catch {
            return undefined;
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
        const date = httpDateMs(value);
        return date === undefined ? undefined : Math.max(date - this.#nowMs, 0);
    }

    /**
     * For a person: `PUT /events/1 answered 503 Service Unavailable`. Of the URL it shows neither user nor query, which may
     * hold secrets.
     */
    get summary(): string {
        return `${line({ http: this.#request })} answered ${this.status} ${PHRASES[this.status] ?? ""}`.trimEnd();
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
