# SPDX-License-Identifier: MIT
"""Bodies checked and converted as the mediator does it, beside Python's libraries.

The body is an order: an object with a customer inside, items and a note that fills it up to the
size that is asked for, without blanks, as programs send it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import urllib.parse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any
from xml.etree import ElementTree

from host_sim import config as compiler

from .measure import WORK, Result, alone, timed

FILE = """version = 1
[service.shop]
[[route]]
name = "all"
service = "shop"
path = { prefix = "/" }
[schema.customer]
name = { type = "string", field = 1, required = true, min_length = 1, max_length = 80 }
email = { type = "string", field = 2, required = true, max_length = 120 }
country = { type = "string", field = 3, min_length = 2, max_length = 2 }
[schema.item]
sku = { type = "string", field = 1, required = true, max_length = 16 }
name = { type = "string", field = 2, max_length = 80 }
quantity = { type = "uint32", field = 3, required = true, minimum = 1, maximum = 1000 }
price = { type = "int64", field = 4, required = true, minimum = 0, maximum = 100000000 }
gift = { type = "bool", field = 5 }
[schema.order]
id = { type = "string", field = 1, required = true, min_length = 1, max_length = 40 }
number = { type = "uint32", field = 2, required = true }
customer = { schema = "customer", field = 3, required = true }
items = { schema = "item", field = 4, repeated = true, max_items = 400 }
note = { type = "string", field = 5 }
[schema.sheet]
id = { type = "string", field = 1, required = true, min_length = 1, max_length = 40 }
number = { type = "uint32", field = 2, required = true }
email = { type = "string", field = 3, required = true, max_length = 120 }
tag = { type = "string", field = 4, repeated = true, max_items = 60 }
note = { type = "string", field = 5 }
[transform.check]
request = { from = "json", schema = "order" }
[transform.to-protobuf]
request = { from = "json", to = "protobuf", schema = "order" }
[transform.from-protobuf]
request = { from = "protobuf", to = "json", schema = "order" }
[transform.from-xml]
request = { from = "xml", to = "json", schema = "order" }
[transform.from-form]
request = { from = "form", to = "json", schema = "sheet" }
"""
CALLS = 20  # of a peer in one round
SIZES = (256, 512, 1024, 2048, 4096, 8192)
# 1.5, 12, 2 and 16 us where the reference took 1.16 ns.
MOST_XR = {("check", 1024): 1293.0, ("check", 8192): 10345.0,
           ("to-protobuf", 1024): 1724.0, ("to-protobuf", 8192): 13793.0}
WAYS = {"check": "JSON against a schema", "to-protobuf": "JSON to protobuf",
         "from-protobuf": "protobuf to JSON", "from-xml": "XML to JSON",
         "from-form": "form to JSON"}
NUMBERS = {"id": 1, "number": 2, "customer": 3, "items": 4, "note": 5}
INNER = {"customer": {"name": 1, "email": 2, "country": 3},
         "items": {"sku": 1, "name": 2, "quantity": 3, "price": 4, "gift": 5}}
Body = dict[str, Any]


# -- bodies ------------------------------------------------------------------------------------
def as_json(value: Any) -> bytes:
    """Without blanks, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def order(size: int) -> Body:
    """An order that is `size` bytes as JSON."""
    made: Body = {
        "id": f"ord-{size:08}", "number": 4711,
        "customer": {"name": "Zo\u00eb Example", "email": "zoe@shop.example", "country": "DE"},
        "items": [], "note": "",
    }
    while True:
        i = len(made["items"])
        made["items"].append({"sku": f"SKU-{i:05}", "name": f"Part number {i}",
                              "quantity": 1 + i % 9, "price": 199 + 7919 * i, "gift": i % 3 == 0})
        if len(as_json(made)) > size - 16:
            made["items"].pop()
            break
    made["note"] = "n" * (size - len(as_json(made)))
    return made


