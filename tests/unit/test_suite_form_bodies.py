# SPDX-License-Identifier: MIT
"""form: the 35 urlencoded cases and the 30 multipart ones. Where we are stricter than the suite's
reference, the case stands here by name with its reason, and is held to be refused."""
import base64
import json
from typing import Any

import pytest

from host_sim.formats import AS_IS, Formats
from tests.data import data

# Bytes that are no UTF-8 become U+FFFD in the suite. Here they are refused: repair would let two
# bodies that differ pass for one, and an overlong form hide what a rule looks for.
NOT_UTF8 = ["%FE%FF", "%FF%FE", "%C2", "%C2x", "_charset_=windows-1252&test=%C2x"]
# The delimiter itself stands in the content and goes on with something else: RFC 2046 5.1.1 calls
# that a delimiter, the reference calls it content.
DELIMITER = "the boundary inside the content, RFC 2046 5.1.1"
LOOSER = {
    "almost_match_boundary_without_CR": DELIMITER,
    "almost_match_boundary_without_LF": DELIMITER,
    "almost_match_boundary_without_final_hyphen": DELIMITER,
    "single_field_blocks": "half a line end behind the last delimiter",
}
TEXT: dict[str, Any] = {"type": "string"}
FILE: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {
    "filename": TEXT, "content_type": TEXT, "content": {"x-wire": "bytes"}}}  # fmt: skip


def test_every_case_reads_as_the_pairs_it_means() -> None:
    cases = json.loads(data("form-bodies", "urlencoded_cases.json").read_text())
    read, refused = 0, []
    for case in cases:
        body = case["input"].encode("utf-8", "surrogatepass")
        pairs: dict[str, list[str]] = {}
        for name, value in case["output"]:
            pairs.setdefault(name, []).append(value)
        text = {"type": "array", "items": TEXT}
        schema = {"type": "object", "properties": dict.fromkeys(pairs, text),
                  "additionalProperties": False}
        formats = Formats(schema, profile="tiny")
        made, said = formats.convert("form", "json", body)
        if case["input"] in NOT_UTF8:
            assert said.fault == "not UTF-8", case
            refused.append(case["input"])
            continue
        assert said.status == 0, (case, said)
        assert json.loads(made) == pairs, case
        read += 1
    print(f"form-bodies: urlencoded {read} read, {len(refused)} refused for bytes that are no "
          f"UTF-8: {refused}")
    assert (read, len(refused)) == (30, 5)


def test_a_65th_field_is_refused() -> None:
    formats = Formats(None, profile="tiny")
    assert formats.validate("form", b"&".join([b"a=1"] * 64)).status == 0
    assert formats.validate("form", b"&".join([b"a=1"] * 65)).fault == "too many members"
    assert formats.validate("form", b"a=1&" * 100_000).fault == "too many members"


def meant(parts: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of these parts, and what they are in JSON."""
    schema: dict[str, Any] = {}
    value: dict[str, Any] = {}
    for part in parts:
        name, content = part["name"], part["data_base64"]
        schema[name] = FILE if part["kind"] == "file" else TEXT
        value[name] = base64.b64decode(content).decode()
        if part["kind"] == "file":
            value[name] = {"filename": part["file_name"], "content_type": part["content_type"],
                           "content": content}  # fmt: skip
    return {"type": "object", "properties": schema, "additionalProperties": False}, value


def test_every_multipart_case_reads_as_its_parts_or_is_refused_where_it_breaks() -> None:
    cases = json.loads(data("form-bodies", "multipart_cases.json").read_text())
    read, refused, stricter = 0, 0, []
    for case in cases:
        body, boundary = base64.b64decode(case["body_base64"]), case["boundary"].encode()
        schema, value = meant(case.get("parts", []))
        formats = Formats(schema, profile="tiny")
        made, said = formats.convert("multipart", "json", body, boundary=boundary)
        if case["verdict"] == "error":
            for of in (formats, Formats(None, profile="tiny")):
                said = of.validate("multipart", body, boundary=boundary)
                assert (said.fault, said.place) == ("not well formed", case["error_offset"]), case
            refused += 1
        elif case["name"] in LOOSER:
            assert said.fault in ("not well formed", "ends before it should"), case
            stricter.append(f"{case['name']} ({LOOSER[case['name']]})")
        else:
            assert said.status == 0, (case, said)
            assert json.loads(made) == value, case
            read += 1
    print(f"form-bodies: multipart {read} read, {refused} refused where the reference refuses, "
          f"{len(stricter)} we are stricter about: {'; '.join(stricter)}")
    assert (read, refused, sorted(LOOSER)) == (18, 8, sorted(n.split()[0] for n in stricter))


@pytest.mark.parametrize("name", ["base64_encoding", "quoted_printable_encoding"])
def test_an_encoded_part_is_decoded_but_never_passed_on_as_it_came(name: str) -> None:
    cases = json.loads(data("form-bodies", "multipart_cases.json").read_text())
    case = next(one for one in cases if one["name"] == name)
    body, boundary = base64.b64decode(case["body_base64"]), case["boundary"].encode()
    formats = Formats(meant(case["parts"])[0], profile="tiny")
    assert formats.validate("multipart", body, boundary=boundary).status == 0
    said = formats.validate("multipart", body, boundary=boundary, flags=AS_IS)
    assert said.fault == "not supported"
