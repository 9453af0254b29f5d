"""The plugin's own part of the configuration, as the plugin's own type.

They do not change while an instance lives, so they are read once an instance.
"""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from liaison_sdk.failure import SettingsFailure
from liaison_sdk.shape import Shape, parse

T = TypeVar("T")

_read: dict[object, object] = {}


@overload
def settings() -> dict[str, Any]: ...
@overload
def settings(shape: Shape[T]) -> T: ...
def settings(shape: Any = dict[str, Any]) -> Any:
    """The `settings` of the connector or transformer that this plugin runs as: as a dataclass, or as a `dict`.

    Raises `SettingsFailure`, which names the key. In `deliver` it becomes `denied`: its connector is held back and
    somebody is told, and no event is lost to a typing mistake. In `check` it becomes unusable, in a transformer
    `reject`.
    """
    if shape not in _read:
        try:
            _read[shape] = parse(_source().encode(), shape)
        except ValueError as error:
            raise SettingsFailure(str(error)) from None
    return _read[shape]


def read_from(source: Callable[[], str]) -> None:
    """Begins anew with settings from there: one JSON object as text."""
    global _source
    _source = source
    _read.clear()


def _none() -> str:
    return "{}"


_source: Callable[[], str] = _none
