# SPDX-License-Identifier: MIT
"""mediator: RequestMediator's work on bodies, headers and errors; import it from
host_sim.modules.mediator."""

from __future__ import annotations

import decimal
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from host_sim.errors import ArgumentError, RaygateSyntaxError, check
from host_sim.modules.base import Module
from host_sim.modules.mediator_types import (
    ContentType,
    Converted,
    Headers,
    HttpMethod,
    Refusal,
    ResponseTransform,
)

OUT_BYTES = 1 << 16


class RefusedError(RaygateSyntaxError):
    """A body that its format or schema refuses; `refusal` says why and where."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"refused at {refusal.pointer!r}: {refusal.keyword or 'does not parse'}")
        self.refusal = refusal


def packed(headers: Iterable[tuple[str, str]]) -> bytes:
    """Header fields as the core reads them."""
    out = b""
    for name, value in headers:
        one, two = name.encode(), value.encode("latin-1")
        out += struct.pack("<HH", len(one), len(two)) + one + two
    return out


def unpacked(block: bytes) -> Headers:
    """The other way."""
    out, at = [], 0
    while at < len(block):
        name, value = struct.unpack_from("<HH", block, at)
        at += 4
        out.append((block[at : at + name].decode(),
                    block[at + name : at + name + value].decode("latin-1")))  # fmt: skip
        at += name + value
    return tuple(out)


def refusal_of(ffi: Any, report: Any) -> Refusal:
    """A ray_mediator_report as it is told."""
    return Refusal(
        int(report.reason), int(report.http_status),
        ffi.string(report.pointer).decode("utf-8", "replace"),
        ffi.string(report.keyword).decode(),
    )  # fmt: skip


def judged(ffi: Any, status: int, report: Any, what: str) -> None:
    """Raises RefusedError for a body that was refused, another status's error otherwise."""
    if status < 0 and report.reason > 1:
        raise RefusedError(refusal_of(ffi, report))
    check(status, what)


