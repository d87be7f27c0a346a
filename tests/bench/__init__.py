# SPDX-License-Identifier: MIT
"""How fast it is, as ratios to a reference loop of the same run: `make bench`."""
