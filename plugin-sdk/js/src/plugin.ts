/** What makes functions the plugin of their module. */

import { noCheck, type Deliver, type DoCheck, type Transform } from "./steps.js";

export type Plugin =
    | { readonly kind: "connector"; readonly deliver: Deliver; readonly check: DoCheck }
    | { readonly kind: "transformer"; readonly transform: Transform };

/** The plugin that the author's module has made. */
let registered: Plugin | undefined;

/**
 * Makes the module that calls it a connector.
 *
 * `deliver` returns an {@link Outcome}, and a {@link Failure} that it throws becomes one. `check` finds out whether the
 * external system is usable, and must change nothing there.
 */
export function connector(deliver: Deliver, check: DoCheck = noCheck): void {
    register({ kind: "connector", deliver, check });
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
