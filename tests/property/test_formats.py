# SPDX-License-Identifier: MIT
"""formats: whatever is given as a format, a server's configuration or the first lines of a log,
there is a program the reader takes or a FormatError that says why; nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim import _raw
from host_sim.replay import detect
from host_sim.replay.directives import program_of
from host_sim.replay.formats import compile_format
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import FormatError
from host_sim.replay.reader import Reader
from tests.products import GOLDEN

RAW = _raw.load("seed")
WORDS = st.sampled_from([
    "%h", "%t", "%{sec}t", "%{", "}", "%%", "%>s", '\\"%r\\"', "%U%q", "$time_local",
    "$msec", "$uri", "$is_args$args",
    "$", "${request", "%START_TIME%", "%START_TIME(%s)%", "%REQ(:PATH)%", "%REQ(",
    "%ci:%cp", "[%tr]", "%ST", "%{+Q}r", "%{+Q}o", "%hr %hs", " ", '"', "'", "{", '{"a":', ":", ",",
    "\\", "\n", ";", "log_format x ", "escape=json ", "access_log a x;", "include *;", "LogFormat ",
    "CustomLog a ", "#", "[" * 30, "é", "x" * 70])
FORMATS = st.lists(WORDS, max_size=14).map("".join)
LINES = st.lists(st.one_of(
    st.sampled_from([*(line for _, line, _, _ in GOLDEN.values()), b"#Fields: date time c-ip",
                     b"#Fields: time time x x", b"#Software: Microsoft", b"time,ip,time", b"{",
                     b'{"ts":1,"request":{"uri":"/","method":"GET"},"duration":1}', b"date,time",
                     b"2021-03-04,05:06:07", b"#Fields:" + b" a" * 300, b"\0", b'{"time":[[{"a":']),
    st.binary(max_size=40)), max_size=6).map(b"\n".join)


def usable(make):
    """The program is one that the reader opens, or the error says something."""
    try:
        program = make()
        with Reader(RAW, program) as reader:
            for _ in reader.blocks(b"x\n{}\n"):
                pass
        assert program.has("time")
    except FormatError as error:
        assert len(str(error)) > 15


@given(FORMATS)
def test_any_text_is_a_format_or_an_error(text):
    usable(lambda: compile_format(text))


@settings(max_examples=60, deadline=None)
@given(FORMATS, st.sampled_from(["", "x"]))
def test_any_text_is_a_configuration_or_an_error(tmp_path_factory, text, name):
    path = tmp_path_factory.mktemp("conf") / "nginx.conf"
    path.write_text(text)
    usable(lambda: program_of(path, name, "a"))


@given(LINES, st.sampled_from(["auto", "w3c", "csv", "jsonl", "haproxy", "alb"]),
       st.sampled_from(["", "time=1", "time=time,ip=c-ip"]))
def test_any_first_lines_are_a_log_or_an_error(sample, form, maps):
    maps = "" if form in ("haproxy", "alb") else maps
    usable(lambda: detect.program_for(RAW, sample, form=form, maps=parse_maps((maps,)),
                                      headers=("X-Plan",)))


def test_a_format_nested_without_end_is_an_error():
    with pytest.raises(FormatError, match="begins like a JSON object"):
        compile_format('{"a":' * 100_000 + "$msec")
