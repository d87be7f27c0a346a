# SPDX-License-Identifier: MIT
"""The commands of `raygate`, one file each; host_sim/cli.py loads the one that is asked for."""
