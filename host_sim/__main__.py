# SPDX-License-Identifier: MIT
"""`python -m host_sim` is the command `raygate`."""

from host_sim.cli import main

main(prog_name="raygate")
