# SPDX-License-Identifier: MIT
"""inputs: each product's log is recognised and read as its documentation says, and no line of one
costs more than itself."""

import json

import pytest

from host_sim import _raw
from host_sim.replay import detect
from host_sim.replay.directives import program_of, split_form
from host_sim.replay.formats import compile_format
from host_sim.replay.program import FormatError
from tests.products import CLOUDFRONT_HEAD, GOLDEN, IIS_HEAD, MS, at
from tests.replaying import S, config_of, read, rows_of

NAMES = list(GOLDEN)


def told(row):
    """A row as tests.products writes it."""
    return (row.at_ns, row.address, row.method, row.target, row.host, row.status,
            row.response_bytes, row.request_bytes, row.duration_ns)


@pytest.mark.parametrize("name", NAMES)
def test_a_documented_line_becomes_its_row(name):
    head, line, label, want = GOLDEN[name]
    for end in (b"", b"\n", b"\r\n"):
        rows, stats = read(head + line + end)
        assert [told(row) for row in rows] == [want]
        assert (stats.unparsable_count, stats.duration_count) == (0, 1)
    program = detect.program_for(_raw.load("seed"), head + line)
    assert program.label == label


@pytest.mark.parametrize("name", NAMES)
def test_the_first_lines_say_whose_log_it_is_even_when_some_are_broken(name):
    head, line, label, want = GOLDEN[name]
    log = head + line + b"\n" + b"# no line of this log\n" * (not head) + line + b"\n"
    rows, stats = read(log)
    assert [told(row) for row in rows] == [want, want]
    assert stats.unparsable_count == (not head)


