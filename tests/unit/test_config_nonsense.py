# SPDX-License-Identifier: MIT
"""config: a value that could mean nothing is refused where it stands, and its message says what to
write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from host_sim import config as compiler
from host_sim.config import layout
from host_sim.kernel import Kernel
from tests.configs import found, refused, route, rows_of, sealed

HEAD = 'version = 1\n[tenant.acme]\nplan = "gold"\n[service.a]\n'


def schema(*members: str, name: str = "s") -> str:
    return f"[schema.{name}]\n" + "".join(f"{one}\n" for one in members)


def transform(side: str, *, name: str = "t", schema_of: str = "s") -> str:
    return f'[transform.{name}]\nrequest = {{ {side}, schema = "{schema_of}" }}\n'


BOTH = 'from = "json", to = "protobuf"'
BACK = 'from = "protobuf", to = "json"'
FORM = 'from = "form", to = "json"'
XML = 'from = "json", to = "xml"'
TEXT = 'w = { type = "string", field = 1 }'

# file, line, column, code, words of the message
TRANSFORMS = [
    (schema('w = { type = "string" }') + transform(BOTH), 8, 33, "conflict", "write field = N"),
    (schema('w = { type = "string", field = 0 }') + transform(BACK), 8, 20, "conflict", "(line 6)"),
    (schema('w = { type = "string" }') + transform('from = "protobuf"'), 8, 20, "conflict",
     "write field = N"),
    (schema('w = { type = "number", field = 1 }') + transform(BOTH), 8, 33, "conflict",
     "use int64 or string"),
    (schema('i = { schema = "n", field = 1 }') + schema('w = { type = "string" }', name="n")
     + transform(BOTH), 10, 33, "conflict", '"w" (line 8)'),
    (schema('i = { schema = "n" }') + schema(TEXT, name="n") + transform(FORM), 10, 20, "conflict",
     "use json or xml"),
    (schema('i = { schema = "n" }') + schema(TEXT, name="n")
     + transform('from = "json", to = "form"'), 10, 33, "conflict", "pairs of names and texts"),
    (schema('"a b" = { type = "string" }') + transform(XML), 8, 33, "conflict",
     "no name of an XML element"),
    (schema(TEXT, name="9") + transform(XML, schema_of="9"), 8, 33, "conflict",
     "rename the schema"),
    (schema(TEXT) + transform('from = "json", to = "any"'), 8, 11, "conflict", "any is not read"),
    (schema(TEXT) + transform('from = "binary"'), 8, 11, "conflict", "remove schema"),
    ('[transform.t]\nrequest = { from = "json", to = "xml" }\n', 6, 11, "conflict",
     'add schema = "..."'),
    ('[transform.t]\nrequest = { from = "json", unknown = "drop" }\n', 6, 28, "conflict",
     "no schema names any members"),
    (schema(TEXT) + transform(BOTH + ', unknown = "keep"'), 8, 55, "conflict", "reject or drop"),
    ("[transform.t]\nrequest = { from = 'json', grpc = true }\n", 6, 35, "conflict",
     'from or to = "protobuf"'),
    ('[transform.t]\ncache = { ttl = "0s" }\n', 6, 17, "out-of-range", "longer than 0"),
    ('[transform."a b"]\n', 5, 2, "bad-name", "A-Z"),
    ('[transform.t]\nrequest = { set_headers = { Transfer-Encoding = "x" } }\n', 6, 29,
     "bad-header", "use another header"),
    ('[transform.t]\nrequest = { set_headers = { "X:Y" = "x" } }\n', 6, 29, "bad-header",
     "for example"),
    ('[transform.t]\nrequest = { set_headers = { X-Y = "a\\nb" } }\n', 6, 35, "bad-header",
     "visible bytes"),
]  # fmt: skip
SCHEMAS = [
    (schema('w = { type = "int64", minimum = 9, maximum = 1 }'), 6, 46, "conflict",
     "nothing is at least 9 and at most 1"),
    (schema('w = { type = "string", min_length = 9, max_length = 1 }'), 6, 53, "conflict",
     "write a max_length from 9 up"),
    (schema('w = { type = "string", repeated = true, min_items = 2, max_items = 1 }'), 6, 68,
     "conflict", "write a max_items from 2 up"),
    (schema('w = { type = "int32", maximum = 2147483648 }'), 6, 33, "out-of-range",
     "int32 holds -2147483648 to 2147483647"),
    (schema('w = { type = "uint64", minimum = -1 }'), 6, 34, "out-of-range", "uint64 holds 0 to"),
    (schema('w = { type = "string", minimum = 1 }'), 6, 24, "conflict", "belongs to numbers"),
    (schema('w = { type = "int64", max_length = 1 }'), 6, 23, "conflict",
     "belongs to string and bytes"),
    (schema('w = { type = "int64", max_items = 1 }'), 6, 23, "conflict", "repeated = true"),
    (schema('w = { type = "int64", values = ["a"] }'), 6, 23, "conflict", "string and enum"),
    (schema('w = { type = "string", values = [] }'), 6, 33, "conflict", "allows no text"),
    (schema('w = { type = "string", values = ["a", "a"] }'), 6, 39, "conflict", "listed twice"),
    (schema('w = { type = "enum" }'), 6, 1, "conflict", "add values"),
    (schema('w = { type = "string", attribute = true, text = true }'), 6, 1, "conflict",
     "remove one"),
    (schema('w = { type = "string", attribute = true, repeated = true }'), 6, 36, "conflict",
     "an array is elements in XML"),
    (schema('w = { type = "string", text = true }', 'v = { type = "string", text = true }'), 7, 31,
     "conflict", '"w" is the characters of the element already'),
    (schema(TEXT, 'v = { type = "string", field = 1 }'), 7, 32, "duplicate-name",
     "its own number"),
    (schema('w = { type = "string", field = 19000 }'), 6, 32, "out-of-range",
     "use another number"),
    (schema(TEXT, name='"a b"'), 5, 2, "bad-name", "A-Z"),
]  # fmt: skip
AUTHS = [
    ('[auth]\nheader = "Authorization"\n', 6, 10, "conflict", 'use another, for example'),
    ('[auth]\nheader = "cookie"\n', 6, 10, "conflict", "read for something else"),
    ('[auth]\nheader = "Host"\n', 6, 10, "conflict", "read for something else"),
    ('[auth]\nheader = "X_Key"\n', 6, 10, "bad-header", "for example"),
    ('[auth]\nlifetime = "0s"\n', 6, 12, "out-of-range", "at least 1s and at most 100 years"),
    ('[auth]\nrefresh = "0s"\n', 6, 11, "out-of-range", "longer than 0"),
    ('[auth]\nrefresh = "106000d"\n', 6, 11, "out-of-range", "at most 100 years, not 106000d"),
    ('[auth]\nlockout = { per = "0s" }\n', 6, 19, "out-of-range", "longer than 0"),
    ('[auth]\nlockout = { failures = 10, per = "9ns" }\n', 6, 24, "out-of-range",
     "write a longer per, or fewer"),
    ('[auth]\nlockout = { key_failures = 10, failures = 1, per = "9ns" }\n', 6, 28,
     "out-of-range", "write a longer per, or fewer"),
    *((f'[auth]\nintrospection = {{ url = "http://x", {key} = "0s" }}\n', 6, 40 + len(key),
       "out-of-range", "longer than 0") for key in ("timeout", "ttl", "inactive_ttl")),
    *((f"[auth]\nintrospection = {{ url = {url} }}\n", 6, 25, "bad-choice", "write a URL")
      for url in ('""', '"idp"', '"file:///etc/passwd"', '"http:x"', '"http://:80/"',
                  '"http://a:0"', '"http://a b"', '"http://a\\u0000"',
                  '"http://é"', f'"http://{"x" * 2048}"')),
    (f'[[api_key]]\nname = "k"\nsha256 = "{"1" * 64}"\npermissions = []\n', 8, 15, "conflict",
     "an empty list bounds nothing"),
    *((f'[pool.p]\nhealth = {{ path = "{path}" }}\ninstances = []\n', 6, 19, "bad-path", "visible")
      for path in ("", "x", "//evil/", "/a b", "/#x", "/\\u0000", "/" * 2, "/" + "x" * 1024)),
    ('[[identity]]\nwhen = {}\nuser = { header = "X User" }\n', 7, 19, "bad-header", "for example"),
    ('[[identity]]\nwhen = {}\nuser = { header = "" }\n', 7, 19, "bad-header", "for example"),
    ('[headers]\nrequest_id = "Content-Length"\n', 6, 14, "bad-header", "use another header"),
    ('[[policy]]\nname = "p"\ntype = "transformation"\naction = "allow"\n'
     'set_header = { Content-Length = "0" }\n', 9, 16, "bad-header", "use another header"),
]  # fmt: skip
OTHERS = [
    (route(path='{ regex = "" }'), 8, 18, "bad-path", "an empty pattern matches nothing"),
    ('[[quota]]\nname = "q"\nlimit = 1\nguards = { latency_p99 = "0s" }\n', 8, 26,
     "out-of-range", "longer than 0"),
    ('[[quota]]\nname = "q"\nlimit = 1\nguards = { errors = "9223372036854775807/s" }\n', 8, 21,
     "out-of-range", "does not fit 64 bits as errors a minute"),
    ('[pool.p]\nsticky = { header = "a:b" }\n', 6, 21, "bad-header", "for example"),
    ('[pool.p]\ndiscover = { dns = "-a" }\n', 6, 20, "bad-host", "no name of DNS"),
    ('[pool."a b"]\n', 5, 2, "bad-name", "A-Z"),
]  # fmt: skip
ROWS = [*TRANSFORMS, *SCHEMAS, *AUTHS, *OTHERS]


@pytest.mark.parametrize(("text", "line", "column", "code", "words"), ROWS)
def test_nonsense_is_refused_where_it_stands_and_the_message_says_what_to_do(
    text: str, line: int, column: int, code: str, words: str
) -> None:
    findings = compiler.examine((HEAD + text).encode()).findings
    said = [(one.line, one.column, one.code) for one in findings]
    assert (line, column, code) in said
    assert any(words in one.message for one in findings if one.code == code), findings
    assert {one for _, _, one in said} <= set(compiler.CODES)


FINE = [
    schema(TEXT, 'n = { type = "number" }', 'i = { schema = "n" }') + schema(TEXT, name="n")
    + transform('from = "json", to = "xml"'),
    schema(TEXT, 'v = { type = "string", field = 2, repeated = true }') + transform(BOTH)
    + transform('from = "form", to = "protobuf"', name="u"),
    schema('w = { type = "int64", minimum = 3, maximum = 3 }',
           'v = { type = "bytes", min_length = 2, max_length = 2 }',
           'u = { type = "number", minimum = -9223372036854775808 }',
           'a = { type = "uint64", maximum = 9223372036854775807 }'),
    "[auth]\nlockout = { failures = 10, per = '10ns' }\nheader = 'X-Key'\n",
    '[role]\nuser = []\n',
]  # fmt: skip


@pytest.mark.parametrize("text", FINE)
def test_what_means_something_is_accepted_and_the_core_takes_it(text: str) -> None:
    assert found(HEAD + text) == []
    Kernel(config=compiler.loads(HEAD + text))


def test_an_issuer_signs_with_a_private_key_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    monkeypatch.chdir(tmp_path)
    own = ec.generate_private_key(ec.SECP256R1())
    private = own.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = own.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    Path("own").write_bytes(private)
    Path("public").write_bytes(public)
    issuer = '[[jwt]]\nname = "i"\nalg = "ES256"\nsigns = true\nkeys = [%s]\n'
    key = '{ file = "%s", kid = "%s" }'
    two = issuer % (key % ("public", "a") + ", " + key % ("own", "b"))
    assert found(HEAD + two) == []
    only = issuer % (key % ("public", "a"))
    assert found(HEAD + only) == [(9, 9, "bad-key")]
    assert found(HEAD + only.replace("signs = true", "signs = false")) == []


def test_the_core_refuses_keys_in_the_field_of_other_credentials() -> None:
    text = HEAD + '[auth]\nheader = "X-Other"\nlifetime = "1h"\n'
    kernel = Kernel()
    row = layout.ROWS[layout.AUTH]
    blob = compiler.loads(text).blob
    assert b"X-Other\0" in blob
    offset, size, _ = rows_of(blob)[layout.AUTH]
    fields = row.parse(blob[offset : offset + size])
    for name, status in (("X-Other", 0), ("Authorization", -1), ("aUTHORIZATION", -1),
                         ("Authorization2", 0)):
        fields.header = name
        changed = blob[:offset] + row.build(fields) + blob[offset + size :]
        assert refused(kernel, sealed(changed)).status == status
