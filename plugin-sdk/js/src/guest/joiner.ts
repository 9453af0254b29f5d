/** The second export of a connector whose deliveries can share requests. */

import "./promise.js";

import { joinOwn, type Joining } from "../joint.js";
import { plugin } from "../plugin.js";
import { bytes } from "./common.js";
import { ownEffect } from "./connector.js";
import type { RawDelivery, RawJoint, RawReply } from "./contract.js";
import { answered, effect, reply } from "./exchange.js";

const NO_BYTES = new Uint8Array();

export const joiner = {
    join(deliveries: RawDelivery[]): RawJoint[] {
        const joints = joinOwn(joining().join, deliveries.map(ownEffect));
        return joints.map((joint) => {
            const members = Uint32Array.from(joint.members);
            return { effect: effect(joint.effect), members, memo: joint.memo ?? NO_BYTES };
        });
    },

    split(memo: Uint8Array, joined: RawReply): RawReply[] {
        return joining().split(bytes(memo), reply(joined)).map(answered);
    },
};

function joining(): Joining {
    const made = plugin();
    if (made?.kind !== "connector" || made.joining === undefined) {
        throw new Error("this module has not called `connector` with `join` and `split`");
    }
    return made.joining;
}