HOSTILE = [
    b"", b"-", b'"', b"\0" * 40, b"\xff\xfe" * 20, b"{", b"[" * 70, b"\\", b'" "' * 50, b"\t" * 99,
    b" " * 300, b"#Fields: time", b"x" * 300_000,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_line_costs_only_itself(name):
    head, line, _, want = GOLDEN[name]
    program = detect.program_for(_raw.load("seed"), head + line)
    digits = b"9" * 400
    bad = [b for b in HOSTILE if not (b.startswith(b"#") and program.comment)]
    bad += [line[:cut] for cut in range(1, len(line) - 1, 7)]
    bad += [line.replace(b"2", digits, 1), line.replace(b" 200", b" -7"), line + b"\0" + line,
            line.replace(b'"', b"", 1), line[:30] + b"x" * (1 << 20) + line[30:]]
    log = head + b"".join(b.replace(b"\n", b"") + b"\n" + line + b"\n" for b in bad)
    rows, stats = rows_of(log, program)
    good = [row for row in rows if told(row) == want]
    assert len(good) >= len(bad)
    assert stats.row_count == len(rows) <= 2 * len(bad)
    assert stats.line_count == 2 * len(bad)
    assert stats.row_count + stats.unparsable_count + stats.blank_count == stats.line_count


@pytest.mark.parametrize("name", ["caddy", "envoy json"])
def test_a_json_line_of_another_kind_is_no_request(name):
    _, line, _, _ = GOLDEN[name]
    other = b'{"level":"warn","ts":1646861401.5,"start_time":"2020-01-01T00:00:00Z","msg":"hello"}'
    rows, stats = read(line + b"\n" + other + b"\n")
    assert len(rows) == 1
    assert stats.unparsable_by == {"no request in it": 1}


def test_a_header_only_some_requests_carry_is_read_where_the_configuration_looks_at_it():
    config = config_of("""
version = 1
[[identity]]
when = {}
user = { header = "X-Team" }
""")
    _, line, _, _ = GOLDEN["caddy"]
    text = line + b"\n" + line.replace(b'"X-Plan":["gold"]', b'"X-Team":["red","blue"]')
    program = detect.program_for(_raw.load("seed"), line, headers=("X-Team",))
    rows, _ = rows_of(text, program, config)
    assert [row.user for row in rows] == [b"", b"red"]


# -- W3C -----------------------------------------------------------------------------------------


def test_another_fields_line_in_the_middle_reads_nothing_wrong():
    _, line, _, want = GOLDEN["iis"]
    other = IIS_HEAD.replace(b"s-ip cs-method", b"cs-method s-ip")
    rows, stats = read(IIS_HEAD + line + b"\n" + other + line + b"\n" + IIS_HEAD + line)
    assert [told(row) for row in rows] == [want, want]
    assert stats.unparsable_by == {"does not fit the format": 1}
    assert (stats.comment_count, stats.line_count) == (12, 3)


def test_a_w3c_log_says_so_or_is_told_what_is_wrong():
    with pytest.raises(FormatError, match="#Fields: line"):
        read(b"a b c\n", "w3c")
    with pytest.raises(FormatError, match="no column is known as the time"):
        read(b"#Fields: c-ip cs-method\n10.0.0.1 GET\n")
    rows, _ = read(b"#Fields: time c-ip cs-uri\n1431857103 10.0.0.7 /a\n", maps="path=cs-uri")
    assert [(row.at_ns, row.target) for row in rows] == [(1431857103 * S, b"/a")]


def test_seconds_are_what_time_taken_counts_unless_iis_writes_it():
    text = b"#Fields: date time c-ip time-taken\n2021-03-04 05:06:09 10.0.0.7 2\n"
    rows, _ = read(text)
    assert (rows[0].duration_ns, rows[0].at_ns) == (2 * S, at(2021, 3, 4, 5, 6, 7))


def test_a_table_with_date_and_time_apart_is_read():
    rows, _ = read(b"date,time,ip\n2021-03-04,05:06:09.25,10.0.0.7\n2021-03-04,25:00,10.0.0.7\n")
    assert [row.at_ns for row in rows] == [at(2021, 3, 4, 5, 6, 9, 250 * MS)]


# -- format strings ------------------------------------------------------------------------------


def test_an_envoy_format_of_ones_own():
    program = compile_format('%START_TIME(%s.%3f)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% '
                             '%REQ(:METHOD)% "%REQ(:PATH):40%" %RESPONSE_CODE% %DURATION% '
                             '%REQ(X-PLAN)%\\n')
    assert program.has("header")
    rows, _ = rows_of(b'1431857103.250 10.0.0.7 GET "/a b" 200 12 gold\n', program)
    assert [told(row)[:4] for row in rows] == [(1431857103_250000000, "10.0.0.7", 1, b"/a b")]
    rows, _ = rows_of(b'{"when":"2021-03-04T05:06:07Z","p":"/x","d":7,"m":"GET"}\n', compile_format(
        '{"when":"%START_TIME%","p":"%REQ(:PATH)%","d":"%DURATION%","m":"%REQ(:METHOD)%"}'))
    assert [told(row) for row in rows] == [
        (at(2021, 3, 4, 5, 6, 7), "", 1, b"/x", b"", 0, 0, 0, 7 * MS)]
    with pytest.raises(FormatError, match="START_TIME"):
        compile_format("%START_TIME(%c)% %REQ(:PATH)%")


def test_a_haproxy_format_of_ones_own_with_and_without_syslog():
    form = r'%ci:%cp\ [%tr]\ %ST\ %B\ %Ta\ %{+Q}r'
    line = b'[::1]:99 [06/Feb/2009:12:14:14.655] -1 0 -1 "GET /a HTTP/1.1"'
    for text in (line, b"<134>1 2009-02-06T12:14:14Z lb haproxy 7 - - " + line):
        rows, _ = read(text, form)
        assert [told(row) for row in rows] == [
            (at(2009, 2, 6, 12, 14, 14, 655 * MS), "::1", 1, b"/a", b"", 0, 0, 0, 0)]
    with pytest.raises(FormatError, match="each field"):
        compile_format("%{+Q}o %ci [%tr] %ST")


@pytest.mark.parametrize(("escape", "path"), [
    ("backslash", b'/a"\\b'), ("json", b'/a"\\b'), ("plain", b'/a\\"\\\\b')])
def test_nginx_escapes_as_the_format_says(escape, path):
    from host_sim.replay.formats import compile_nginx

    program = compile_nginx('[$time_local] "$request_uri" "$http_x"', escape=escape)
    rows, _ = rows_of(b'[17/May/2015:10:05:03 +0000] "/a\\"\\\\b" ""\n', program)
    assert [row.target for row in rows] == [path]
    rows, _ = rows_of(b'[17/May/2015:10:05:03 +0000] "/\\u00e9" ""\n', program)
    assert rows[0].target == ("/é".encode() if escape == "json" else b"/\\u00e9")


def test_what_nginx_writes_without_anything_between_is_one_path():
    rows, _ = rows_of(b'1431857103.5 GET http://shop.example/a?b=1\n', compile_format(
        "$msec $request_method $scheme://$host$uri$is_args$args"))
    assert [told(row)[:5] for row in rows] == [
        (1431857103_500000000, "", 1, b"/a?b=1", b"shop.example")]


# -- formats out of a server's configuration -----------------------------------------------------

NGINX = r"""
http {   # a comment with 'quotes" and ;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    "$status $body_bytes_sent \"$http_referer\" "
                    '"$http_user_agent" rt=$request_time';
    log_format json escape=json '{"time":"$time_iso8601",'
        '"who": {"ip":"$remote_addr"},"request":"$request","rt":$request_time}';
    access_log /var/log/nginx/access.log main buffer=32k if=$loggable;
    server {
        access_log /var/log/nginx/api.log json;
        location ~ \.php$ { return 200 "{;}"; access_log off; }
    }
    include conf.d/*.conf;
}
"""
TEXT = b'10.0.0.7 - ada [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "-" rt=0.250\n'
OBJECT = json.dumps({"time": "2015-05-17T10:05:03+00:00", "who": {"ip": "10.0.0.7"},
                     "request": 'GET /a HTTP/1.1', "rt": 0.25}).encode()


@pytest.fixture
def nginx(tmp_path):
    """An nginx.conf with a log_format in a file that it includes."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.conf").write_text("log_format tiny '$msec $uri';\ninclude x.conf;\n")
    path = tmp_path / "nginx.conf"
    path.write_text(NGINX)
    return path


@pytest.mark.parametrize(("log", "text"), [
    ("access.log", TEXT), ("/x/access.log.1", TEXT), ("access.log.2.gz", TEXT), ("api.log", OBJECT),
    ("api-20260105.log", None)])
def test_nginx_conf_says_how_its_logs_are_written(nginx, log, text):
    if text is None:
        with pytest.raises(FormatError, match=r"several log formats.*:NAME, one of json, main"):
            program_of(nginx, log=log)
        return
    rows, _ = rows_of(text, program_of(nginx, log=log))
    assert [(row.at_ns, row.address, row.target, row.duration_ns) for row in rows] == [
        (1431857103 * S - S // 4, "10.0.0.7", b"/a", S // 4)]


def test_a_format_is_named_behind_the_path(nginx):
    assert split_form(f"{nginx}:tiny") == (nginx, "tiny")
    assert split_form(str(nginx)) == (nginx, "")
    assert split_form("combined") is split_form("$msec $uri") is None
    rows, _ = read(b"1431857103.5 /a\n", f"{nginx}:tiny")
    assert rows[0].target == b"/a"
    assert program_of(nginx, "combined").time_is_end
    with pytest.raises(FormatError, match="no log format 'nope'; it has main, json, tiny"):
        program_of(nginx, "nope")


def test_httpd_conf_says_how_its_logs_are_written(tmp_path):
    path = tmp_path / "httpd.conf"
    path.write_text('LogFormat "%h %l %u %t \\"%r\\" %>s %b \\\n %D" timed\n'
                    "LogFormat %h,%{sec}t short\n# LogFormat \"%h\" no\n"
                    'CustomLog "logs/access_log" timed\nCustomLog logs/s.log "%{sec}t %U"\n')
    line = b'10.0.0.7 - ada [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5  1500\n'
    rows, _ = rows_of(line, program_of(path, log="logs/access_log"))
    assert (rows[0].at_ns, rows[0].duration_ns) == (1431857103 * S, 1_500_000)
    rows, _ = rows_of(b"1431857103 /a\n", program_of(path, log="s.log"))
    assert rows[0].target == b"/a"


@pytest.mark.parametrize(("text", "why"), [
    ("", "no log format in it"), ("log_format x escape=odd '$msec';", "escape=odd"),
    ("log_format x '$msec", "line 1 is no nginx configuration"),
    ("log_format x '$status';", "no time in it"), ("access_log a gone;", "no log format 'gone'"),
    ("log_format x '{\"a\":$msec,}';", "begins like a JSON object"),
    ("\0\xff{{{{", "no log format"),
])
def test_a_configuration_that_does_not_help_says_why(tmp_path, text, why):
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    with pytest.raises(FormatError, match=why):
        program_of(path)


# -- what the log says became of a request -------------------------------------------------------


@pytest.mark.parametrize(("error", "status", "want"), [
    ("ThrottlingException", "", 429), ("Client.RequestLimitExceeded", "503", 429),
    ("Too Many Requests", "", 429), ("too many requests", "200", 429), ("SlowDown", "", 429),
    ("AccessDenied", "", 400), ("AccessDenied", "403", 403), ("-", "200", 200), ("", "", 0),
    ("none", "200", 200), ("False", "", 0), ("0", "204", 204), ("ok", "", 0), ("throttl", "", 429),
    ("rate exceede", "", 400), ("too many cooks", "", 400), ("TOOMANYREQUESTS", "", 429),
])
def test_an_error_column_says_who_was_throttled(error, status, want):
    rows, stats = read(f"time,error_code,status\n1,{error},{status}\n".encode())
    assert rows[0].status == want
    assert (stats.throttled_count, stats.failed_count) == (int(want == 429), 0)


def test_throttled_and_failed_are_counted_where_a_row_comes_of_it():
    rows, stats = read(b"time,status,request\n1,429,GET /\n1,500,GET /\n1,599,GET /\n1,429,-\n")
    assert len(rows) == 3
    assert (stats.throttled_count, stats.failed_count) == (1, 2)


@pytest.mark.parametrize(("times", "ns"), [
    (["1431857103", "1431857104"], S), (["1431857103.25"], 10**6), (["1431857103.000001"], 10**3),
    (["1431857103", "1431857103.000000001"], 1),
    ([str(60 * n) for n in range(1000, 1040)], 60 * S),
    (["1431856800"] * 40, S), ([str(3600 * n) for n in range(17)], 3600 * S)])
def test_the_clocks_resolution_is_what_all_times_are_whole_in(times, ns):
    _, stats = read(("time\n" + "\n".join(times)).encode())
    assert stats.resolution_ns == ns


def test_an_end_gives_the_duration_unless_it_is_before_the_begin():
    rows, stats = read(b"time,stop\n10,12.5\n10,9\n10,\n10,x\n", maps="end=stop")
    assert [row.duration_ns for row in rows] == [5 * S // 2, 0, 0]
    assert (stats.duration_count, stats.unparsable_by) == (1, {"no time that can be read": 1})


def test_a_duration_in_parts_is_their_sum_or_unknown():
    rows, stats = read(b"time,a,b,c\n10,1,2,0.5\n10,1,-1,1\n10,-1,1,1\n10,1,-,1\n10,1,x,1\n",
                       maps="duration=a,duration_2=b:ms,duration_3=c")
    assert [row.duration_ns for row in rows] == [S + 2 * MS + S // 2, 0, 0, 0]
    assert stats.unparsable_by == {"a number that cannot be read": 1}


def test_the_cloudfront_head_is_what_names_the_columns():
    program = detect.program_for(_raw.load("seed"), CLOUDFRONT_HEAD + GOLDEN["cloudfront"][1])
    assert (len(program.fields), program.comment, program.delimiter) == (33, "#", "\t")
