/**
 * Promises whose queue is the SDK's own, so that it knows when nothing in a plugin moves any more.
 *
 * The engine's own queue runs when a call returns, which is too late: what was asked is the answer of the call. `build`
 * lowers `async` to generators, whose helper takes the `Promise` that it finds, so all of a plugin's code runs on this one.
 * It must be imported before anything else.
 */

import Polyfill from "promise-polyfill";

import * as log from "../log.js";

const jobs: (() => void)[] = [];

Polyfill._immediateFn = (job) => void jobs.push(job);
Polyfill._unhandledRejectionFn = (error) => log.warn(`nobody awaits a promise that was rejected: ${String(error)}`);
globalThis.Promise = Polyfill as unknown as PromiseConstructor;
globalThis.queueMicrotask = (job) => void jobs.push(job);

/** Runs until nothing moves any more. */
export function drain(): void {
    for (let next = 0; next < jobs.length; next += 1) {
        jobs[next]?.();
    }
    jobs.length = 0;
}
