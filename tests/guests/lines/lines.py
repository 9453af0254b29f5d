"""Appends a line for each event, and the lines of many by one request."""

from liaison_sdk import Delivery, Http, Settling, connector
from liaison_sdk.joint import Effect, HttpRequest, Joint, everyone, memo_of


async def deliver(delivery: Delivery, http: Http) -> Settling:
    return http.post("/lines").body(f"{delivery.event.id}\n".encode()).settle()


def join(effects: list[Effect]) -> list[Joint]:
    lines = {
        number: effect.body
        for number, effect in enumerate(effects)
        if isinstance(effect, HttpRequest) and isinstance(effect.body, bytes)
    }
    whole = HttpRequest("POST", "/lines", body=b"".join(lines.values()))
    return [Joint(whole, list(lines), memo_of(len(lines)))]


connector(deliver, join=join, split=everyone)
