# SPDX-License-Identifier: MIT
"""Journeys: whole uses from end to end, on the host and in the booted image."""
