# SPDX-License-Identifier: MIT
"""What bodies look like on either side, as pydantic models: [schema.NAME] and [transform.NAME]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host_sim.config.fields import Duration, Model, Name

WireWord = Literal[
    "object", "string", "bool", "bytes", "enum", "number",
    "int32", "int64", "uint32", "uint64", "sint32", "sint64",
    "fixed32", "fixed64", "sfixed32", "sfixed64",
]  # fmt: skip
ContentWord = Literal["json", "protobuf", "xml", "form", "binary", "any", "multipart"]


class SchemaField(Model):
    """One member of an object: `[schema.NAME] sku = { ... }`."""

    type: WireWord | None = Field(None, description="What it holds; `object` is told by `schema`.")
    schema_: Name | None = Field(None, alias="schema", description="The schema of an object.")
    field: int = Field(0, ge=0, le=536_870_911, description="Its number in protobuf; 0: none.")
    required: bool = Field(False, description="It must be there.")
    repeated: bool = Field(False, description="An array of these.")
    nullable: bool = Field(False, description="null is a value of it.")
    minimum: int | None = Field(None, description="Numbers: at least.")
    maximum: int | None = Field(None, description="Numbers: at most.")
    min_length: int | None = Field(None, ge=0, le=1_000_000, description="Characters at least.")
    max_length: int | None = Field(None, ge=0, le=1_000_000, description="Characters at most.")
    min_items: int | None = Field(None, ge=0, le=1_000_000, description="repeated: at least.")
    max_items: int | None = Field(None, ge=0, le=1_000_000, description="repeated: at most.")
    values: list[str] | None = Field(None, description="string, enum: the ones there are.")
    attribute: bool = Field(False, description="XML: an attribute of its element.")
    text: bool = Field(False, description="XML: the characters of its element.")


class Side(Model):
    """One way of a transform."""

    from_: ContentWord = Field("any", alias="from", description="The format that comes.")
    to: ContentWord | None = Field(None, description="The format that goes; as it came if absent.")
    schema_: Name | None = Field(None, alias="schema", description="What the body must be.")
    unknown: Literal["reject", "drop", "keep"] = Field(
        "reject", description="Members the schema does not name; keep needs one format."
    )
    strict: bool = Field(False, description="Refuse what cannot be carried over without loss.")
    grpc: bool = Field(False, description="The protobuf end is one gRPC message in its frame.")
    add_headers: dict[Name, str] = Field(default_factory=dict, description="One field more.")
    set_headers: dict[Name, str] = Field(default_factory=dict, description="This instead of any.")
    remove_headers: list[Name] = Field(default_factory=list, description="None of these.")


class Cache(Model):
    """What is kept of answers to GET; what RFC 9111 forbids is not kept."""

    ttl: Duration = Field(description="The longest an answer is kept.")


class Transform(Model):
    """How a route's requests and responses are changed."""

    request: Side = Field(
        default_factory=Side.model_construct, description="From the client to the service."
    )
    response: Side = Field(
        default_factory=Side.model_construct, description="From the service to the client."
    )
    cache: Cache | None = Field(None, description="Answers that are kept; none when absent.")
