/**
 * Requests to the external system, as a plugin writes them.
 *
 * Nothing is sent here: a request that is sent becomes part of the next step, and the host performs it, with the
 * credentials that it adds.
 */

import { httpAnswer } from "./asking.js";
import { EventFailure } from "./failure.js";
import { GrpcCall } from "./grpc.js";
import { Unreadable, write } from "./json.js";
import { encodedForm, type Fields, type Multipart } from "./multipart.js";
import { Outcome } from "./outcome.js";
import { Response } from "./response.js";
import type { HttpRequest, Rounds } from "./rounds.js";
import { Settling } from "./settling.js";
import { Sql } from "./sql.js";

const encoder = new TextEncoder();

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

    /** A unary gRPC call of `/package.Service/Method`, at the connector's endpoint. */
    grpc(method: string): GrpcCall {
        return new GrpcCall(this.#rounds, method);
    }

    /** A transaction that begins with this statement, in the connector's database. */
    sql(statement: string): Sql {
        return new Sql(this.#rounds, statement);
    }
}

/** A request that is being written. Nothing is asked before `.send()`, or before `.settle()` is returned. */
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

    /** Carries these fields as `application/x-www-form-urlencoded`. */
    form(fields: Fields): this {
        return this.body(encodedForm(fields)).header("content-type", "application/x-www-form-urlencoded");
    }

    /** Carries this form as `multipart/form-data`. The same form has the same bytes, on every attempt. */
    multipart(form: Multipart): this {
        const { contentType, body } = form.written();
        return this.body(body).header("content-type", contentType);
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
        const { place, reply } = this.#rounds.ask({ http: request });
        return new Response(request, httpAnswer({ http: request }, await reply), place, this.#nowMs);
    }

    /**
     * Makes it the last thing that the connector's function does: return it. A 2xx delivers the event, and anything else is
     * what {@link Outcome.fromResponse} says of it.
     *
     * It comes to the same as `Outcome.fromResponse(await request.send())`, and spares the host a second call of the plugin
     * where the answer is a 2xx, which is most of the time.
     *
     * ```ts
     * async function deliver(delivery: Delivery, http: Http): Promise<Settling> {
     *     return http.put(`/events/${encodeSegment(delivery.event.id)}`).eventData().settle();
     * }
     * ```
     */
    settle(): Settling {
        return this.settleOr(Outcome.fromResponse);
    }

    /**
     * As {@link Request.settle}, for a system that uses its statuses in its own way: `judge` says what an answer other than a
     * 2xx means. Where even a 2xx need not mean that the event is delivered, send it and look at the answer.
     */
    settleOr(judge: (response: Response) => Outcome): Settling {
        return new Settling(this.#request, this.#nowMs, judge);
    }
}
