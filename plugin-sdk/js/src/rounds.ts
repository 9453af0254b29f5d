/**
 * Which request of a function that runs again and again belongs to which recorded reply.
 *
 * A request takes the next place of the current round when it is sent, and never has its reply in the same pass. After
 * each pass, when nothing in the plugin moves any more, the round ends: if the host has recorded its replies, they become
 * available and the function goes on; if not, the round's requests are the next step. So a place depends on the function
 * alone, and not on how much was recorded, and branches that ask for more than one thing keep theirs.
 */

import type { SqlRequest, SqlResponse } from "./database.js";
import type { Attribute } from "./event.js";
import type { Unanswered } from "./failure.js";

/** A round, and a position in it, both from 0. */
export type Place = readonly [round: number, position: number];

/** What a request carries: nothing, bytes, the event's data, or the body of an earlier reply. */
export type Body = undefined | Uint8Array | "event-data" | { readonly ofReply: Place };

/** A request as the host is told of it. */
export interface HttpRequest {
    method: string;
    url: string;
    headers: Attribute[];
    body: Body;
    timeoutMs: number | undefined;
    keepBody: boolean;
}

/** A body that stayed with the host. */
export interface KeptBody {
    /** In bytes. */
    readonly length: number;
    /** 32 bytes. */
    readonly sha256: Uint8Array;
}

/** The answer to a request as the host tells it. */
export interface HttpResponse {
    readonly status: number;
    readonly headers: readonly Attribute[];
    readonly body: Uint8Array | KeptBody;
}

/** A unary gRPC call as the host is told of it. */
export interface GrpcRequest {
    method: string;
    metadata: Attribute[];
    message: Uint8Array;
    timeoutMs: number | undefined;
}

/** The answer to a call as the host tells it. */
export interface GrpcResponse {
    readonly status: number;
    readonly statusMessage: string;
    readonly metadata: readonly Attribute[];
    readonly message: Uint8Array | undefined;
}

/** What the host can be asked for. */
export type Effect =
    | { readonly http: HttpRequest }
    | { readonly grpc: GrpcRequest }
    | { readonly sql: SqlRequest };

/** What came of it. */
export type Reply =
    | { readonly http: HttpResponse }
    | { readonly grpc: GrpcResponse }
    | { readonly sql: SqlResponse }
    | { readonly unanswered: Unanswered };

/** A plugin's function that cannot be run in steps: a mistake of its author. */
export class Fault extends Error {}

/** All that one attempt asked and was answered, up to the current pass. */
export class Rounds {
    #recorded: readonly (readonly Reply[])[];
    #ended = 0;
    #asked: { effect: Effect; answer: (reply: Reply) => void }[] = [];
    #settles = false;

    constructor(recorded: readonly (readonly Reply[])[]) {
        this.#recorded = recorded;
    }

    /**
     * Takes the next place of the current round; the answer comes once the round has ended. Does what is asked there deliver
     * the event?
     */
    ask(effect: Effect, settles = false): { place: Place; reply: Promise<Reply> } {
        const place: Place = [this.#ended, this.#asked.length];
        this.#settles ||= settles;
        const reply = new Promise<Reply>((answer) => this.#asked.push({ effect, answer }));
        return { place, reply };
    }

    /** Is there something in the round that is asked now that delivers the event? */
    get isSettling(): boolean {
        return this.#settles;
    }

    /** Ends a round after a pass that left the function waiting: `undefined` to go on, else what to ask the host. */
    endRound(): Effect[] | undefined {
        if (this.#asked.length === 0) {
            throw new Fault(
                "plugin fault: it awaits something that is no request of `http`; only requests, and what is made of them by " +
                    "`join`, `joinAll` and `Promise.all`, can be awaited",
            );
        }
        const asked = this.#asked;
        this.#asked = [];
        const replies = this.#recorded[this.#ended];
        if (replies === undefined) {
            return asked.map(({ effect }) => effect);
        }
        this.#settles = false;
        if (asked.length !== replies.length) {
            throw this.#changed(asked.length);
        }
        this.#ended += 1;
        replies.forEach((reply, position) => asked[position]?.answer(reply));
        return undefined;
    }

    /** The function has ended with one more request: what came of it; `undefined` where it is still to be asked. */
    last(): { place: Place; reply: Reply } | undefined {
        const replies = this.#recorded[this.#ended];
        if (replies === undefined) {
            return undefined;
        }
        const [reply] = replies;
        if (reply === undefined || replies.length !== 1) {
            throw this.#changed(1);
        }
        const place: Place = [this.#ended, 0];
        this.#ended += 1;
        this.end();
        return { place, reply };
    }

    /** The function has ended: it must have come as far as it did before. */
    end(): void {
        if (this.#ended < this.#recorded.length) {
            throw this.#changed(0);
        }
    }

    #changed(asked: number): Fault {
        const recorded = this.#recorded[this.#ended]?.length;
        return new Fault(
            `plugin fault: run again with the same arguments, it makes ${asked} requests in round ${this.#ended} where it ` +
                `made ${recorded} before; what it asks must depend on its arguments and the replies alone`,
        );
    }
}
