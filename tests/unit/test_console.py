# SPDX-License-Identifier: MIT
"""console: keys in, an edited line, plain bytes out; framed answers in raw mode."""

import re

import pytest

from tests.shell_rig import Rig, rayos_blob

UP, DOWN, RIGHT, LEFT = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D"
HOME, END, DELETE = b"\x1b[H", b"\x1b[F", b"\x1b[3~"
RAW, BACK, DROP, RESET, PASTE, TAB = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\t"


@pytest.fixture
def rig():
    rig = Rig(config=rayos_blob(), scripts={"greet": b"version\n"})
    rig.ok("clock virtual 2026-01-01T00:00:00Z")
    rig.start()
    return rig


def test_the_banner_names_version_configuration_machine_and_three_commands(rig):
    banner = rig.start().decode("ascii")
    version, config = rig.json("version")["version"], rig.json("config hash")["hash"]
    assert f"raygate {version} on test" in banner and config in banner
    tries = re.search(r"try: (.*)\r\n", banner)[1].split(" | ")
    assert len(tries) == 3
    for line in tries:
        assert rig.run(line).status == 0, line
    assert banner.endswith("\r\nrayos> ")


@pytest.mark.parametrize(("keys", "line", "cursor"), [
    (b"help", b"help", 4),
    (b"hlp" + LEFT * 2 + b"e", b"help", 2),
    (b"elp" + HOME + b"h" + END + b"!", b"help!", 5),
    (b"\x1bOHx\x1bOFy", b"xy", 2),
    (b"bc\x1b[1~a\x1b[4~d", b"abcd", 4),
    (b"bc\x1b[7~a\x1b[8~d", b"abcd", 4),
    (b"bc\x1baA\x1beD", b"AbcD", 4),
    (b"abc" + LEFT + DELETE, b"ab", 2),
    (b"abc" + DELETE, b"abc", 3),
    (b"abc\x7f\x08", b"a", 1),
    (b"\x7f\x08" + LEFT + b"a" + RIGHT, b"a", 1),
    (b"one two\x17", b"one ", 4),
    (b"one two   \x17", b"one ", 4),
    (b"one two" + LEFT * 3 + b"\x15", b"two", 0),
    (b"one two" + LEFT * 3 + b"\x0b", b"one ", 4),
    (b"ab\x0c", b"ab", 2),
    (b"ab" + DROP + b"c", b"c", 1),
    (b"abc" + LEFT + RESET, b"ab", 2),
    (b"a\x1b[1;5Cb", b"ab", 2),
    (b"a\x1b[200~b", b"ab", 2),
    (b"a\x1b[99999999999999999999~b", b"ab", 2),
    (b"a\x1bxb", b"ab", 2),
    (b"a\x00\x07\x10\x1fb", b"b", 1),
    (b"a\x1b" + DROP + b"[A", b"[A", 2),
])
def test_keys_edit_the_line(rig, keys, line, cursor):
    if b"\x10" in keys:
        keys = keys.replace(b"\x10", b"").replace(b"a", b"")
    rig.type(keys)
    assert rig.line() == (line, cursor)
    rig.type(b"\x15\x0b")
    for chunk in (1, 2, 3):
        rig.type(keys, chunk)
        assert rig.line() == (line, cursor)
        rig.type(DROP)


def test_the_screen_shows_the_line_after_any_edit(rig):
    """Replays CR and printable bytes as a terminal would, and compares with the line."""
    def screen(sent):
        cells, at = {}, 0
        for byte in sent.replace(b"\r\n", b"\n").split(b"\n")[-1]:
            if byte == 13:
                at = 0
            else:
                cells[at] = chr(byte)
                at += 1
        text = "".join(cells.get(i, " ") for i in range(max(cells) + 1))
        return text.rstrip(), at

    sent = rig.start()
    for keys in (b"request GET /x", LEFT * 5, b"abc", DELETE * 2, HOME, RIGHT * 3, b"\x7f", END,
                 b"\x17", UP, b"  ", b"y" * 100, LEFT * 90, b"z", b"\x0b", b"\x15"):
        sent += rig.type(keys)
        line, cursor = rig.line()
        first = 0 if cursor < 72 else cursor - 71
        shown, at = screen(sent)
        assert shown == ("rayos> " + line[first:first + 72].decode()).rstrip()
        assert at == 7 + cursor - first


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_every_line_end_runs_the_line_once(rig, end):
    sent = rig.type(b"clock" + end + b"clock" + end, chunk=1)
    assert sent.count(b"wall clock") == 2
    assert sent.count(b"rayos> ") == 2


