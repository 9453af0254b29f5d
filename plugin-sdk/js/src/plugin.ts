/** What makes functions the plugin of their module. */

import type { Joining } from "./joint.js";
import { noCheck, type Deliver, type DoCheck, type Transform } from "./steps.js";

export type Plugin =
    | {
          readonly kind: "connector";
          readonly deliver: Deliver;
          readonly check: DoCheck;
          /** Where its deliveries can share requests. */
          readonly joining: Joining | undefined;
      }
    | { readonly kind: "transformer"; readonly transform: Transform };

/** The plugin that the author's module has made. */
let registered: Plugin | undefined;

/**
 * Makes the module that calls it a connector.
 *
 * `deliver` returns an {@link Outcome}, and a {@link Failure} that it throws becomes one. `check` finds out whether the
 * external system is usable, and must change nothing there; without one, `undefined` is its place.
 *
 * With `join` and `split` its deliveries can share requests: see `liaison-sdk/joint`.
 */
export function connector(deliver: Deliver, check: DoCheck = noCheck, joining?: Joining): void {
    // Not every author has a compiler that would tell.
    if (joining !== undefined && !(typeof joining.join === "function" && typeof joining.split === "function")) {
        throw new Error("give `join` and `split`, or neither: what is joined must be split again");
    }
    register({ kind: "connector", deliver, check, joining });
}

/**
 * Makes the module that calls it a transformer.
 *
 * `transform` returns what is made by {@link Transformed}, and a {@link Failure} that it throws rejects the event.
 */
export function transformer(transform: Transform): void {
    register({ kind: "transformer", transform });
}

/** @internal */
export function plugin(): Plugin | undefined {
    return registered;
}

function register(plugin: Plugin): void {
    if (registered !== undefined) {
        throw new Error("a module is one plugin: call `connector` or `transformer` once");
    }
    registered = plugin;
}
