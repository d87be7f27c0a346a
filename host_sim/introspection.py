# SPDX-License-Identifier: MIT
"""A simulated OAuth2 introspection server (RFC 7662): what it says of a token follows from a table
and an instant that the caller gives, so a test of tokens that lapse waits for nothing.

    with IntrospectionServer({"t0k3n": {"sub": "anna", "exp": 40}}) as server:
        resolver = http_resolver(server.url)
"""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

QUESTION_BYTES_MAX = 65_536
FORM = "application/x-www-form-urlencoded"
INACTIVE: dict[str, Any] = {"active": False}


class IntrospectionServer:
    """Answers at `url` on 127.0.0.1 while it is entered.

    `tokens` is what is known of each live token (`sub`, `exp` in seconds of Unix time, `scope`,
    `role`, `tenant`); `authorization` the header a caller must show, when one must; `now_s` the
    server's own clock. `asked_count` counts the answered questions.
    """

    def __init__(
        self, tokens: Mapping[str, Mapping[str, Any]], *, authorization: str | None = None,
        now_s: int = 0,
    ) -> None:
        self.tokens = {token: dict(claims) for token, claims in tokens.items()}
        self.authorization, self.now_s, self.asked_count = authorization, now_s, 0
        self._door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._door.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._door.server_port}/introspect"

    def revoke(self, token: str) -> None:
        """Inactive from here on; a token nobody knows is that already."""
        self.tokens.pop(token, None)

    def answer(self, token: str) -> dict[str, Any]:
        """RFC 7662 section 2.2: what is known of a live token; of any other that it is not active
        and nothing else, so that an answer tells nobody which tokens there were."""
        claims = self.tokens.get(token)
        if claims is None or not self.now_s < int(claims.get("exp", self.now_s + 1)):
            return INACTIVE
        return {"active": True, **claims}

    def reply(self, authorization: str | None, kind: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for one POST: 401 without the caller's credential, 400 when it is no form
        with exactly one token (sections 2.1 and 2.3)."""
        if self.authorization is not None and authorization != self.authorization:
            return 401, b""
        try:
            form = urllib.parse.parse_qs(body.decode(), strict_parsing=True, max_num_fields=16)
        except ValueError:
            form = {}
        named = form.get("token", [])
        if kind.partition(";")[0].strip().lower() != FORM or len(named) != 1:
            return 400, json.dumps({"error": "invalid_request"}).encode()
        self.asked_count += 1
        return 200, json.dumps(self.answer(named[0])).encode()

    def __enter__(self) -> IntrospectionServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown()
        self._door.server_close()
        self._thread.join()


def _handler(server: IntrospectionServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5   # seconds for a question that never ends

        def do_POST(self) -> None:
            said = self.headers.get("Content-Length", "")
            length = int(said) if said.isascii() and said.isdigit() and len(said) < 9 else 0
            if length > QUESTION_BYTES_MAX:
                self._say(413, b"")
                return
            head = self.headers
            self._say(*server.reply(head.get("Authorization"), head.get("Content-Type", ""),
                                    self.rfile.read(length)))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: a token may stand in what was asked."""

    return Handler