def test_lines_end_in_cr_lf_and_nothing_else_is_sent(rig):
    sent = rig.type(b"help\rfoo\rrequest GET \xff\x1b]0;x\x07\r" + UP + LEFT + b"\x7f\r")
    assert set(sent) <= set(range(0x20, 0x7f)) | {10, 13}
    assert b"\n" not in sent.replace(b"\r\n", b"")


def test_feeding_stops_after_the_first_command(rig):
    out, result = rig.text(), rig.ffi.new("ray_shell_result *")
    keys = b"foo\rclock\r"
    used = rig.lib.ray_console_feed(rig.keys, rig.ray, rig.machine, 0, keys, len(keys), out, result)
    assert used == 4 and result.status == -2
    assert rig.keys.exit_status == 2


def test_history_goes_back_and_forth(rig):
    rig.type(b"version\rclock\rclock\rmem\rdraft")
    seen = []
    for _ in range(5):
        rig.type(UP)
        seen.append(rig.line()[0])
    assert seen == [b"mem", b"clock", b"version", b"version", b"version"]
    rig.type(DOWN + DOWN)
    assert rig.line()[0] == b"mem"
    rig.type(DOWN)
    assert rig.line() == (b"draft", 5)
    rig.type(DOWN + b"\x10\x10\x0e")
    assert rig.line()[0] == b"mem"


def test_history_keeps_the_last_thirty_two_lines(rig):
    for n in range(40):
        rig.type(b"# %d\r" % n)
    for _ in range(50):
        rig.type(UP)
    assert rig.line()[0] == b"# 8"
    assert rig.keys.history_count == 32


@pytest.mark.parametrize(("typed", "becomes"), [
    (b"ratel", b"ratelimit "), (b"he", b"help "), (b"pow", b"poweroff "),
    (b"clock adv", b"clock advance "), (b"config sh", b"config show "),
    (b"help qu", b"help quota "), (b"run gre", b"run greet "),
    (b"request GET /x --ti", b"request GET /x --ti"),
    (b"request GET /x --te", b"request GET /x --tenant "), (b"version --m", b"version --machine "),
    (b"version --j", b"version --json "), (b"confirm config lo", b"confirm config load "),
    (b"zzz", b"zzz"), (b"zzz ", b"zzz "), (b"version x", b"version x"),
])
def test_tab_completes(rig, typed, becomes):
    rig.type(typed + TAB)
    assert rig.line() == (becomes, len(becomes))


def test_tab_completes_inside_a_line(rig):
    rig.type(b"vers --machine" + LEFT * 10 + TAB)
    assert rig.line() == (b"version  --machine", 8)


def test_tab_completes_to_what_all_share_then_lists(rig):
    rig.type(b"re" + TAB)
    assert rig.line()[0] == b"re"
    sent = rig.type(TAB).decode()
    assert {"request", "resilience", "reboot"} <= set(sent.split())
    assert rig.line()[0] == b"re"
    rig.type(b"q" + TAB)
    assert rig.line()[0] == b"request "


def test_tab_on_an_empty_line_lists_every_command(rig):
    listed = set(rig.type(TAB).decode().split())
    assert {c["command"] for c in rig.json("help")["commands"]} <= listed


def test_live_names_complete(rig):
    first = {kind: rig.ffi.new("ray_name *") for kind in (1, 2, 3, 4, 5)}
    for kind, name in first.items():
        assert rig.lib.ray_live_name(rig.ray, rig.machine, kind, 0, name) == 1, kind
        assert rig.ffi.string(name.at)
    count, name = 0, rig.ffi.new("ray_name *")
    while rig.lib.ray_live_name(rig.ray, rig.machine, 3, count, name):
        count += 1
    assert count == rig.json("config show")["services"]


def test_a_line_too_long_does_nothing_and_says_so(rig):
    before = rig.state()
    sent = rig.type(b"request GET /kernel/" + b"x" * 5000 + b"\r")
    assert b"longer than 1024 bytes by 3996; nothing was done" in sent
    assert rig.state() == before and sent.endswith(b"rayos> ")
    assert rig.type(b"clock\r").count(b"error") == 0


def test_a_partial_line_changes_nothing(rig):
    before = rig.state()
    rig.type(b"request GET /kernel/x")
    rig.type(DROP)
    assert rig.state() == before


# -- raw mode --

