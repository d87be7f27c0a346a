# SPDX-License-Identifier: MIT
"""`python -m host_sim.config FILE OUT`: what the image build calls before any extension exists."""

from __future__ import annotations

import sys

from host_sim.config import ConfigError, load
from host_sim.config.files import write_blob
from host_sim.printing import printable, printable_lines


def main(arguments: list[str]) -> int:
    """Compiles FILE to OUT; 2 with every finding on standard error when it cannot be."""
    if len(arguments) != 2:
        print("usage: python -m host_sim.config FILE OUT", file=sys.stderr)
        return 2
    try:
        config = load(arguments[0])
        write_blob(arguments[1], config.blob)
    except (ConfigError, OSError) as error:
        print(printable_lines(str(error)), file=sys.stderr)
        return 2
    print(f"{printable(arguments[1])}: {len(config.blob)} bytes, hash {config.hash}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
