"""What a plugin tells the people who run the host.

The host adds the plugin's and the connector's name, cuts long messages and stops listening after a number of lines a
call. Outside of WebAssembly the lines are kept for the test that runs: see `liaison_sdk.testing.logged`.
"""

from collections.abc import Callable
from typing import Literal

Level = Literal["debug", "info", "warn", "error"]

lines: list[tuple[Level, str]] = []


def debug(message: str) -> None:
    """For the one who looks for a mistake."""
    _write("debug", message)


def info(message: str) -> None:
    """Worth knowing."""
    _write("info", message)


def warn(message: str) -> None:
    """Something is odd, and was dealt with."""
    _write("warn", message)


def error(message: str) -> None:
    """A person should look."""
    _write("error", message)


def write_to(write: Callable[[Level, str], None]) -> None:
    """Has every line go there: to the host, where there is one."""
    global _write
    _write = write


def _keep(level: Level, message: str) -> None:
    lines.append((level, message))


_write: Callable[[Level, str], None] = _keep
