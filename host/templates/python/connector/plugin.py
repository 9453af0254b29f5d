"""Writes each event to its path at the external system."""

from dataclasses import dataclass

from liaison_sdk import Check, Delivery, Http, Settling, connector, encode_segment, settings


@dataclass
class Settings:
    """What `settings` of the connector holds in `liaison.toml`."""

    path: str
    """Such as `/events`."""


async def deliver(delivery: Delivery, http: Http) -> Settling:
    url = f"{settings(Settings).path}/{encode_segment(delivery.event.id)}"
    if delivery.event.is_tombstone:
        # The thing is gone.
        return http.delete(url).settle()
    return http.put(url).event_data().settle()


async def check(http: Http) -> Check:
    return Check.from_response(await http.get("/").send())


connector(deliver, check)
