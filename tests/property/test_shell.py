# SPDX-License-Identifier: MIT
"""shell: whatever is typed or sent ends at a prompt, in plain bytes, with every law intact."""

import json
import struct

from hypothesis import given
from hypothesis import strategies as st

from host_sim.config import loads
from tests.shell_rig import Rig

PRINTABLE = set(range(0x20, 0x7f))
SMALL = loads(b"""
version = 1
[service.web]
at = "127.0.0.1:80"
[[route]]
name = "all"
service = "web"
path = { prefix = "/" }
[tenant.acme]
[[limit]]
name = "slow"
scope = "user"
algorithm = "token_bucket"
rate = "2/s"
burst = 2
[[quota]]
name = "few"
tenant = "acme"
type = "requests"
limit = 5
window = "day"
""", profile="tiny").blob
SCRIPTS = {"one": b"version\nrun two\n", "two": b"demo 3\nfoo\n"}
WORDS = st.sampled_from("""
help version status config show hash source check load clock virtual advance live wall mem digest
audit request explain demo run list link fault reboot poweroff confirm ratelimit quota gateway auth
priority cost buckets allocations usage reset add set remove drain test stats rules export alerts
GET POST DELETE / /x /a/b?c /%2e%2e frozen start one two slow few acme web all service user ip named
1 0 5 -1 20 1/s 5/min 1h 2026-01-01 2026-01-01T00:00:00Z 10% 8KiB 1.2.3.4 ::1 A:b "a_b" token_bucket
--json --user --user=x --tenant --ip --host --header --body --status --weight --priority --service
--explain --dry-run --all --hold --markdown --machine --seed --rate --mode high enforce shadow off
""".split())
LINES = st.one_of(
    st.lists(WORDS, max_size=8).map(" ".join),
    st.tuples(st.lists(WORDS, max_size=4).map(" ".join),
              st.text(st.characters(max_codepoint=255), max_size=30)).map(" ".join))
KEYS = st.lists(st.one_of(
    LINES.map(lambda line: line.encode("latin-1") + b"\r"),
    st.binary(max_size=20),
    st.sampled_from([b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[3~", b"\t", b"\x7f",
                     b"\x17", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\x15", b"\r\n",
                     b"\x1b", b"y" * 200]),
), max_size=25).map(b"".join)


def reading():
    """The reading forms: (command, subcommand), from the table itself."""
    return {(command["command"], sub["word"]) for command in small().json("help")["commands"]
            for sub in command["subcommands"] if sub["reads"]}


def reads(line, forms):
    """Whether a line is one of them, as far as its first words say."""
    words = [word for word in line.split() if word != "confirm"][:2]
    return len(words) == 2 and tuple(words) in forms or words[:1] and (words[0], "") in forms


def small():
    return Rig("tiny", config=SMALL, scripts=SCRIPTS)


@given(st.lists(LINES, max_size=12))
def test_any_line_is_answered_in_plain_text_and_a_refused_one_changes_nothing(lines):
    rig, forms = small(), reading()
    rig.ok("clock virtual 2026-01-01")
    for line in lines:
        before = rig.state()
        said = rig.run(line)
        assert set(said.text.encode("latin-1")) <= PRINTABLE | {10}
        assert -15 <= said.status <= 0
        assert said.text == "" or said.text.endswith("\n")
        if said.status < 0 and not line.replace("confirm", "").split()[:1] == ["run"]:
            assert "error: " in said.text or json.loads(said.text)["status"] == said.status
            assert rig.state() == before, line
        if reads(line, forms) and not line.split()[0] == "clock":
            assert rig.state() == before, line
        assert rig.valid(), line


@given(KEYS, st.integers(1, 40))
def test_any_keys_end_at_a_prompt(keys, chunk):
    rig = small()
    rig.start()
    sent = rig.type(keys, chunk)
    assert set(sent) <= PRINTABLE | {10, 13, 2, 3, 4}
    assert rig.type(b"\x03\x02\x03").endswith(b"rayos> ")
    assert rig.line() == (b"", 0)
    assert rig.type(b"config hash\r").endswith(b"rayos> ")
    assert rig.valid()


@given(KEYS.filter(lambda keys: not {1, 4, 5} & set(keys)), st.integers(1, 1000))
def test_how_keys_are_cut_into_pieces_makes_no_difference(keys, chunk):
    whole, pieces = small(), small()
    assert whole.type(keys) == pieces.type(keys, chunk)
    assert whole.state() == pieces.state()


@given(st.binary(max_size=300).filter(lambda text: b"\0" not in text))
def test_any_script_ends(text):
    rig = small()
    transcript, statuses = rig.script(text)
    assert set(transcript.encode()) <= PRINTABLE | {10}
    assert len(statuses) <= text.count(b"\n") + 2
    assert rig.valid()


FRAMES = st.lists(st.one_of(
    st.tuples(st.just("raw"), st.binary(max_size=60)),
    st.tuples(st.integers(0, 255), st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, 500), st.integers(0, 70000), st.binary(max_size=600)).map(
            lambda t: struct.pack("<II", t[0], t[1]) + t[2]),
        LINES.map(lambda line: line.encode("latin-1"))))), max_size=12)


@given(FRAMES, st.integers(1, 700), st.lists(st.integers(0, 3 * 10**9), max_size=12))
def test_any_bytes_on_the_link_leave_it_working(frames, chunk, pauses):
    rig = small()
    for seq, (type, payload) in enumerate(frames):
        data = payload if type == "raw" else rig.frame(type, payload, seq)
        rig.feed(data, chunk)
        rig.raw_ns += pauses[seq] if seq < len(pauses) else 0
        assert rig.stats().profile == 3
    rig.raw_ns += 10**10
    assert rig.ask(4, seq=77777).type == 4 + 64
    assert rig.valid()


@given(st.integers(0, 40), st.integers(0, 255), st.integers(0, 400), st.integers(0, 2**32 - 1),
       st.sampled_from([1, 2, 4]))
def test_rows_of_any_bytes_are_refused_or_decided(count, fill, at, value, width):
    rig = small()
    rows = bytearray([fill]) * (count * 152) + bytearray(40)
    place = at % (len(rows) - width)
    rows[place:place + width] = (value & (256**width - 1)).to_bytes(width, "little")
    frame = rig.ask(3, struct.pack("<II", count, 40) + bytes(rows))
    assert frame.type == 3 + 64
    assert rig.valid()
