# SPDX-License-Identifier: MIT
"""raygate on the host: the core as a Python package, log readers, replay and reports."""
