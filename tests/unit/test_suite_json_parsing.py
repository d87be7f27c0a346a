# SPDX-License-Identifier: MIT
"""json: the 318 parsing cases, each decided and the free ones pinned."""
from host_sim.formats import Formats
from tests.data import data

# Two of the y_ name a member twice, which nothing that is acted on may do.
TWICE = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


def test_every_case_is_decided() -> None:
    formats = Formats(None, profile="tiny")
    counts = {"y": 0, "n": 0, "i": 0}
    for path in sorted(data("json-parsing", "cases").glob("*.json")):
        said = formats.validate("json", path.read_bytes())
        kind = path.name[0]
        counts[kind] += 1
        if kind == "y":
            expected = path.name not in TWICE
            if not expected:
                assert said.fault == "a member named twice", path.name
        else:
            # Of the free ones numbers of any size are let through; broken text never is.
            expected = path.name.startswith("i_number")
        assert (said.status == 0) == expected, (path.name, said)
    assert counts == {"y": 95, "n": 188, "i": 35}


def test_depth_is_32_and_one_more_is_refused() -> None:
    formats = Formats(None, profile="tiny")
    assert formats.validate("json", b"[" * 32 + b"]" * 32).status == 0
    assert formats.validate("json", b"[" * 33 + b"]" * 33).fault == "nested too deep"
    assert formats.validate("json", b"[" * 100_000).fault == "nested too deep"


def test_names_are_compared_by_what_they_mean() -> None:
    formats = Formats(None, profile="tiny")
    assert formats.validate("json", rb'{"a":1,"\u0061":2}').fault == "a member named twice"
    assert formats.validate("json", b'{"name":1,"Name":2}').status == 0
    assert formats.validate("json", b'{"a":{"a":1},"b":{"a":2}}').status == 0
    many = b"{" + b",".join(b'"%d":0' % i for i in range(121)) + b"}"
    assert formats.validate("json", many).fault == "too many members"
