# SPDX-License-Identifier: MIT
"""multipart/form-data: what parts become, and every body two readers could read differently is
refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.decision import Verdict
from host_sim.errors import ArgumentError
from host_sim.formats import AS_IS, DROP, KEEP, STRICT, Formats
from host_sim.kernel import Kernel
from host_sim.modules.mediator import ContentType, RefusedError, RequestMediator, Unknown
from tests.model.formats import multipart
from tests.unit.test_bad_bodies import fault

FILE: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {
    "filename": {"x-wire": "string", "x-number": 1},
    "content_type": {"x-wire": "string", "x-number": 2},
    "content": {"x-wire": "bytes", "x-number": 3}}, "x-wire": "message"}  # fmt: skip
SCHEMA = {"type": "object", "x-wire": "message", "additionalProperties": False, "properties": {
    "title": {"x-wire": "string", "x-number": 1},
    "count": {"x-wire": "int64", "x-number": 2},
    "tags": {"type": "array", "items": {"x-wire": "string"}, "x-number": 3},
    "photo": {"x-wire": "bytes", "x-number": 4},
    "files": {"type": "array", "items": FILE, "x-number": 5},
    "one": {**FILE, "x-number": 6}}}  # fmt: skip
FORMATS = Formats(SCHEMA, profile="tiny")


def part(head: str, content: bytes = b"x", disposition: str = 'form-data; name="title"') -> bytes:
    lines = f"Content-Disposition: {disposition}\r\n" if disposition else ""
    return f"--b\r\n{lines}{head}\r\n".encode() + content + b"\r\n"


def read(*parts: bytes, flags: int = 0, end: bytes = b"--b--\r\n") -> tuple[Any, Any]:
    made, said = FORMATS.convert("multipart", "json", b"".join(parts) + end, boundary=b"b",
                                 flags=flags)  # fmt: skip
    return json.loads(made) if said.status == 0 else None, said


def why(*parts: bytes, end: bytes = b"--b--\r\n", flags: int = 0) -> str:
    return FORMATS.validate("multipart", b"".join(parts) + end, boundary=b"b", flags=flags).fault


# -- what a part becomes --------------------------------------------------------------------------
def test_a_part_is_what_its_schema_says_and_the_last_word_on_files_is_an_object() -> None:
    photo = 'form-data; name="photo"; filename="a.png"'
    value, said = read(
        part("", b" two\r\nlines"), part("", b"7", 'form-data; name="count"'),
        part("", b"p", 'form-data; name="tags"'), part("", b"\xff\0", 'form-data; name="photo"'),
        part("", b"", 'form-data; name="tags"'),
    )  # fmt: skip
    assert said.status == 0 and not said.lossy
    assert value == {"title": " two\r\nlines", "count": "7", "tags": ["p", ""], "photo": "/wA="}
    value, said = read(part("Content-Type: image/png\r\n", b"\x89PNG\r\n", photo))
    assert value == {"photo": "iVBORw0K"}
    assert (said.lossy, said.pointer) == (True, "/photo")
    assert read(part("", b"", photo), flags=STRICT)[1].fault == "something would be lost"
    value, said = read(
        part("Content-Type: image/png\r\n", b"\1",
             'form-data; filename="é \\"1\\".png"; name=files'),
        part("", b"\2", 'form-data; name="one"'), part("", b"", 'form-data; name="files"'),
    )  # fmt: skip
    assert said.status == 0 and not said.lossy
    assert value == {
        "files": [{"filename": 'é "1".png', "content_type": "image/png", "content": "AQ=="},
                  {"content": ""}],
        "one": {"content": "Ag=="}}  # fmt: skip


def test_other_formats_are_written_from_it() -> None:
    body = part("", b"a&b") + part("", b"\0\1", 'form-data; name=photo') + b"--b--"
    made = FORMATS.convert("multipart", "protobuf", body, boundary=b"b")[0]
    assert made == b"\x0a\x03a&b\x22\x02\0\1"
    assert FORMATS.convert("multipart", "form", body, boundary=b"b")[0] == \
        b"title=a%26b&photo=AAE%3D"  # fmt: skip
    assert FORMATS.convert("multipart", "xml", body, boundary=b"b")[0] == \
        b"<root><title>a&amp;b</title><photo>AAE=</photo></root>"  # fmt: skip
    # No writer; and never without a boundary.
    assert FORMATS.convert("json", "multipart", b"{}")[1].fault == "not supported"
    said = FORMATS.convert("multipart", "multipart", body, boundary=b"b")[1]
    assert said.fault == "not supported"
    assert FORMATS.validate("multipart", body).fault == "not supported"


def test_text_has_to_be_text_and_a_file_needs_bytes() -> None:
    assert why(part("", b"\xc0\xaf")) == "not UTF-8"
    assert why(part("Content-Type: text/plain; charset=latin1\r\n")) == "not UTF-8"
    assert why(part("Content-Type: text/plain; charset=UTF-8\r\n")) == "fine"
    assert why(part("", b"latin1", "form-data; name=_charset_")) == "not UTF-8"
    said = read(part("", b"x", 'form-data; name="title"; filename="t.txt"'))[1]
    assert (said.fault, said.keyword, said.pointer) == (
        "not what the schema allows", "type", "/title")  # fmt: skip
    value, said = read(part("Content-Type: application/json\r\n", b"{}"))
    assert value == {"title": "{}"} and said.lossy


def test_members_nobody_named_go_by_the_policy() -> None:
    other = part("", b"x", 'form-data; name="other"')
    assert read(other)[1].fault == "an unknown member" and read(other)[1].pointer == "/other"
    assert read(other, flags=DROP)[0] == {} and read(other, flags=DROP)[1].lossy
    assert why(other, flags=KEEP | AS_IS) == "fine"
    small = {**FILE, "properties": {"content": FILE["properties"]["content"]}}
    formats = Formats({"type": "object", "properties": {"f": small}}, profile="tiny")
    body = part("", b"x", 'form-data; name="f"; filename="n"') + b"--b--"
    said = formats.convert("multipart", "json", body, boundary=b"b")[1]
    assert (said.fault, said.pointer) == ("an unknown member", "/f/filename")
    made, said = formats.convert("multipart", "json", body, boundary=b"b", flags=DROP)
    assert made == b'{"f":{"content":"eA=="}}' and said.lossy
    assert read(part(""), part(""))[1].fault == "a member named twice"


ENCODED = [
    ("base64", b"YWJj\r\nZA==", "abcd"), ("base64", b"", ""), ("BASE64", b"YQ==", "a"),
    ("quoted-printable", b"a=3Db=\r\nc =\r\n\r\nd=C3=A9", "a=bc \r\ndé"), ("8bit", b"a=", "a="),
]  # fmt: skip
NOT_ENCODED = [
    ("base64", b"YWI"), ("base64", b"YWJ"),
    ("base64", b"YQ==YQ=="), ("base64", b"YW\nJj"), ("base64", b"YW\rJj"),
    ("base64", b"Y Q="), ("quoted-printable", b"a=3"), ("quoted-printable", b"a=XY"),
    ("quoted-printable", b"\xc3\xa9"), ("quoted-printable", b"a \r\nb"), ("x-unknown", b"a"),
    ("quoted-printable", b"a\rb"), ("quoted-printable", b"a "),
]  # fmt: skip


@pytest.mark.parametrize(("word", "content", "text"), ENCODED)
def test_transfer_encodings_are_decoded_for_text_and_for_bytes(
    word: str, content: bytes, text: str
) -> None:
    head = f"Content-Transfer-Encoding: {word}\r\n"
    assert read(part(head, content))[0] == {"title": text}
    body = part(head, content, "form-data; name=photo") + b"--b--"
    made = FORMATS.convert("multipart", "protobuf", body, boundary=b"b")[0]
    assert made == b"\x22" + bytes([len(text.encode())]) + text.encode()
    as_is = "fine" if word == "8bit" else "not supported"
    assert FORMATS.validate("multipart", body, boundary=b"b", flags=AS_IS).fault == as_is


@pytest.mark.parametrize(("word", "content"), NOT_ENCODED)
def test_what_is_not_in_its_encoding_is_refused(word: str, content: bytes) -> None:
    assert why(part(f"Content-Transfer-Encoding: {word}\r\n", content)) in (
        "not well formed", "not supported")  # fmt: skip


# -- what two readers may read differently --------------------------------------------------------
@pytest.mark.parametrize("disposition", [
    "", "attachment; name=title", "form-data", "form-data; filename=a", "form-data; name",
    "form-data; name=title; name=title", 'form-data; name="title"; NAME=x',
    "form-data; name=title; filename=a; filename=b", 'form-data; name="title',
    "form-data; name=title; filename*=UTF-8''a", 'form-data; name=title; filename*0="a"',
    "form-data; name = title", "form-data; name=ti tle", 'form-data; name="a\\"',
    "form-data name=title", "form-data; name=title\r\n--b: x", "form-data; name=title\r\n--bb: x",
    "form-data; name=title\r\nContent-Disposition: form-data; name=title",
    "form-data; name=title\r\nContent-Type: text/plain\r\nContent-Type: text/plain",
    "form-data; name=title\r\nContent-Type: multipart/mixed; boundary=c",
    "form-data; name=title\r\n folded: 1", "form-data; name=title\r\nX y: 1",
    'form-data; name="\x01"', "form-data; name=title\r\nNo-Colon",
])  # fmt: skip
def test_a_header_two_readers_could_differ_about_is_refused(disposition: str) -> None:
    assert why(part("", disposition=disposition)) in (
        "not well formed", "a member named twice", "not supported")  # fmt: skip


BODIES = [
    *((cut, "ends before it should") for cut in (b"", b"-", b"--b", b"--b\r\n", b"--b-")),
    (b"--b--", "fine"), (b"\r\n\r\n--b--\r\n", "fine"), (b"preamble\r\n--b--", "not well formed"),
    (b"\n--b--", "not well formed"), (b"--b--\r\nepilogue\0\xff", "fine"),
    (b"--b--x", "not well formed"),
    (b"--b--\r\nx\r\n--b\r\n", "not well formed"), (b"--b--\r\n--b--", "not well formed"),
    (part("") + b"--c--", "ends before it should"), (part("") + b"--bb--", "not well formed"),
    (part("") + b"--b\n\n", "not well formed"), (part("") + b"--b --", "not well formed"),
    (b"--b\r\nContent-Disposition: form-data; name=title\r\n\r\n--b--", "not well formed"),
    (b"--b\r\nContent-Disposition: form-data; name=title\n\nx\r\n--b--", "not well formed"),
    (part("").replace(b"\r\n", b"\n") + b"--b--", "not well formed"),
    (part("") + b"--b-- \t", "fine"), (part("") + b"--b \r\n" + part("")[5:] + b"--b--", "fine"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_delimiters_to_the_byte(body: bytes, expected: str) -> None:
    plain = Formats(None, profile="tiny")
    assert plain.validate("multipart", body, boundary=b"b").fault == expected
    if b" " in body[-4:] or b"--b \r" in body:  # padding: allowed to read, not to pass on
        said = plain.validate("multipart", body, boundary=b"b", flags=AS_IS)
        assert said.fault == "not well formed"


def test_boundaries_of_rfc_2046_alone() -> None:
    for said, expected in (
        (b"multipart/form-data; boundary=b", b"b"), (b'Multipart/Form-Data;BOUNDARY="a b"', b"a b"),
        (b"multipart/form-data; charset=utf-8; boundary=" + b"x" * 70, b"x" * 70),
        (b"multipart/form-data; boundary=" + b"x" * 71, None), (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=b; boundary=b", None),
        (b"multipart/mixed; boundary=b", None), (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=", None), (b'multipart/form-data; boundary=""', None),
        (b'multipart/form-data; boundary="b "', None), (b'multipart/form-data; boundary="b', None),
        (b'multipart/form-data; boundary="a\\b"', None),
        (b"multipart/form-data; boundary=b c", None), (b"multipart/form-data, boundary=b", None),
        (b'multipart/form-data; boundary="\xc3\xa9"', None),
        (b"multipart/form-data; boundary=b; x", None), (b"multipart/form-data; boundary=b;", b"b"),
    ):  # fmt: skip
        assert FORMATS.boundary(said) == expected, said


def test_hostile_sizes_are_refused_in_time() -> None:
    plain = Formats(None, profile="tiny")

    def hostile(body: bytes, formats: Formats = plain) -> str:
        return fault("multipart", body, formats, boundary=b"b")

    assert plain.validate("multipart", part("") * 64 + b"--b--", boundary=b"b").status == 0
    assert hostile(part("") * 65 + b"--b--") == "too many members"
    assert hostile(part("") * 10_000 + b"--b--") == "too many members"
    assert hostile(part("X: " + "y" * 5000 + "\r\n") + b"--b--") == "a part's header too long"
    assert hostile(part("X: y\r\n" * 200_000) + b"--b--") == "a part's header too long"
    assert hostile(part("", b"\r\n--a" * 1_000_000)) == "ends before it should"
    tags = b"".join(part("X: " + "y" * 3900 + "\r\n", b"", f'form-data; name="{i}"')
                    for i in range(64)) + b"--b--"  # fmt: skip
    many = {"type": "object", "properties": {
        str(i): {"type": "array", "items": {"type": "string"}} for i in range(64)}}  # fmt: skip
    made, said = Formats(many, profile="tiny").convert("multipart", "json", tags, boundary=b"b")
    assert said.status == 0 and len(json.loads(made)) == 64


# -- through the mediator -------------------------------------------------------------------------
def test_a_transform_reads_it_by_the_boundary_of_its_content_type() -> None:
    mediator = RequestMediator(profile="tiny", seed=bytes(16))
    mediator.register_schema("item", {"sku": {"type": "string", "field": 1},
                                      "raw": {"type": "bytes", "field": 2}})  # fmt: skip
    t = mediator.register_transform(
        "t", input_format=ContentType.MULTIPART, output_format=ContentType.JSON, schema="item"
    ).transformation_id
    body = multipart([("sku", None, None, b"a"), ("raw", "f", None, b"\0")], b"B-1")
    typed = (("content-type", 'multipart/form-data; boundary="B-1"'),)
    assert mediator.parse_request(t, body, typed) is None
    done = mediator.transform_request(t, body, typed)
    assert (done.body, done.lossy) == (b'{"sku":"a","raw":"AA=="}', "/raw")
    for headers in ((), (("content-type", "multipart/form-data"),)):
        said = mediator.parse_request(t, body, headers)
        assert said is not None and said.http_status == 415
        with pytest.raises(RefusedError):
            mediator.transform_request(t, body, headers)
    for target, unknown in ((ContentType.MULTIPART, Unknown.REJECT), (None, Unknown.DROP)):
        with pytest.raises(ArgumentError, match="not written"):
            mediator.register_transform(
                "w", output_format=target, schema="item", unknown=unknown,
                input_format=ContentType.JSON if target else ContentType.MULTIPART,
            )  # fmt: skip
    # The core says so too, whoever asks.
    spec, handle = mediator.ffi.new("ray_transform_spec *"), mediator.ffi.new("uint32_t *")
    spec.name.at = b"w"
    for source, target, unknown, status in ((6, 6, 1, -1), (0, 6, 0, -1), (6, 6, 2, 0)):
        side = spec.side[0]
        side.schema = 0
        setattr(side, "from", source)
        side.to, side.unknown, spec.side[1].schema = target, unknown, 0xFFFFFFFF
        assert mediator.lib.ray_mediator_transform_add(mediator._state, spec, handle) == status
    assert mediator.valid() == 0


FILE_TEXT = """version = 1
[service.a]
[[route]]
name = "r"
service = "a"
path = { prefix = "/" }
transform = "up"
[schema.item]
sku = { type = "string", field = 1, max_length = 3 }
[transform.up]
request = { from = "multipart", to = "json", schema = "item" }
"""


def test_the_configuration_says_what_has_no_writer() -> None:
    assert config.examine(FILE_TEXT.encode()).findings == []
    for change, text in (
        ('from = "json", to = "multipart"', "read and passed on, but not written"),
        ('from = "multipart", unknown = "drop"', "nothing can be dropped"),
    ):
        wrong = FILE_TEXT.replace('from = "multipart", to = "json"', change)
        assert text in " ".join(one.message for one in config.examine(wrong.encode()).findings)


def test_a_request_is_judged_and_explained() -> None:
    kernel = Kernel(config=config.loads(FILE_TEXT, profile="tiny"), profile="tiny")
    body = multipart([("sku", None, None, b"abc")], b"b")
    said = "multipart/form-data; boundary=b"
    for content_type, sent, verdict, reason in (
        (said, body, Verdict.ALLOW, "no-limit"),
        ("multipart/form-data", body, Verdict.DROPPED, "media-unsupported"),
        (said.replace("=b", "=c"), body, Verdict.DROPPED, "body-malformed"),
        (said, body.replace(b"abc", b"abcd"), Verdict.DROPPED, "schema-invalid"),
        (said, body.replace(b"--b--", b"--b-"), Verdict.DROPPED, "body-malformed"),
    ):
        ask: dict[str, Any] = dict(
            method="POST", headers={"content-type": content_type}, body=sent, at_ns=1
        )
        assert verdict is Verdict.ALLOW or reason in kernel.explain("/x", **ask)
        answer = kernel.admit("/x", **ask)
        assert (answer.verdict, answer.reason) == (verdict, reason)
    # An empty line before the first delimiter, so that the shell takes it for no option.
    words = ("\r\n" + body.decode()).replace('"', '\\"').replace("\r\n", "\\x0d\\x0a")
    test = f'mediator test up "{words}"'
    assert kernel.shell(f"{test} --type '{said}'").text == "accepted\n"
    assert "refused" in kernel.shell(test).text
    assert "multipart > json" in kernel.shell("mediator list").text and kernel.valid() == 0
