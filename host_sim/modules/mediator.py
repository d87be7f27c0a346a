# SPDX-License-Identifier: MIT
"""mediator: what requests and responses look like on either side, and the answers that are kept.

Formats and schemas, header edits, one table of errors, and a bounded cache after RFC 9111. Rules:
SEMANTICS.md, "mediator"; the C core behind it: ray/mediator.h.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from host_sim.config import layout
from host_sim.config.compile_schema import schema_rows
from host_sim.config.model_transform import SchemaField
from host_sim.decision import NONE
from host_sim.errors import ArgumentError, StateError, check
from host_sim.modules.base import u64
from host_sim.modules.exposition import Exposed
from host_sim.modules.mediator_bodies import Bodies, RefusedError, packed, unpacked
from host_sim.modules.mediator_types import (
    CacheAnswer,
    ContentType,
    Converted,
    Headers,
    HttpMethod,
    MediationPolicy,
    MediatorStats,
    Refusal,
    RequestTransform,
    ResponseTransform,
    Unknown,
)

__all__ = [
    "CacheAnswer", "ContentType", "Converted", "HttpMethod", "MediationPolicy", "MediatorStats",
    "Refusal", "RefusedError", "RequestMediator", "RequestTransform", "ResponseTransform",
    "Unknown",
]  # fmt: skip

class RequestMediator(Bodies, Exposed):
    """256 transforms, 128 schemas, 128 kept answers of 8 KiB (profile seed).

    Alone it owns a state of its own; with `kernel` it reads and controls that Kernel's. Time is
    `now_ns`, which never runs backwards.
    """

    _word = "mediator"

    def _expire(self, now: int) -> None:
        self.lib.ray_mediator_tick(self._state, now)

    # -- rules ----------------------------------------------------------------------------------
    def register_schema(self, name: str, fields: Mapping[str, Mapping[str, Any]]) -> int:
        """Adds a schema; `fields` are the tables of `[schema.NAME]` by member. Returns its place.

        Raises ExistsError, FullError, ArgumentError."""
        models = {word: SchemaField.model_validate(dict(one)) for word, one in fields.items()}
        rows = schema_rows({name: models}, [name])
        counts = self.ffi.new("ray_config_counts *")
        out, place = self.ffi.new("ray_mediator_rows *"), self.ffi.new("uint32_t *")
        held = []
        for kind, member, count, row in (
            (layout.SCHEMA, "schemas", "schema_count", "ray_schema_spec"),
            (layout.SCHEMA_NODE, "nodes", "schema_node_count", "ray_format_node"),
            (layout.SCHEMA_PROPERTY, "properties", "schema_property_count", "ray_format_property"),
            (layout.SCHEMA_VALUE, "values", "schema_value_count", "ray_format_value"),
        ):
            raw = b"".join(layout.ROWS[kind].build(one) for one in rows[kind])
            array = self.ffi.new(f"{row}[]", max(len(rows[kind]), 1))
            self.ffi.memmove(array, raw, len(raw))
            held.append(array)
            setattr(out, member, array)
            setattr(counts, count, len(rows[kind]))
        text = self.ffi.new("uint8_t[]", rows[layout.SCHEMA_TEXT] or b"\0")
        out.text, counts.schema_text_bytes = text, len(rows[layout.SCHEMA_TEXT])
        status = self.lib.ray_mediator_schema_add(self._state, out, counts, place)
        check(status, f"schema {name!r}")
        self._edited("ADD", "TRANSFORM", NONE, 0, int(place[0]))
        return int(place[0])

    def _schema(self, name: str | None) -> int:
        if name is None:
            return NONE
        return self._find(self.lib.ray_mediator_schema_find, name, "no schema")

    def register_transform(
        self,
        name: str,
        *,
        input_format: ContentType = ContentType.ANY,
        output_format: ContentType | None = None,
        response_input: ContentType = ContentType.ANY,
        response_output: ContentType | None = None,
        schema: str | None = None,
        response_schema: str | None = None,
        unknown: Unknown = Unknown.REJECT,
        strict: bool = False,
        grpc: bool = False,
        cache_ttl: int = 0,
    ) -> RequestTransform:
        """Adds a transform: requests come as `input_format` and go to the service as
        `output_format`, responses likewise; formats that differ need a schema, and multipart only
        passes on as it came.

        `cache_ttl` nanoseconds an answer is kept at most. Raises ExistsError, FullError,
        ArgumentError, RangeError, UnknownError."""
        spec, handle = self.ffi.new("ray_transform_spec *"), self.ffi.new("uint32_t *")
        self._set_name(spec.name, name, "a transform's name")
        self._fill(spec, {"cache_ttl_ns": u64(cache_ttl, "cache_ttl")})
        ways = (
            (input_format, output_format, schema),
            (response_input, response_output, response_schema),
        )
        for side, (source, target, shape) in zip(spec.side, ways, strict=True):
            target = source if target is None else target
            if target == ContentType.MULTIPART and (source != target or unknown == Unknown.DROP):
                raise ArgumentError("multipart is read and passed on as it came, but not written")
            framed = grpc and ContentType.PROTOBUF in (source, target)
            self._fill(
                side,
                {
                    "schema": self._schema(shape), "from": int(source), "to": int(target),
                    "unknown": int(unknown), "flags": int(strict) | 2 * framed,
                },
            )  # fmt: skip
        check(
            self.lib.ray_mediator_transform_add(self._state, spec, handle), f"transform {name!r}"
        )
        self._edited("ADD", "TRANSFORM", int(handle[0]), 0, cache_ttl)
        return RequestTransform(
            input_format, input_format if output_format is None else output_format, int(handle[0])
        )

    def remove_transform(self, transformation_id: int) -> None:
        """Removes it, its header edits and what is kept of it. Raises UsedError while a route uses
        it, UnknownError."""
        status = self.lib.ray_mediator_transform_remove(self._state, transformation_id)
        check(status, f"transform {transformation_id}")
        self._edited("REMOVE", "TRANSFORM", transformation_id, 0, 0)

    def edit_header(
        self, transformation_id: int, how: str, name: str, value: str = "", *,
        response: bool = False,
    ) -> None:  # fmt: skip
        """One header edit more: `how` is add, set or remove. Raises ArgumentError, FullError."""
        if how not in ("add", "set", "remove"):
            raise ArgumentError(f"an edit is add, set or remove, not {how!r}")
        edit = self.ffi.new("ray_header_edit_spec *")
        self._set_name(edit.name, name.lower(), "a header's name")
        raw = value.encode("latin-1")
        if len(raw) > self.lib.RAY_EDIT_VALUE_BYTES:
            raise ArgumentError(f"a value is at most {self.lib.RAY_EDIT_VALUE_BYTES} bytes")
        self.ffi.memmove(edit.value, raw, len(raw))
        edit.value_length, edit.side = len(raw), int(response)
        edit.how, edit.transform = ("add", "set", "remove").index(how), transformation_id
        check(self.lib.ray_mediator_edit_add(self._state, edit), f"{how} {name!r}")
        self._edited("SET", "TRANSFORM", transformation_id, 0, 0)

    def set_route(self, route: int, transformation_id: int | None) -> None:
        """Which transform a route's requests pass through, None: none."""
        target = NONE if transformation_id is None else transformation_id
        check(self.lib.ray_mediator_route_set(self._state, route, target), f"route {route}")
        self._edited("SET", "TRANSFORM", target, 0, route)

    def transform_of(self, route: int) -> int | None:
        """The transform of a route, None when it has none."""
        out = int(self.lib.ray_mediator_transform_of(self._state, route))
        return None if out == NONE else out

    def find_transform(self, name: str) -> int:
        """The id of a transform. Raises UnknownError."""
        return self._find(self.lib.ray_mediator_find, name, "no transform")

    # -- cache ----------------------------------------------------------------------------------
    def set_caching_policy(
        self, transformation_id: int, policy: MediationPolicy, *, now_ns: int | None = None
    ) -> MediationPolicy:
        """Sets how long answers of a transform are kept; a shorter time holds for those kept
        already. Raises StateError for a timeout or retry count, which resilience owns,
        UnknownError, RangeError."""
        if policy.timeout is not None or policy.retry_count is not None:
            raise StateError("resilience owns timeout and retries: two owners multiply retries")
        before = self.get_policy(transformation_id)
        now = self._pass(now_ns)
        ttl = u64(policy.cache_ttl, "cache_ttl")
        status = self.lib.ray_mediator_ttl_set(self._state, now, transformation_id, ttl)
        check(status, f"transform {transformation_id}")
        self._edited("SET", "TRANSFORM", transformation_id, before.cache_ttl, ttl)
        return self.get_policy(transformation_id)

    def get_policy(self, transformation_id: int) -> MediationPolicy:
        """The policy in force. Raises UnknownError."""
        row = self.ffi.new("ray_transform_row *")
        status = self.lib.ray_mediator_transform_read(self._state, transformation_id, row)
        check(status, f"transform {transformation_id}")
        return MediationPolicy(cache_ttl=int(row.spec.cache_ttl_ns))

    def cache_get(
        self,
        transformation_id: int,
        path: str,
        *,
        query: str = "",
        host: str = "",
        method: HttpMethod = HttpMethod.GET,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        tenant: int | None = None,
        route: int = 0,
        authorized: bool = False,
        now_ns: int | None = None,
    ) -> CacheAnswer:
        """Asks as the pipeline does, takes the lease of a miss, and counts. Raises UnknownError."""
        now = self._pass(now_ns)
        ask, answer = self.ffi.new("ray_mediator_query *"), self.ffi.new("ray_mediator_answer *")
        keep = []
        for member, data in (
            ("path", path.encode()), ("query", query.encode()), ("host", host.encode()),
            ("headers", packed(headers)), ("body", body or b""),
        ):  # fmt: skip
            memory, view = self._view(data)
            keep.append(memory)
            setattr(ask, member, view)
        self._fill(
            ask,
            {
                "route": route, "transform": transformation_id, "method": int(method),
                "tenant": NONE if tenant is None else tenant, "body_known": int(body is not None),
                "authorized": int(authorized),
            },
        )  # fmt: skip
        check(self.lib.ray_mediator_ask(self._state, now, ask, answer), "ask")
        self.lib.ray_mediator_take(self._state, now, ask, answer)
        self.lib.ray_mediator_note(self._state, now, ask, answer, answer.granted)
        head: Headers = ()
        status, kept, age = 0, b"", 0
        if answer.hit != NONE:
            code = self.ffi.new("uint16_t *")
            views = self.ffi.new("ray_view[2]")
            check(
                self.lib.ray_mediator_cached(
                    self._state, now, answer.hit, code, views, views + 1
                ),
                "cached",
            )
            status = int(code[0])
            head = unpacked(bytes(self.ffi.buffer(views[0].at, views[0].length)))
            if not answer.bodiless:
                kept = bytes(self.ffi.buffer(views[1].at, views[1].length))
            age = int(self.lib.ray_mediator_age(self._state, now, answer.hit))
        return CacheAnswer(
            answer.hit != NONE, status, head, kept, age,
            None if answer.fill == NONE else int(answer.fill), bool(answer.busy),
            int(answer.reason), int(answer.http_status),
        )  # fmt: skip

    def cache_set(
        self,
        fill: int,
        status: int = 0,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        *,
        now_ns: int | None = None,
    ) -> bool:
        """Gives a lease back, with the service's response where there is one (`body` None: there is
        none). True when it is kept: as transform_response makes it."""
        now = self._pass(now_ns)
        before = self.stats().stored_count
        keep, view = self._view(body or b"")
        keep_head, head = self._view(packed(headers))
        self.lib.ray_mediator_done(
            self._state, now, fill, status, head, view, int(body is not None)
        )
        del keep, keep_head
        return self.stats().stored_count != before

    def changed(
        self, path: str, status: int, *, query: str = "", host: str = "",
        tenant: int | None = None, now_ns: int | None = None,
    ) -> int:  # fmt: skip
        """A request of an unsafe method was answered with `status`: unless that is an error, what
        is kept of its target within its tenant is let go (RFC 9111 4.4). Returns how many."""
        self._pass(now_ns)
        ask, keep = self.ffi.new("ray_mediator_query *"), []
        for member, data in (("path", path), ("query", query), ("host", host)):
            memory, view = self._view(data.encode())
            keep.append(memory)
            setattr(ask, member, view)
        ask.tenant = NONE if tenant is None else tenant
        target = self.lib.ray_mediator_target(self._state, ask)
        return int(self.lib.ray_mediator_changed(self._state, target, status))

    def purge(self, transformation_id: int | None = None) -> int:
        """Lets go what is kept of a transform, or of all; returns how many."""
        target = NONE if transformation_id is None else transformation_id
        return int(self.lib.ray_mediator_purge(self._state, target))

    # -- reading --------------------------------------------------------------------------------
    def stats(self) -> MediatorStats:
        """The module's counters."""
        return self._counters(MediatorStats)

    def export_json(self, *, now_ns: int | None = None) -> str:
        """Every transform and its counters as JSON."""
        at = self._at(now_ns)
        return self._written(
            lambda text: self.lib.ray_mediator_export_json(self._state, at, text), "export"
        )

    def _expose(self, now: int, form: int, text: Any) -> int:
        return int(self.lib.ray_mediator_export_metrics(self._state, form, text))
