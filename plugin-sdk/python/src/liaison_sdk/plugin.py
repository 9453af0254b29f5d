"""What makes functions the plugin of their module."""

from __future__ import annotations

from dataclasses import dataclass

from liaison_sdk.joint import Join, Split
from liaison_sdk.steps import Deliver, DoCheck, Transform, no_check


@dataclass(frozen=True)
class Connector:
    deliver: Deliver
    check: DoCheck
    join: Join | None = None
    split: Split | None = None

    @property
    def is_joining(self) -> bool:
        """Can its deliveries share requests?"""
        return self.join is not None


@dataclass(frozen=True)
class Transformer:
    transform: Transform


class Registered:
    """The plugin that the author's module has made."""

    plugin: Connector | Transformer | None = None


def connector(
    deliver: Deliver, check: DoCheck = no_check, *, join: Join | None = None, split: Split | None = None
) -> None:
    """Makes the module that calls it a connector.

    `deliver` is an `async def` of a delivery and the way to the external system; it returns an `Outcome`, and a `Failure`
    that it raises becomes one. `check` finds out whether the external system is usable, and must change nothing there.

    With `join` and `split` its deliveries can share requests: see `liaison_sdk.joint`.
    """
    if (join is None) != (split is None):
        raise RuntimeError("give `join` and `split`, or neither: what is joined must be split again")
    _register(Connector(deliver, check, join, split))


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
