"""JSON read into values and dataclasses, with errors that name the place."""

import json
from dataclasses import make_dataclass
from functools import cache
from typing import Any, NoReturn, TypeVar, cast

import dacite

T = TypeVar("T")

Shape = type[T]
"""A dataclass, or any other type that `typing` can name."""

def _number(value: object) -> object:
    """Whole numbers are numbers too; nothing else is converted."""
    return float(value) if type(value) is int else value


def _whole_number(value: object) -> object:
    """To Python `true` is a number, to JSON it is none."""
    if isinstance(value, bool):
        raise dacite.WrongTypeError(int, value)
    return value


_CONFIG = dacite.Config(type_hooks={float: _number, int: _whole_number})


def parse(text: bytes, shape: Shape[T]) -> T:
    """One JSON value of this shape: a dataclass, or any type that `typing` can name.

    Raises `ValueError` that says what is wrong, and at which key.
    """
    try:
        # Bytes would be taken for UTF-16 or UTF-32 where they look like it.
        value = json.loads(text.decode(), parse_constant=_refuse)
        # Text that cannot be sent on, as half of a surrogate pair cannot.
        if b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeError as error:
        raise ValueError(f"it is no text in UTF-8: {error}") from None
    return read(value, shape)


def read(value: object, shape: Shape[T]) -> T:
    """A value that was read from JSON as one of this shape; `Any` and `object` take it as it is."""
    if shape is object or shape is cast(object, Any):
        return cast(T, value)
    try:
        box = dacite.from_dict(_box(cast(Any, shape)), {"value": value}, _CONFIG)
    except dacite.DaciteError as error:
        raise ValueError(_in_words(error)) from None
    return cast(T, box.value)


def write(value: object) -> bytes:
    """A value as JSON. Raises `ValueError` where it has no form in JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


@cache
def _box(shape: Any) -> Any:
    """A dataclass around any type, because only those are read."""
    return make_dataclass("Box", [("value", shape)])


def _in_words(error: dacite.DaciteError) -> str:
    """`seats: wrong type, …` without the box."""
    path = str(getattr(error, "field_path", "") or "").removeprefix("value").removeprefix(".")
    match error:
        case dacite.WrongTypeError():
            expected = getattr(error.field_type, "__name__", error.field_type)
            why = f"it is {type(error.value).__name__}, not {expected}"
        case dacite.MissingValueError():
            why = "it is missing"
        case _:
            why = str(error)
    return f"{path}: {why}" if path else why


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no value of JSON")