def sheet(size: int) -> Body:
    """A form that is `size` bytes when it is written."""
    count = max(2, min(48, size // 40))
    made: Body = {"id": f"ord-{size:08}", "number": "4711", "email": "zoe@shop.example",
                  "tag": [f"tag {i}: " for i in range(count)], "note": ""}
    left = size - len(as_form(made))
    made["tag"] = [tag + "word " * (left // count // 5) for tag in made["tag"]]
    made["note"] = "n" * max(0, size - len(as_form(made)))
    return made


def as_form(value: Body) -> bytes:
    """application/x-www-form-urlencoded."""
    return urllib.parse.urlencode(value, doseq=True).encode()


def as_xml(value: Any, name: str = "order") -> bytes:
    """Members as elements, an array's items one after the other."""
    if isinstance(value, list):
        return b"".join(as_xml(one, name) for one in value)
    node = ElementTree.Element(name)
    if isinstance(value, dict):
        inside = b"".join(as_xml(one, word) for word, one in value.items())
        return b"<%s>%s</%s>" % (name.encode(), inside, name.encode())
    node.text = str(value).lower() if isinstance(value, bool) else str(value)
    made: bytes = ElementTree.tostring(node, encoding="utf-8", xml_declaration=False)
    return made


def varint(value: int) -> bytes:
    """Seven bits a byte."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def as_protobuf(value: Body, numbers: dict[str, int]) -> bytes:
    """The wire format, every member that is there written."""
    out = b""
    for word, one in value.items():
        for item in one if isinstance(one, list) else [one]:
            if isinstance(item, int):
                out += varint(numbers[word] << 3) + varint(item)
                continue
            held = (as_protobuf(item, INNER[word]) if isinstance(item, dict)
                    else str(item).encode())
            out += varint(numbers[word] << 3 | 2) + varint(len(held)) + held
    return out


def told(value: Body) -> Body:
    """As ProtoJSON says it: int64 as text; an array of none is not there on the other side."""
    items = [{**item, "price": str(item["price"])} for item in value["items"]]
    return {word: one for word, one in {**value, "items": items}.items() if one != []}


def sized(make: Callable[[Body], bytes], size: int) -> Body:
    """The longest order of at most `size` bytes in a format whose length is not JSON's."""
    low, high = 200, 4 * size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(make(order(middle))) <= size else (low, middle)
    return order(low)


# -- the core ----------------------------------------------------------------------------------
def in_c(transform: str, body: bytes) -> tuple[float, bytes]:
    """Nanoseconds of one body, and what was written of it; raises when it is refused."""
    (WORK / "body").write_bytes(body)
    how, out = "check" if transform == "check" else "write", WORK / "body.out"
    ns, _ = alone("formats", WORK / "formats.blob", how, transform, WORK / "body",
                  max(64, (1 << 21) // len(body)), out)  # fmt: skip
    return ns, out.read_bytes()


def same(what: str, got: object, wanted: object) -> None:
    """Answers agree, or nothing is timed."""
    if got != wanted:
        raise RuntimeError(f"{what}: {got!r:.300} instead of {wanted!r:.300}")


# -- the peers ---------------------------------------------------------------------------------
Peer = Callable[[bytes], object]


def msgspec_typed(spec: Any) -> Peer:
    """msgspec's JSON decoder into structs that ask what the schema asks."""
    def text(**rules: int) -> Any:
        return Annotated[str, spec.Meta(**rules)]

    def number(low: int, high: int) -> Any:
        return Annotated[int, spec.Meta(ge=low, le=high)]

    customer = spec.defstruct("Customer", [
        ("name", text(min_length=1, max_length=80)), ("email", text(max_length=120)),
        ("country", text(min_length=2, max_length=2), "")], forbid_unknown_fields=True)
    item = spec.defstruct("Item", [
        ("sku", text(max_length=16)), ("quantity", number(1, 1000)),
        ("price", number(0, 100000000)), ("name", text(max_length=80), ""),
        ("gift", bool, False)], forbid_unknown_fields=True)
    whole = spec.defstruct("Order", [
        ("id", text(min_length=1, max_length=40)), ("number", number(0, 2**32 - 1)),
        ("customer", customer), ("items", list[item], []),  # type: ignore[valid-type]
        ("note", str, "")], forbid_unknown_fields=True)
    return spec.json.Decoder(whole).decode  # type: ignore[no-any-return]


def message_class() -> Any:
    """Google's protobuf (upb in C), with the schema's fields."""
    pb: Any = importlib.import_module("google.protobuf.descriptor_pb2")
    pool: Any = importlib.import_module("google.protobuf.descriptor_pool")
    factory: Any = importlib.import_module("google.protobuf.message_factory")
    field = pb.FieldDescriptorProto
    kinds = {"number": field.TYPE_UINT32, "quantity": field.TYPE_UINT32,
             "price": field.TYPE_INT64, "gift": field.TYPE_BOOL}
    file = pb.FileDescriptorProto(name="order.proto", syntax="proto3")
    for name, fields in ((*INNER.items(), ("order", NUMBERS))):
        message = file.message_type.add(name=name)
        for word, number in fields.items():
            label = field.LABEL_REPEATED if word == "items" else field.LABEL_OPTIONAL
            kind = field.TYPE_MESSAGE if word in INNER else kinds.get(word, field.TYPE_STRING)
            message.field.add(name=word, number=number, label=label, type=kind,
                              type_name=f".{word}" if word in INNER else None)
    held = pool.DescriptorPool()
    held.Add(file)
    return factory.GetMessageClass(held.FindMessageTypeByName("order"))


def peers(transform: str, body: bytes, value: Body) -> Iterator[tuple[str, Peer]]:
    """Who does as much, as far as it is installed; json and the like are always there and check no
    schema. What they make of the body is right before they are timed."""
    if transform == "check":
        yield "json (no schema)", json.loads
        spec: Any = importlib.import_module("msgspec")
        typed = msgspec_typed(spec)
        same("msgspec", spec.to_builtins(typed(body)), value)
        yield "msgspec, typed", typed
    elif transform == "to-protobuf":
        decode, message = importlib.import_module("msgspec.json").decode, message_class()
        same("protobuf", message(**decode(body)), message.FromString(as_protobuf(value, NUMBERS)))
        yield "msgspec and protobuf", lambda b: message(**decode(b)).SerializeToString()
    elif transform == "from-protobuf":
        message, text = message_class(), importlib.import_module("google.protobuf.json_format")
        yield "protobuf", lambda b: text.MessageToJson(message.FromString(b), indent=None)
    elif transform == "from-xml":
        yield "ElementTree (read alone)", ElementTree.fromstring
    else:
        yield "urllib (read alone)", lambda b: urllib.parse.parse_qs(b, strict_parsing=True)


def many(peer: Peer, body: bytes) -> None:
    """A peer's work CALLS times."""
    for _ in range(CALLS):
        peer(body)


def beside(transform: str, body: bytes, value: Body, ns: float) -> str:
    """What the peers take in the same run."""
    notes = []
    with contextlib.suppress(ImportError):
        for name, peer in peers(transform, body, value):
            theirs = timed(partial(many, peer, body), CALLS)
            notes.append(f"{name} takes {theirs / ns:.1f} times as long")
    return ", ".join(notes)


# -- the part ----------------------------------------------------------------------------------
def case(transform: str, size: int) -> tuple[Body, bytes, object]:
    """What is meant, the body that comes, about `size` bytes, and what must go: bytes, or the
    value of a JSON text."""
    if transform == "from-form":
        held = sheet(size)
        return held, as_form(held), {**held, "number": 4711}
    if transform == "from-protobuf":
        value = sized(lambda one: as_protobuf(one, NUMBERS), size)
        return value, as_protobuf(value, NUMBERS), told(value)
    if transform == "from-xml":
        value = sized(as_xml, size)
        return value, as_xml(value), told(value)
    value = order(size)
    return value, as_json(value), b"" if transform == "check" else as_protobuf(value, NUMBERS)


def formats() -> Iterator[Result]:
    """Five ways through the mediator, each as its body grows: the curve must be a line."""
    WORK.mkdir(parents=True, exist_ok=True)
    blob = compiler.loads(FILE, profile="seed", name=str(WORK / "formats.toml")).blob
    (WORK / "formats.blob").write_bytes(blob)
    for transform, words in WAYS.items():
        for size in SIZES:
            value, body, wanted = case(transform, size)
            ns, out = in_c(transform, body)
            same(words, out if isinstance(wanted, bytes) else json.loads(out), wanted)
            yield Result(f"core, {words} at {size}", ns, "body", MOST_XR.get((transform, size)),
                         beside(transform, body, value, ns))
