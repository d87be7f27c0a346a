# SPDX-License-Identifier: MIT
"""Files that hold keys: read with a bound, written for their owner alone."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """The bytes of a regular file (a device has no end, a pipe may never answer). Raises OSError,
    also for another kind and for more than `bytes_max`."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    with path.open("rb") as file:
        held = file.read(bytes_max + 1)
    if len(held) > bytes_max:
        raise OSError(errno.EFBIG, f"it has more than {bytes_max} bytes")
    return held


def write_blob(path: str | os.PathLike[str], blob: bytes) -> None:
    """Writes a compiled configuration whole or not at all, readable for its owner alone: the keys
    of `[[jwt]]` are in it. A device or a pipe is written to as it is. Raises OSError."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(blob)
        return
    handle, fresh = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)   # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(blob)
        os.replace(fresh, target)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise
