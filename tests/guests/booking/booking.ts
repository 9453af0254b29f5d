/** Books a room by gRPC, as the errand `book` of the guest `errand` does in Rust. */

import { Check, connector, Outcome, type Delivery, type Http } from "liaison-sdk";

async function deliver(delivery: Delivery, http: Http): Promise<Outcome> {
    const room = new TextEncoder().encode(delivery.event.subject ?? "");
    const booked = await http.grpc("/rooms.Rooms/Book").metadata("x-tenant", "north").message(room).send();
    if (!booked.isOk) {
        return Outcome.fromGrpc(booked);
    }
    if (booked.metadata("x-tail") !== "end") {
        return Outcome.rejected("the answer has no trailers");
    }
    // Whatever it answers, it is no longer than an id.
    const externalId = new TextDecoder().decode(booked.message.subarray(0, 100));
    return Outcome.delivered({ externalId, version: booked.metadata("x-bin-bin") });
}

async function check(http: Http): Promise<Check> {
    const health = await http.grpc("/grpc.health.v1.Health/Check").send();
    return health.isOk ? Check.usable(health.summary) : Check.unusable(health.summary);
}

connector(deliver, check);
