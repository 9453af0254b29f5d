"""Keeps the sessions of a training calendar: looks up a session and its room, both at once, then creates or updates it.

The same connector stands beside each SDK, and all pass one suite.
"""

from dataclasses import dataclass

from liaison_sdk import Check, Delivery, Ending, EventFailure, Http, Outcome, Request, Response
from liaison_sdk import connector, encode_segment, join, settings


@dataclass
class Settings:
    calendar: str


@dataclass
class Session:
    title: str
    room: str
    seats: int
    updated: str


@dataclass
class Room:
    name: str
    seats: int


async def deliver(delivery: Delivery, http: Http) -> Ending:
    calendar = f"/calendars/{encode_segment(settings(Settings).calendar)}/sessions"
    session_id = delivery.event.subject
    if session_id is None:
        raise EventFailure("the event has no subject, which is to be the session")
    url = f"{calendar}/{encode_segment(session_id)}"
    if delivery.data is None:
        return http.delete(url).settle_or(removed)
    session = delivery.json(Session)
    held, found = await join(
        http.get(url).send(),
        http.get(f"/rooms/{encode_segment(session.room)}").send(),
    )
    if found.status == 404:
        return Outcome.rejected(f"there is no room {session.room}")
    if not found.is_success:
        return Outcome.from_response(found)
    room = found.json(Room)
    if session.seats > room.seats:
        return Outcome.rejected(f"{room.name} has {room.seats} seats, not {session.seats}")
    if held.status == 404:
        request = http.post(calendar)
    elif held.is_success:
        request = over(delivery, held, http.put(url))
    else:
        return Outcome.from_response(held)
    body = {
        "id": session_id,
        "title": session.title,
        "room": room.name,
        "seats": session.seats,
        "updated": session.updated,
    }
    return request.json(body).settle()


def over(delivery: Delivery, held: Response, request: Request) -> Request:
    """Writes over the version that was found, or over the one that the host decided on after a conflict."""
    version = delivery.version if delivery.resolution else held.header("etag")
    return request if version is None else request.header("if-match", version)


def removed(reply: Response) -> Outcome:
    if reply.status in (404, 410):
        return Outcome.skipped("the session is gone already")
    return Outcome.from_response(reply)


async def check(http: Http) -> Check:
    return Check.from_response(await http.get("/health").send())


connector(deliver, check)
