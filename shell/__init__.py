# SPDX-License-Identifier: MIT
"""The client's side of a raygate machine: its serial console and its machine link.

    from shell import Console

    with Console.boot(config="examples/rayos.toml") as console:
        print(console.run("ratelimit status"))
        print(console.json("quota status")["quotas"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shell.console import Console, Exit
    from shell.link import Link
    from shell.machine import Boot
    from shell.wire import ImageError

__all__ = ["Boot", "Console", "Exit", "ImageError", "Link"]

_HOME = {"Boot": "machine", "Console": "console", "Exit": "console", "ImageError": "wire",
         "Link": "link"}


def __getattr__(name: str) -> Any:
    """Loads a name's module when it is first asked for: `python -m shell.console` stays clean."""
    if name not in _HOME:
        raise AttributeError(f"module 'shell' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"shell.{_HOME[name]}"), name)
