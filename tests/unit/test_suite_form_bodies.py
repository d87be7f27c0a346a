# SPDX-License-Identifier: MIT
"""form: the 35 urlencoded cases; multipart/form-data has no reader and is refused by its media
type, so its 30 cases are not these."""
import json

from host_sim.formats import Formats
from tests.data import data


def test_every_case_reads_as_the_pairs_it_means() -> None:
    cases = json.loads(data("form-bodies", "urlencoded_cases.json").read_text())
    read = refused = 0
    for case in cases:
        body = case["input"].encode("utf-8", "surrogatepass")
        pairs: dict[str, list[str]] = {}
        for name, value in case["output"]:
            pairs.setdefault(name, []).append(value)
        text = {"type": "array", "items": {"type": "string"}}
        schema = {"type": "object", "properties": dict.fromkeys(pairs, text),
                  "additionalProperties": False}
        formats = Formats(schema, profile="tiny")
        made, said = formats.convert("form", "json", body)
        if "\ufffd" in json.dumps(case["output"], ensure_ascii=False) and said.status != 0:
            assert said.fault == "not UTF-8", case     # refused instead of repaired
            refused += 1
            continue
        assert said.status == 0, (case, said)
        assert json.loads(made) == pairs, case
        read += 1
    print(f"form-bodies: {read} read, {refused} refused for their bytes")
    assert read + refused == 35
    assert read >= 28


def test_a_65th_field_is_refused() -> None:
    formats = Formats(None, profile="tiny")
    assert formats.validate("form", b"&".join([b"a=1"] * 64)).status == 0
    assert formats.validate("form", b"&".join([b"a=1"] * 65)).fault == "too many members"
    assert formats.validate("form", b"a=1&" * 100_000).fault == "too many members"
