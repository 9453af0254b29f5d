"""`liaison-sdk build calendar.py`: makes a component of a plugin's module.

The module is imported here first: that tells a mistake in it in Python's own words, and whether it is a connector or a
transformer. componentize-py then runs the same imports inside WebAssembly and keeps what they left in memory, so
whatever the plugin imports must be imported at the top of its modules, and must be pure Python.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import liaison_sdk
from liaison_sdk.plugin import Connector, Registered, Transformer

_ENTRY = """import {module}
from liaison_sdk.guest.{kind} import {export}
"""
_JOINER = "from liaison_sdk.guest.joiner import Joiner\n"


class Mistake(Exception):
    """Something that the author can mend, in one line."""


def main() -> int:
    """The command: 0 where the component was made, 1 where not, 2 where the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="liaison-sdk", description="Makes liaison plugins in Python.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="make a component of a plugin's module")
    command.add_argument("module", type=Path, help="the plugin's Python file, such as src/calendar.py")
    command.add_argument("-o", "--output", type=Path, help="the component; default: the module's name in dist/")
    arguments = parser.parse_args()
    module: Path = arguments.module
    output: Path = arguments.output or Path("dist") / f"{module.stem}.wasm"
    try:
        build(module, output)
    except Mistake as mistake:
        print(f"liaison-sdk: {mistake}", file=sys.stderr)
        return 1
    print(f"{output}: {output.stat().st_size / 1_000_000:.1f} MB")
    return 0


def build(module: Path, output: Path) -> None:
    """Makes the component of a plugin's module. Takes about 15 seconds."""
    if not (module.suffix == ".py" and module.is_file() and module.stem.isidentifier()):
        raise Mistake(f"{module} is no Python file that can be imported")
    program = _componentize_py()
    plugin = _registered(module)
    kind = "connector" if isinstance(plugin, Connector) else "transformer"
    is_joining = isinstance(plugin, Connector) and plugin.is_joining
    world = f"liaison:plugin/{'joining-' if is_joining else ''}{kind}-plugin"
    entry = _ENTRY.format(module=module.stem, kind=kind, export=kind.capitalize()) + (_JOINER if is_joining else "")
    with tempfile.TemporaryDirectory(prefix="liaison-sdk-") as folder:
        name = "liaison_entry"
        (Path(folder) / f"{name}.py").write_text(entry)
        made = Path(folder) / "made.wasm"
        command: list[str | Path] = [program, "--quiet", "--wit-path", _wit(), "--world", world]
        command += ["componentize", name, "--output", made]
        for path in [Path(folder), module.parent, Path(liaison_sdk.__file__).parent.parent, *_libraries()]:
            command += ["--python-path", path]
        _run(command)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, output)


def _registered(module: Path) -> Connector | Transformer:
    """Imports the plugin's module, natively: what it registered."""
    sys.path.insert(0, str(module.parent))
    importlib.import_module(module.stem)
    if Registered.plugin is None:
        raise Mistake(f"{module} calls neither `connector` nor `transformer`: it is no plugin")
    return Registered.plugin


def _wit() -> Path:
    """The contract that came with this package."""
    return Path(liaison_sdk.__file__).parent / "wit"


def _libraries() -> list[Path]:
    """Where the plugin's own libraries are installed."""
    return [Path(sysconfig.get_path("purelib"))]


def _componentize_py() -> Path:
    beside = Path(sysconfig.get_path("scripts")) / "componentize-py"
    found = beside if beside.exists() else shutil.which("componentize-py")
    if found is None:
        raise Mistake("componentize-py is missing: install this package as `liaison-sdk[build]`")
    return Path(found)


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    # What follows is of componentize-py's own inside.
    said = (done.stdout + done.stderr).split("\n\nCaused by:")[0].split("\n\nStack backtrace:")[0].strip()
    missing = re.search(r"No module named '([^']+)'", said)
    if missing:
        raise Mistake(f"the plugin imports `{missing[1]}`, which is not there in WebAssembly: plugins are pure Python\n{said}")
    raise Mistake(f"componentize-py failed:\n{said}")


if __name__ == "__main__":
    sys.exit(main())
