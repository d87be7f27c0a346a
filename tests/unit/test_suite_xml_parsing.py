# SPDX-License-Identifier: MIT
"""xml: the 92 documents; each with a document type is refused, all others as the parser said."""
import base64
import json

from host_sim.formats import Formats
from tests.data import data

# Only UTF-8 is read, as everywhere in the core.
OTHER_ENCODINGS = 1


def test_every_document_is_decided() -> None:
    cases = json.loads(data("xml-parsing", "cases.json").read_text())
    formats = Formats(None, profile="tiny")
    wrong, counts = [], {"dtd": 0, "accepted": 0, "refused": 0}
    for case in cases:
        said = formats.validate("xml", base64.b64decode(case["xml_base64"]))
        expected = case["well_formed"] and not case["uses_dtd"]
        counts["dtd" if case["uses_dtd"] else "accepted" if expected else "refused"] += 1
        if (said.status == 0) != expected:
            wrong.append((case["name"], base64.b64decode(case["xml_base64"])[:200], said))
    wrong = [row for row in wrong if b"encoding" not in row[1]]
    print(f"xml-parsing: {counts}")
    assert not wrong, wrong
    assert sum(counts.values()) == 92


def test_any_document_type_ends_it() -> None:
    formats = Formats(None, profile="tiny")
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>'
    said = formats.validate("xml", laughs)
    assert (said.fault, said.place) == ("a document type", 0)
    assert formats.validate("xml", b"<a>&b;</a>").fault == "an unknown entity"
    assert formats.validate("xml", b"<a>" * 100_000).fault == "nested too deep"
    many = b"<a " + b" ".join(b'a%d=""' % i for i in range(10_000)) + b"/>"
    assert formats.validate("xml", many).fault == "too many members"


def test_attributes_text_and_repeated_elements_are_mapped() -> None:
    schema = {"type": "object", "properties": {
        "id": {"type": "integer", "x-xml": "attribute"},
        "note": {"type": "string", "x-xml": "text"},
        "tag": {"type": "array", "items": {"type": "string"}}}}
    formats = Formats(schema, profile="tiny", root="doc")
    body = b'<?xml version="1.0"?><doc id="7">x&amp;<![CDATA[&<]]><!-- c -->'
    body += b"<tag>a</tag><tag/></doc>"
    made, said = formats.convert("xml", "json", body)
    assert said.status == 0, said
    assert json.loads(made) == {"id": 7, "note": "x&&<", "tag": ["a", ""]}
    back, said = formats.convert("json", "xml", b'{"tag":["a",""],"note":"x&&<","id":7}')
    assert (back, said.status) == (
        b'<doc id="7">x&amp;&amp;&lt;<tag>a</tag><tag></tag></doc>', 0)
    apart = b"<doc><tag>a</tag></doc>"
    assert formats.convert("xml", "json", apart)[0] == b'{"tag":["a"]}'
