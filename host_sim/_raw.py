# SPDX-License-Identifier: MIT
"""The raw binding layer: the compiled core of one capacity profile, as cffi sees it."""

from __future__ import annotations

import functools
import importlib
import mmap
from typing import Any, NamedTuple

PROFILES = ("seed", "edge", "tiny")


class Raw(NamedTuple):
    """`ffi` and `lib` of one profile's extension."""

    ffi: Any
    lib: Any
    profile: str


@functools.cache
def load(profile: str = "seed") -> Raw:
    """The extension of `profile`: seed (the default and the image's), edge or tiny.

    Raises ValueError for another name, ImportError with what to do when it was not built.
    """
    if profile not in PROFILES:
        raise ValueError(f"unknown profile {profile!r}: choose from {', '.join(PROFILES)}")
    try:
        module = importlib.import_module(f"host_sim._ext._{profile}")
    except ImportError as error:
        raise ImportError(
            f"the core is not built for profile {profile}: run `make` in the repository ({error})"
        ) from error
    return Raw(module.ffi, module.lib, profile)


LARGE_PAGE = 2 << 20


def zeroed(ffi: Any, size: int) -> Any:
    """`size` bytes of 0 as a cffi `uint8_t[]`. A large one is in large pages where there are any:
    touching twenty megabytes in small ones takes longer than replaying ten thousand lines."""
    if size < 2 * LARGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return ffi.new("uint8_t[]", size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        pass  # a kernel without them
    return ffi.from_buffer("uint8_t[]", memory)


def enum_words(profile: str, name: str) -> dict[int, str]:
    """The members of a C enum by value: {0: "RAY_OK", -1: "RAY_E_ARGUMENT", ...}."""
    return dict(load(profile).ffi.typeof(f"enum {name}").elements)
