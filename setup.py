# SPDX-License-Identifier: MIT
"""The part of the build that pyproject.toml cannot say: one compiled core per capacity profile."""

import os

from setuptools import setup

PROFILES = ("seed", "edge", "tiny")
# `make` builds the extensions itself, incrementally (python -m host_sim._build).
LEFT_TO_MAKE = "RAYGATE_WITHOUT_EXTENSIONS" in os.environ

setup(cffi_modules=[] if LEFT_TO_MAKE else [f"host_sim/_build.py:{name}" for name in PROFILES])
