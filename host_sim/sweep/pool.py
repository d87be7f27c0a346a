# SPDX-License-Identifier: MIT
"""Work spread over processes that may die: each takes one piece at a time and answers it.

Processes are programs of their own (no fork, no import of the caller's main module), so a sweep
works the same in a notebook, in a script and under pytest. One that dies costs its piece alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.1


class Pool:
    """Runs pieces on `count` processes, in any order; answers come back by place.

    `done(place, answer)` is called from one thread at a time. `run` returns False when `stopping`
    became true: then pieces under way are given up and processes ended at once.
    """

    def __init__(self, module: str, count: int) -> None:
        self._command = [sys.executable, "-m", module]
        self._count = count
        self._lock = threading.Lock()
        self._next = 0
        self._stopped = False
        self._processes: set[subprocess.Popen[bytes]] = set()

    def run(
        self, pieces: Sequence[dict[str, Any]], done: Callable[[int, dict[str, Any]], None],
        stopping: Callable[[], bool],
    ) -> bool:
        """Runs all pieces."""
        self._next, self._stopped = 0, False
        threads = [threading.Thread(target=self._serve, args=(pieces, done), daemon=True)
                   for _ in range(min(self._count, len(pieces)))]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                if stopping():
                    break
                threads[0].join(POLL_S)
                threads = [thread for thread in threads if thread.is_alive()]
        finally:
            stopped = bool(threads)
            self._end()
        for thread in threads:
            thread.join()
        return not stopped

    def _end(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.kill()

    def _take(self, total: int) -> int | None:
        with self._lock:
            if self._stopped or self._next == total:
                return None
            self._next += 1
            return self._next - 1

    def _serve(
        self, pieces: Sequence[dict[str, Any]], done: Callable[[int, dict[str, Any]], None]
    ) -> None:
        process: subprocess.Popen[bytes] | None = None
        while (place := self._take(len(pieces))) is not None:
            process = process or self._start()
            if process is None:
                return
            answer = _ask(process, pieces[place])
            if answer is None:
                code = self._forget(process)
                process = None
                answer = {"error": f"its process ended without an answer (exit code {code})"}
            with self._lock:
                if not self._stopped:
                    done(place, answer)
        if process is not None:
            self._forget(process)

    def _start(self) -> subprocess.Popen[bytes] | None:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True)     # a terminal's Ctrl-C is the caller's to handle
            self._processes.add(process)
        return process

    def _forget(self, process: subprocess.Popen[bytes]) -> int:
        with contextlib.suppress(OSError):
            assert process.stdin and process.stdout
            process.stdin.close()
            process.stdout.close()
        code = process.wait()
        with self._lock:
            self._processes.discard(process)
        return code


def _ask(process: subprocess.Popen[bytes], piece: dict[str, Any]) -> dict[str, Any] | None:
    """The answer, None when the process is gone."""
    assert process.stdin and process.stdout
    try:
        process.stdin.write(json.dumps(piece).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
    except (OSError, ValueError):
        return None
    return answer
