# SPDX-License-Identifier: MIT
"""The laws of the style, each a small named check: `make tidy`."""
