/**
 * Write liaison plugins in ordinary async TypeScript or JavaScript.
 *
 * A plugin is a WebAssembly component that does no I/O: it answers what to ask an external system and what came of it,
 * and the host does the asking. With this package it reads as if it did it all itself:
 *
 * ```ts
 * import { connector, encodeSegment, type Delivery, type Http, type Settling } from "liaison-sdk";
 *
 * async function deliver(delivery: Delivery, http: Http): Promise<Settling> {
 *     return http.put(`/events/${encodeSegment(delivery.event.id)}`).eventData().settle();
 * }
 *
 * connector(deliver);
 * ```
 *
 * A test needs no WebAssembly: it runs the same function against an endpoint that follows a script, see
 * `liaison-sdk/testing`.
 *
 * How an `await` becomes a step: the host calls a plugin again with the replies to what it asked for; the plugin's
 * function then runs from its start, and each `await` of a request that was answered before goes straight through. So a
 * function must ask for the same requests whenever its arguments are the same. The clock stands still and random numbers
 * are seeded, so ordinary code does; code that keeps state in a global does not. Requests that are under way together
 * (`join`, `Promise.all`) are sent together. Nothing else can be awaited: no timers, no streams.
 *
 * @module
 */

export { Texts, type Json, type SqlError, type SqlErrorKind, type SqlValue, type Timestamp } from "./database.js";
export { encodeSegment } from "./encode.js";
export { Delivery, Event, type Attribute, type Origin, type Resolution } from "./event.js";
export {
    EventFailure,
    Failure,
    RefusedFailure,
    ReplyFailure,
    SettingsFailure,
    UnansweredFailure,
    type Unanswered,
} from "./failure.js";
export type { GrpcAnswer, GrpcCall } from "./grpc.js";
export { Http, Request } from "./http.js";
export { Multipart, type Fields } from "./multipart.js";
export { join, joinAll } from "./joining.js";
export * as log from "./log.js";
export { Check, Outcome, type OutcomeKind } from "./outcome.js";
export { connector, transformer } from "./plugin.js";
export { Response } from "./response.js";
export type { KeptBody } from "./rounds.js";
export { settings } from "./settings.js";
export type { Ending, Settling } from "./settling.js";
export type { Row, Sql, SqlAnswer } from "./sql.js";
export { Reshaped, Transformed } from "./transform.js";
