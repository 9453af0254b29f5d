/** The request whose answer is the outcome: the last thing that a connector's function does. */

import { httpAnswer } from "./asking.js";
import { Outcome } from "./outcome.js";
import { Response } from "./response.js";
import type { Effect, HttpRequest, Rounds } from "./rounds.js";

/** A request that delivers the event: what it is answered is what came of the attempt. See {@link Request.settle}. */
export class Settling {
    readonly #effect: { readonly http: HttpRequest };
    readonly #nowMs: number;
    readonly #judge: (response: Response) => Outcome;

    /** @internal */
    constructor(request: HttpRequest, nowMs: number, judge: (response: Response) => Outcome) {
        this.#effect = { http: request };
        this.#nowMs = nowMs;
        this.#judge = judge;
    }

    /** @internal Asks, where it was not answered before; else ends the attempt with what was answered. */
    step(rounds: Rounds): { readonly settlesBy: Effect } | { readonly ended: Outcome } {
        const last = rounds.last();
        if (last === undefined) {
            return { settlesBy: this.#effect };
        }
        const answer = httpAnswer(this.#effect, last.reply);
        const response = new Response(this.#effect.http, answer, last.place, this.#nowMs);
        return { ended: response.isSuccess ? Outcome.ofKind("delivered", response) : this.#judge(response) };
    }
}

/** How a connector's function ends: with what it says of the attempt, or with the request whose answer says it. */
export type Ending = Outcome | Settling;
