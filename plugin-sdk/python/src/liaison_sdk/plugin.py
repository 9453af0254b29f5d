"""What makes functions the plugin of their module."""

from __future__ import annotations

from dataclasses import dataclass

from liaison_sdk.steps import Deliver, DoCheck, Transform, no_check


@dataclass(frozen=True)
class Connector:
    deliver: Deliver
    check: DoCheck


@dataclass(frozen=True)
class Transformer:
    transform: Transform


class Registered:
    """The plugin that the author's module has made."""

    plugin: Connector | Transformer | None = None


def connector(deliver: Deliver, check: DoCheck = no_check) -> None:
    """Makes the module that calls it a connector.

    `deliver` is an `async def` of a delivery and the way to the external system; it returns an `Outcome`, and a `Failure`
    that it raises becomes one. `check` finds out whether the external system is usable, and must change nothing there.
    """
    _register(Connector(deliver, check))


def transformer(transform: Transform) -> None:
    """Makes the module that calls it a transformer.

    `transform` is a function of an event; it returns what is made by `Transformed`, and a `Failure` that it raises
    rejects the event.
    """
    _register(Transformer(transform))


def _register(plugin: Connector | Transformer) -> None:
    if Registered.plugin is not None:
        raise RuntimeError("a module is one plugin: call `connector` or `transformer` once")
    Registered.plugin = plugin
