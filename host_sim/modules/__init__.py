# SPDX-License-Identifier: MIT
"""The classes of the phase documents, one file per module of the core."""
