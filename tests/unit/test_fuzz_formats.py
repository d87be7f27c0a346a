# SPDX-License-Identifier: MIT
"""formats: hostile bodies and seeded mutations of them, under the address and undefined-behaviour
sanitizers; nothing is read or written outside, and what is written is read back."""
import base64
import json
import os
import pathlib
import subprocess

from host_sim._build import ROOT, compiler

TRANSFER = b"Content-Transfer-Encoding: "


def field(said: bytes, content: bytes, more: bytes = b"") -> bytes:
    """One part, its boundary X."""
    head = b"--X\r\nContent-Disposition: form-data; " + said + b"\r\n" + more
    return head + b"\r\n" + content + b"\r\n"


SEEDS: dict[str, bytes] = {
    "json": b'{"id":"-7","name":"a\\u00e9\\n","tags":["x","","<&>"],"inner":{"n":1,"more":[1,-2],'
            b'"raw":"AAEC/w==","i":"B"},"note":"n"}',
    "xml": b'<?xml version="1.0"?><root id="1">note<name>x&amp;<![CDATA[y]]></name><tags>a</tags>'
           b"<tags/><inner><n>3</n><more>-1</more><raw>AAE=</raw><i>A</i></inner></root>",
    "form": b"id=1&name=a+b%20c&tags=1&tags=2&note=%C3%A9",
    "protobuf": bytes.fromhex("0803 120161 1a0178 1a0179 2209 0801 12020203 1a0100"),
    "pieces": bytes.fromhex("2202 0801 0a00 2205 1203 0102 03 2203 1a01ff 2200 2202 0805"),
    "laughs": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>',
    "deep-json": b"[" * 4000, "deep-xml": b"<a>" * 1300, "twice": b'{"id":1,"id":2}',
    "overlong": b'{"name":"\xc0\xaf"}', "varint": b"\x12\xff\xff\xff\xff\x07abc",
    "eleven": b"\x08" + b"\xff" * 10 + b"\x01", "groups": b"\x0b" * 3000,
    "multipart": field(b'name="id"', b"-7") + field(b'name="t\\ags"; filename="a\\"b"', b"\xff")
                 + field(b"name=tags", b"a", b"Content-Type: text/plain; charset=utf-8\r\n")
                 + b"--X--\r\n",
    "parts": field(b"name=tags", b"YWJj\r\nZA==", TRANSFER + b"base64\r\n")
             + field(b'name="inner"; filename="f"', b"a=3D=\r\nb",
                     TRANSFER + b"quoted-printable\r\n")
             + b"--X--\r\nepilogue",
    "near": field(b"name=tags", b"\r\n--\r\n-X\r\n--x\r\n--X-") + b"--X--",
    "close": b"--X--", "no-end": field(b'name="tags"', b"\r\n--"),
    "boundary": b"--" + b"X" * 3000 + b"\r\n", "ten-thousand": b"--X\r\n" * 800 + b"--X--",
    "many": field(b"name=n", b"") * 65 + b"--X--",
}


def test_hostile_bodies_and_their_mutations(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "formats"
    sources = [*(p for p in ROOT.glob("kernel/base/*.c") if p.name != "crypto.c"),
               *ROOT.glob("kernel/mediator/event.c"),
               *(ROOT / "kernel/mediator" / f"{name}.c" for name in (
                   "walk", "scalar", "convert", "format_schema", "form", "json_write",
                   "mime", "multipart", "multipart_read",
                   "protobuf_read", "protobuf_write", "xml_check", "xml_names",
                   "xml_read", "xml_write"))]
    flags = ["-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    includes = [f"-I{ROOT / path}" for path in ("kernel/include", "kernel/profiles/tiny", "kernel")]
    subprocess.run([*compiler(), *flags, *includes, *map(str, sources),
                    str(ROOT / "tests/fuzz/formats.c"), "-o", str(program)], check=True)
    files = []
    for name, body in SEEDS.items():
        files.append(tmp_path / name)
        files[-1].write_bytes(body)
    folder = pathlib.Path(os.environ.get("RAYGATE_DATA", ROOT.parent / "shared" / "data"))
    if folder.exists():
        files += sorted((folder / "json-parsing" / "cases").glob("*.json"))
        for index, case in enumerate(json.loads((folder / "xml-parsing/cases.json").read_text())):
            files.append(tmp_path / f"x{index}")
            files[-1].write_bytes(base64.b64decode(case["xml_base64"]))
    runs = os.environ.get("RAYGATE_FUZZ_RUNS", "20000")
    done = subprocess.run([str(program), runs, "1", *map(str, files)], capture_output=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr[-3000:].decode("utf-8", "replace")
    assert done.stdout.decode() == f"{len(files)} files\n"
