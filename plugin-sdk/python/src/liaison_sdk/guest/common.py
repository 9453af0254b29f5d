"""What both kinds of plugin have in common: log, settings, events."""

from wit_world.imports import logging, store, types

from liaison_sdk import configuration, log
from liaison_sdk.event import Event, Origin

_LEVELS = {
    "debug": logging.Level.DEBUG,
    "info": logging.Level.INFO,
    "warn": logging.Level.WARN,
    "error": logging.Level.ERROR,
}


def connect() -> None:
    """Log and settings go to the host, and come from it, from now on."""
    log.write_to(lambda level, message: logging.log(_LEVELS[level], "", message))
    configuration.read_from(lambda: store.get("settings") or "{}")


def event(raw: types.Event) -> Event:
    origin = Origin(raw.origin.topic, raw.origin.partition, raw.origin.offset)
    return Event(
        id=raw.id,
        source=raw.source,
        type=raw.type,
        subject=raw.subject,
        time_ms=raw.time,
        key=raw.key,
        content_type=raw.content_type,
        data=raw.data,
        attributes=raw.attributes,
        origin=origin,
    )
