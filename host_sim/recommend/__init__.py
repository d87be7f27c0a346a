# SPDX-License-Identifier: MIT
"""The smallest limit that would have denied so little of what a log shows, and the proof."""
