/** The export of a transformer: the host's events to the author's function, and what they became back. */

import "./promise.js";

import { plugin } from "../plugin.js";
import { told, transformOne } from "../steps.js";
import type { Reshaped } from "../transform.js";
import { event } from "./common.js";
import type { RawEvent, RawReshaped, RawTransformed } from "./contract.js";

export const transformer = {
    transform(events: RawEvent[]): RawTransformed[] {
        return events.map(transformed);
    },
};

function transformed(raw: RawEvent): RawTransformed {
    const made = plugin();
    if (made?.kind !== "transformer") {
        throw new Error("this module has not called `transformer`");
    }
    try {
        const result = transformOne(made.transform, event(raw));
        return result.kind === "emit"
            ? { tag: result.kind, val: result.reshaped.map(reshaped) }
            : { tag: result.kind, val: result.reason };
    } catch (error) {
        return { tag: "reject", val: told(error) };
    }
}

function reshaped(reshaped: Reshaped): RawReshaped {
    const { type, subject, contentType, data, attributes } = reshaped;
    return { type, subject, contentType, data, attributes: [...attributes] };
}