def raw(rig, line):
    answer = re.fullmatch(rb"OK\x02([^\x03]*)\x03(\d+)\x04>", rig.type(line))
    assert answer, line
    return int(answer[2]), answer[1].decode("ascii")


def test_raw_mode_answers_in_frames_without_echo(rig):
    assert rig.type(RAW) == b"\r\nraw; Ctrl-B to exit\r\n>"
    assert raw(rig, b"clock hash\r")[0] == 2
    assert raw(rig, b"config hash\r") == (0, rig.ok("config hash"))
    assert raw(rig, b"\r") == (0, "")
    assert raw(rig, b"help\r\n") == (0, rig.ok("help"))
    assert rig.type(b"half a line" + DROP) == b">"
    assert raw(rig, b"config hash\n")[0] == 0
    assert rig.type(BACK) == b"\r\nrayos> "
    assert rig.type(b"x") == b"x"


def test_raw_mode_takes_bytes_as_they_are(rig):
    rig.type(RAW)
    status, text = raw(rig, b"request GET / --tenant \xc3\xa9\r")
    assert (status, '"\\xc3\\xa9"' in text) == (2, True)


def test_raw_mode_says_when_a_line_is_too_long(rig):
    rig.type(RAW)
    status, text = raw(rig, b"x" * 1030 + b"\r")
    assert status == 13 and "by 6; nothing was done" in text


def test_soft_reset_starts_the_core_anew(rig):
    rig.ok("demo 100")
    epoch = rig.stats().epoch
    rig.type(RAW)
    assert raw(rig, RESET) == (0, "soft reset\n")
    stats = rig.stats()
    assert (stats.asked_count, stats.seq, stats.epoch) == (0, 0, epoch)
    assert rig.ok("config hash") == bytes(stats.config_hash).hex() + "\n"
    assert stats.now_ns >= 1767225600 * 10**9 and stats.clock_virtual == 1
    assert rig.valid()


def test_soft_reset_keeps_a_live_clock_going(rig):
    rig.ok("clock live")
    rig.raw_ns = 5 * 10**9
    before = rig.json("clock")
    rig.type(RAW + RESET)
    assert rig.json("clock")["unix_ns"] == before["unix_ns"]
    rig.raw_ns += 10**9
    assert rig.json("clock")["unix_ns"] == before["unix_ns"] + 10**9


def test_ctrl_d_in_line_mode_resets_nothing(rig):
    rig.ok("demo 10")
    before = rig.state()
    assert b"poweroff leaves" in rig.type(RESET)
    assert rig.state() == before


# -- paste mode --

def test_paste_mode_runs_line_by_line(rig):
    sent = rig.type(PASTE)
    assert sent.endswith(b"=== ")
    sent = rig.type(b"config hash\n\tversion\nclock" + RESET)
    assert sent.count(b"wall clock") == 1 and rig.ok("config hash").strip().encode() in sent
    assert sent.endswith(b"\r\nrayos> ")
    rig.type(UP)
    assert rig.line()[0] == b"clock"


def test_paste_mode_can_be_left_without_running_the_rest(rig):
    before = rig.state()
    sent = rig.type(PASTE + b"request GET /kernel/x" + DROP)
    assert sent.endswith(b"rayos> ") and rig.state() == before
    assert rig.keys.mode == 0


# -- the port's part --

@pytest.mark.parametrize(("line", "action"), [(b"poweroff\r", 2), (b"reboot\r", 1)])
def test_actions_reach_the_port_and_draw_no_prompt(rig, line, action):
    sent = rig.type(line)
    assert rig.results[-1].action == action
    assert not sent.endswith(b"rayos> ")


def test_only_a_program_can_turn_the_line_into_a_link(rig):
    sent = rig.type(b"link\r")
    assert (rig.results[-1].action, rig.results[-1].status) == (0, -9)
    assert b"error: link is for programs" in sent and sent.endswith(b"rayos> ")
    rig.type(RAW)
    assert raw(rig, b"link\r") == (0, "")
    assert rig.results[-1].action == 4


@pytest.mark.parametrize("size", [64, 300, 2000, 9000])
def test_a_small_buffer_cuts_text_and_keeps_the_prompt(size):
    rig = Rig(config=rayos_blob(), out_bytes=size)
    sent = rig.type(b"help\r")
    assert sent.endswith(b"rayos> ") or size < 300
    if size >= 2000:
        assert (b"error: the text was cut" in sent) == (rig.results[-1].status == -10)