class Bodies(Module):
    """Bodies in both formats, against their schemas, and what is said about errors."""

    _word = "mediator"

    def _view(self, data: bytes) -> tuple[Any, Any]:
        memory = self.ffi.from_buffer(data)
        return memory, {"at": self.ffi.cast("uint8_t *", memory), "length": len(data)}

    def _out(self) -> tuple[Any, Any]:
        text, memory = self.ffi.new("ray_text *"), self.ffi.new("char[]", OUT_BYTES)
        self.lib.ray_text_init(text, memory, OUT_BYTES)
        return text, memory


    # -- bodies ---------------------------------------------------------------------------------
    def _validate(
        self, transformation_id: int, side: int, body: bytes, headers: Iterable[tuple[str, str]]
    ) -> Refusal | None:
        report = self.ffi.new("ray_mediator_report *")
        keep, view = self._view(body)
        keep_head, head = self._view(packed(headers))
        status = self.lib.ray_mediator_validate(
            self._state, transformation_id, side, head, view, report
        )
        del keep, keep_head
        if status < 0 and report.reason > 1:
            return refusal_of(self.ffi, report)
        check(status, f"transform {transformation_id}")
        return None

    def parse_request(
        self, transformation_id: int, body: bytes, headers: Iterable[tuple[str, str]] = ()
    ) -> Refusal | None:
        """Validates a request's body against its format and schema: None, or why not. Of the
        headers only a multipart body's Content-Type matters. Raises UnknownError for a transform
        that is not there."""
        return self._validate(transformation_id, 0, body, headers)

    def validate_response(
        self, transformation_id: int, body: bytes, headers: Iterable[tuple[str, str]] = ()
    ) -> Refusal | None:
        """The same for a response's body."""
        return self._validate(transformation_id, 1, body, headers)

    def transform_request(
        self, transformation_id: int, body: bytes, headers: Iterable[tuple[str, str]] = ()
    ) -> Converted:
        """The request's body as the service reads it. Raises RefusedError, UnknownError."""
        report, (text, memory) = self.ffi.new("ray_mediator_report *"), self._out()
        keep, view = self._view(body)
        keep_head, head = self._view(packed(headers))
        status = self.lib.ray_mediator_encode_request(
            self._state, transformation_id, head, view, text, report
        )
        del keep, keep_head
        judged(self.ffi, status, report, f"transform {transformation_id}")
        lossy = self.ffi.string(report.pointer).decode() if report.lossy else None
        return Converted(bytes(self.ffi.buffer(memory, text.length)), lossy)

    def transform_response(
        self, transformation_id: int, status: int, headers: Iterable[tuple[str, str]], body: bytes
    ) -> ResponseTransform:
        """The service's response as the client gets it: body, edited headers, and its own words in
        place of an error's where the format changes. Raises RefusedError, UnknownError."""
        report = self.ffi.new("ray_mediator_report *")
        (text, memory), (head, head_memory) = self._out(), self._out()
        keep, view = self._view(body)
        keep_head, head_view = self._view(packed(headers))
        done = self.lib.ray_mediator_encode_response(
            self._state, transformation_id, status, head_view, view, head, text, report
        )
        del keep, keep_head
        if done < 0:
            judged(self.ffi, done, report, f"transform {transformation_id}")
        row = self.ffi.new("ray_transform_row *")
        check(self.lib.ray_mediator_transform_read(self._state, transformation_id, row), "read")
        return ResponseTransform(
            int(report.http_status), ContentType(row.spec.side[1].to),
            unpacked(bytes(self.ffi.buffer(head_memory, head.length))),
            bytes(self.ffi.buffer(memory, text.length)),
        )  # fmt: skip

    def edit_headers(
        self, transformation_id: int, headers: Iterable[tuple[str, str]], body_length: int, *,
        response: bool = False,
    ) -> Headers:  # fmt: skip
        """Headers after the edits of one side. Raises ArgumentError for a block no server should
        believe."""
        text, memory = self._out()
        keep, view = self._view(packed(headers))
        status = self.lib.ray_mediator_edit(
            self._state, transformation_id, int(response), view, body_length, text
        )
        del keep
        check(status, f"transform {transformation_id}")
        return unpacked(bytes(self.ffi.buffer(memory, text.length)))

    def marshal_json(self, value: Any) -> bytes:
        """Compact JSON in UTF-8, keys as they stand. Raises ArgumentError for what JSON cannot
        say: floats too, which no decision uses."""
        def refuse_floats(one: Any) -> None:
            if isinstance(one, float):
                raise ArgumentError("no floats: write whole numbers or decimal text")
            if isinstance(one, Mapping):
                if not all(isinstance(key, str) for key in one):
                    raise ArgumentError("keys are text")
                for inner in one.values():
                    refuse_floats(inner)
            elif isinstance(one, (list, tuple)):
                for inner in one:
                    refuse_floats(inner)

        refuse_floats(value)
        try:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        except (TypeError, ValueError, UnicodeEncodeError) as error:
            raise ArgumentError(str(error)) from error

    def unmarshal_json(self, body: bytes) -> Any:
        """The value of a JSON text that the core's strict reader accepts: duplicate keys, depth
        past 32 and bad UTF-8 raise RefusedError. Numbers with a fraction come as decimal.Decimal.
        """
        report = self.ffi.new("ray_format_report *")
        keep, view = self._view(body)
        source = self.ffi.new(
            "ray_format_source *", {"body": view, "format": self.lib.RAY_FORMAT_JSON}
        )
        status = self.lib.ray_format_validate(self.ffi.NULL, source, report)
        del keep
        if status < 0:
            pointer = bytes(self.ffi.buffer(report.pointer))[: int(report.pointer_length)]
            raise RefusedError(
                Refusal(self.lib.RAY_REASON_BODY_MALFORMED, 400, pointer.decode(), "")
            )
        return json.loads(body, parse_float=decimal.Decimal)

    # -- errors ---------------------------------------------------------------------------------
    def get_error_response(
        self,
        reason: int,
        *,
        http_status: int = 0,
        retry_after_ns: int = 0,
        methods: Iterable[HttpMethod] = (),
        accepts: ContentType = ContentType.ANY,
        grpc: bool = False,
    ) -> ResponseTransform:
        """The response about an error, made of our own words alone (RFC 9457), with the fields
        RFC 9110 asks for; for a gRPC client the code in trailers."""
        spec = self.ffi.new("ray_error_spec *")
        self._fill(
            spec,
            {
                "reason": reason, "http_status": http_status, "retry_after_ns": retry_after_ns,
                "methods": sum({1 << int(one) for one in methods}), "content": int(accepts),
                "grpc": int(grpc),
            },
        )  # fmt: skip
        (text, memory), (head, head_memory) = self._out(), self._out()
        status = int(self.lib.ray_mediator_error(spec, head, text))
        return ResponseTransform(
            status, ContentType.PROTOBUF if grpc else ContentType.JSON,
            unpacked(bytes(self.ffi.buffer(head_memory, head.length))),
            bytes(self.ffi.buffer(memory, text.length)),
        )  # fmt: skip
