/** What a transformer makes of an event. */

import type { Attribute } from "./event.js";
import { EventFailure } from "./failure.js";
import { Unreadable, write } from "./json.js";

export interface ReshapedFields {
    readonly type: string;
    readonly subject: string | undefined;
    readonly contentType: string | undefined;
    readonly data: Uint8Array | undefined;
    readonly attributes: readonly Attribute[];
}

export interface Reshaped extends ReshapedFields {}

/** What one event becomes. The host keeps id, source, time, key and origin. */
export class Reshaped {
    constructor(fields: ReshapedFields) {
        Object.assign(this, fields);
    }

    /** The same with these changes. */
    with(changes: Partial<ReshapedFields>): Reshaped {
        return new Reshaped({ ...this, ...changes });
    }

    /**
     * With this data, as JSON.
     *
     * @throws {@link EventFailure} where the value has no form in JSON.
     */
    json(data: unknown): Reshaped {
        try {
            return this.with({ data: write(data), contentType: "application/json" });
        } catch (error) {
            throw error instanceof Unreadable ? new EventFailure(`the new data: ${error.message}`) : error;
        }
    }

    /** With this type. */
    kind(type: string): Reshaped {
        return this.with({ type });
    }
}

/** What to do with one event. */
export type Transformed =
    | { readonly kind: "emit"; readonly reshaped: readonly Reshaped[] }
    | { readonly kind: "drop"; readonly reason: string }
    | { readonly kind: "reject"; readonly reason: string };

export const Transformed = {
    /** Deliver these instead, in this order: at least one. */
    emit(...reshaped: Reshaped[]): Transformed {
        return { kind: "emit", reshaped };
    },

    /** Deliver nothing, and why. */
    drop(reason: string): Transformed {
        return { kind: "drop", reason };
    },

    /** This event can never be transformed, and why: it goes to the dead letters. */
    reject(reason: string): Transformed {
        return { kind: "reject", reason };
    },
};
