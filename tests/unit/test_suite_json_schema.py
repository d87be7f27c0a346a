# SPDX-License-Identifier: MIT
"""schema: the cases of the documented keywords; what is outside them is refused, never loosened."""
import decimal
import json

import pytest

from host_sim.format_schema import UnsupportedError
from host_sim.formats import Formats
from tests.data import data


def test_every_case_is_decided_or_its_schema_refused() -> None:
    decided, unsupported = 0, 0
    for path in sorted(data("json-schema").glob("*.json")):
        for group in json.loads(path.read_text(), parse_float=decimal.Decimal):
            try:
                formats = Formats(group["schema"], profile="tiny")
            except UnsupportedError:
                unsupported += len(group["tests"])
                continue
            for case in group["tests"]:
                body = json.dumps(case["data"], default=float).encode()
                said = formats.validate("json", body)
                where = (path.name, group["description"], case["description"], said)
                assert (said.status == 0) == case["valid"], where
                decided += 1
    print(f"json-schema: {decided} decided, {unsupported} unsupported")
    assert decided + unsupported == 372
    assert decided == 297


@pytest.mark.parametrize("schema", [{"pattern": "a"}, {"$ref": "#"}, {"enum": [[1]]}])
def test_an_unsupported_keyword_is_an_error(schema: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(UnsupportedError):
        Formats(schema, profile="tiny")


def test_the_report_names_pointer_and_keyword() -> None:
    formats = Formats({"type": "object", "required": ["id"], "properties": {
        "id": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 2}}}}, profile="tiny")
    rows = [(b'{"id":0}', "/id", "minimum"), (b"{}", "/id", "required"), (b"[]", "", "type"),
            (b'{"id":1,"tags":["a","abc"]}', "/tags/1", "maxLength")]
    for body, pointer, keyword in rows:
        said = formats.validate("json", body)
        assert (said.status, said.pointer, said.keyword) == (-13, pointer, keyword), body
