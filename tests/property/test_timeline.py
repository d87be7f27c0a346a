# SPDX-License-Identifier: MIT
"""timeline: whatever the instants and however often buckets merged, each holds what a plain count
by its own span holds, and the sums are what was noted."""
import collections

from hypothesis import example, given, settings
from hypothesis import strategies as st

from host_sim import _raw
from host_sim.kernel import Kernel
from host_sim.replay import timeline

MS, DAY = 1_000_000, 86_400_000_000_000
WIDTHS = [MS * n for n in (1, 5, 10, 50, 100, 500)] + [
    1_000_000_000 * n for n in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200)]
WIDTHS += [DAY << n for n in range(12)]
NAMES = {1: "allowed", 2: "denied", 3: "delayed", 4: "redirected", 6: "dropped"}

instants = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(10**18, 10**18 + 600 * MS),
    st.builds(lambda days, ms: 10**18 + days * DAY + ms * MS, st.integers(0, 900),
              st.integers(0, 86_399_999)))
notes = st.tuples(instants, st.sampled_from(sorted(NAMES)), st.integers(0, 1), st.integers(0, 2),
                  st.sampled_from([200, 429, 503]), st.integers(0, 2**40))


def width_for(first, last):
    """The narrowest step of the ladder on which all of it is at most 512 buckets."""
    return next(width for width in WIDTHS if last // width - first // width < 512)


@settings(max_examples=300, deadline=None)
@given(st.lists(notes, min_size=1, max_size=80), st.booleans())
@example([(0, 1, 0, 0, 200, 1), (2**64 - 1, 2, 0, 0, 200, 1)], False)
def test_every_bucket_holds_what_a_plain_count_holds(found, ordered):
    raw, kernel = _raw.load("seed"), Kernel()
    ffi, lib = raw.ffi, raw.lib
    line = ffi.gc(lib.ray_timeline_open(), lib.ray_timeline_close)
    answer, row = ffi.new("ray_answer *"), ffi.new("ray_row *")
    if ordered:
        found = sorted(found)
    model = collections.defaultdict(collections.Counter)
    first, last = found[0][0], max(at for at, *_ in found)
    width = width_for(first, last)
    for place, (at, verdict, queued, would, status, sent) in enumerate(found):
        answer.verdict, answer.queued, answer.would_deny_count = verdict, queued, would
        row.http_status, row.response_bytes = status, sent
        lib.ray_timeline_note(line, at, answer, row)
        if place % 7 == 3:
            lib.ray_timeline_sample(line, kernel.ray, at)  # moves no bucket
        cell = model[max(at, first // width * width) // width]
        cell.update({"requests": 1, NAMES[verdict]: 1, "queued": queued, "would_deny": would > 0,
                     "throttled": status == 429, "response_bytes": sent * (verdict in (1, 3))})
    read = timeline.read(kernel, line)
    assert read.width_ns == width and len(read.start_ns) <= lib.RAY_TIMELINE_BUCKET_MAX
    assert read.start_ns[0] == first // width * width
    columns = ("requests", *NAMES.values(), "queued", "would_deny", "throttled", "response_bytes")
    for place, start in enumerate(read.start_ns):
        expected = model.get(start // width, collections.Counter())
        assert {name: getattr(read, name)[place] for name in columns} == {
            name: expected[name] for name in columns}
    for name in columns:
        assert sum(getattr(read, name)) == sum(cell[name] for cell in model.values())
