# SPDX-License-Identifier: MIT
"""The tests; a package so that `python -m tests.tidy` and `python -m tests.bench` work."""
