"""Books a room by gRPC, as the errand `book` of the guest `errand` does in Rust."""

from liaison_sdk import Check, Delivery, Http, Outcome, connector


async def deliver(delivery: Delivery, http: Http) -> Outcome:
    room = (delivery.event.subject or "").encode()
    booked = await http.grpc("/rooms.Rooms/Book").metadata("x-tenant", "north").message(room).send()
    if not booked.is_ok:
        return Outcome.from_grpc(booked)
    if booked.metadata("x-tail") != "end":
        return Outcome.rejected("the answer has no trailers")
    # Whatever it answers, it is no longer than an id.
    external_id = booked.message[:100].decode(errors="replace")
    return Outcome.delivered(external_id, booked.metadata("x-bin-bin"))


async def check(http: Http) -> Check:
    health = await http.grpc("/grpc.health.v1.Health/Check").send()
    return Check.usable(health.summary) if health.is_ok else Check.unusable(health.summary)


connector(deliver, check)
