/** How one effect gets its answer, and what a person calls it. */

import type { SqlResponse } from "./database.js";
import { UnansweredFailure, type Unanswered } from "./failure.js";
import type { Effect, GrpcResponse, HttpResponse, Reply } from "./rounds.js";

const OTHER_KIND: Unanswered = { kind: "other", detail: "the host answered it in another kind" };

/** The answer to an HTTP request. Throws {@link UnansweredFailure} where the reply is none. */
export function httpAnswer(effect: Effect, reply: Reply): HttpResponse {
    return "http" in reply ? reply.http : unanswered(effect, reply);
}

/** The answer to a gRPC call. Throws {@link UnansweredFailure} where the reply is none. */
export function grpcAnswer(effect: Effect, reply: Reply): GrpcResponse {
    return "grpc" in reply ? reply.grpc : unanswered(effect, reply);
}

/** What came of a transaction. Throws {@link UnansweredFailure} where the reply does not say. */
export function sqlAnswer(effect: Effect, reply: Reply): SqlResponse {
    return "sql" in reply ? reply.sql : unanswered(effect, reply);
}

function unanswered(effect: Effect, reply: Reply): never {
    throw new UnansweredFailure(line(effect), "unanswered" in reply ? reply.unanswered : OTHER_KIND);
}

/**
 * What was asked, as a person knows it: `PUT https://host/path`, without user, password and query, which may hold secrets;
 * `gRPC /package.Service/Method`; `SQL` and all statements, without what is bound.
 */
export function line(effect: Effect): string {
    if ("grpc" in effect) {
        return `gRPC ${effect.grpc.method}`;
    }
    if ("sql" in effect) {
        return `SQL ${effect.sql.statements.map(({ sql }) => sql).join("; ")}`;
    }
    const url = effect.http.url.replace(/[?#].*$/s, "").replace(/^([^:/]*:\/\/)[^/]*@/, "$1");
    // Of the endpoint itself nothing is written.
    return `${effect.http.method} ${url === "" ? "/" : url}`;
}
