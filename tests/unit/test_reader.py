# SPDX-License-Identifier: MIT
"""reader: every log shape becomes the same rows, and a hostile line costs nothing but itself."""

import gzip

import pytest

from host_sim.replay.formats import compile_format
from host_sim.replay.program import FormatError
from tests.data import data
from tests.replaying import NONE, S, config_of, read, rows_of

GET, HEAD, POST, OTHER = 1, 2, 3, 0
EXCHANGE = 6
AT = 1431857103 * S
LINE = (b'83.149.9.216 - ada [17/May/2015:10:05:03 +0000] "GET /a?b=1 HTTP/1.1" 200 203023 '
        b'"http://x.org/" "Mozilla/5.0 (X11)"')


# -- format strings -----------------------------------------------------------------------------


def test_a_combined_line_becomes_a_row():
    rows, stats = read(LINE + b"\n")
    (row,) = rows
    assert (row.at_ns, row.target, row.method, row.status) == (AT, b"/a?b=1", GET, 200)
    assert (row.address, row.client, row.user) == ("83.149.9.216", b"", b"ada")
    assert (row.response_bytes, row.kind, row.duration_ns) == (203023, EXCHANGE, 0)
    assert (row.tenant, row.service, row.weight, row.priority) == (NONE, NONE, 0, 255)
    assert (stats.row_count, stats.unparsable_count) == (1, 0)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n\n", b"\r\n\r\n"])
def test_the_last_line_counts_however_it_ends(end):
    rows, stats = read(LINE + b"\n" + LINE + end)
    assert [row.target for row in rows] == [b"/a?b=1"] * 2
    assert stats.unparsable_count == 0


def test_common_vhost_and_combined_are_told_apart():
    common = LINE.rsplit(b' "', 2)[0]
    for line in (common, LINE, b"shop.example:443 " + LINE):
        rows, stats = read(line + b"\n")
        assert [row.target for row in rows] == [b"/a?b=1"], line
        assert stats.unparsable_count == 0
    assert rows[0].host == b"shop.example"


@pytest.mark.parametrize(("request_line", "method", "target"), [
    (b"GET /x HTTP/1.1", GET, b"/x"),
    (b"HEAD /x HTTP/2.0", HEAD, b"/x"),
    (b"GET /x", GET, b"/x"),
    (b"GET /a b HTTP/1.1", GET, b"/a b"),
    (b"GET /HTTP/1 HTTP/1.0", GET, b"/HTTP/1"),
    (b"PROPFIND /x HTTP/1.1", OTHER, b"/x"),
    (b"GET http://h.example/x?y HTTP/1.1", GET, b"/x?y"),
    (b"GET https://h.example HTTP/1.1", GET, b""),
    (b"OPTIONS * HTTP/1.1", 7, b"*"),
    (rb"GET /q\"x\" HTTP/1.1", GET, b'/q"x"'),
    (rb"GET /\\ HTTP/1.1", GET, b"/\\"),
    (rb"GET /\x41\xff\x00 HTTP/1.1", GET, b"/A\xff\0"),
    (rb"GET /\t\n HTTP/1.1", GET, b"/\t\n"),
    (rb"GET /\q\x4 HTTP/1.1", GET, rb"/\q\x4"),
])
def test_a_request_line_is_taken_apart_and_unescaped(request_line, method, target):
    rows, _ = read(LINE.replace(b"GET /a?b=1 HTTP/1.1", request_line), "combined")
    assert [(row.method, row.target) for row in rows] == [(method, target)]


def test_an_absolute_target_gives_its_host():
    rows, _ = read(LINE.replace(b"GET /a", b"GET http://h.example:81/a"), "combined")
    assert (rows[0].host, rows[0].target) == (b"h.example:81", b"/a?b=1")


@pytest.mark.parametrize("line", [
    LINE.replace(b'(X11)"', b"(X11)"),                     # unbalanced quote
    LINE.replace(b'"GET', b"GET"),
    LINE + b" more",
    LINE + b' "and more"',
    LINE[:40],
    b'"',
    b"\0" * 50,
    b" ",
    LINE.replace(b'(X11)"', rb'(X11)\"'),                  # the closing quote is escaped
    LINE.replace(b"[", b"(").replace(b"]", b")"),
])
def test_a_line_of_another_shape_is_counted_and_shown(line):
    rows, stats = read(LINE + b"\n" + line + b"\n" + LINE, "combined")
    assert len(rows) == 2
    assert stats.unparsable_by == {"does not fit the format": 1}
    assert [(s.line, s.text) for s in stats.samples] == [(2, line[:120])]


@pytest.mark.parametrize(("was", "now", "why"), [
    (b"17/May", b"17/Mai", "no time that can be read"),
    (b"203023", b"many", "a number that cannot be read"),
    (b"203023", b"-5", "a number that cannot be read"),
    (b" 200 ", b" 2000 ", "a number that cannot be read"),
    (b"GET /a?b=1 HTTP/1.1", b"-", "no request in it"),
    (b"GET /a?b=1 HTTP/1.1", b"", "no request in it"),
    (b"GET /a?b=1 HTTP/1.1", rb"\x16\x03\x01", "no request in it"),
    (b"83.149.9.216", b"h" * 1025, "longer than a line or a name may be"),
    (b"ada", b"u" * 1025, "longer than a line or a name may be"),
])
def test_a_line_that_says_nothing_usable_names_why(was, now, why):
    rows, stats = read(LINE.replace(was, now), "combined")
    assert rows == []
    assert stats.unparsable_by == {why: 1}


def test_a_dash_is_nothing():
    rows, _ = read(b'- - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 304 - "-" "-"\n')
    (row,) = rows
    assert (row.address, row.client, row.user, row.response_bytes) == ("", b"", b"", 0)


def test_a_user_name_may_have_spaces():
    rows, _ = read(LINE.replace(b"ada", b"ada lovelace"), "combined")
    assert rows[0].user == b"ada lovelace"


def test_nul_bytes_stay_bytes():
    rows, stats = read(LINE.replace(b"/a?b=1", b"/a\0b").replace(b"ada", b"a\0da"), "combined")
    assert (rows[0].target, rows[0].user) == (b"/a\0b", b"a\0da")
    assert stats.unparsable_count == 0


def test_a_target_past_the_gateways_bound_is_cut_just_past_it():
    rows, _ = read(LINE.replace(b"/a?b=1", b"/" + b"x" * 100_000), "combined")
    assert len(rows[0].target) == 8193


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1, 3 << 20, 5 << 20])
def test_a_megabyte_line_is_bounded(size):
    long = LINE.replace(b"/a?b=1", b"/" + b"x" * (size - len(LINE) + 5))
    assert len(long) == size
    rows, stats = read(LINE + b"\n" + long + b"\n" + LINE + b"\n" + LINE, "combined")
    fits = size <= 1 << 20
    assert len(rows) == 3 + fits
    assert stats.unparsable_by == ({} if fits else {"longer than a line or a name may be": 1})
    assert stats.line_count == 4


def test_only_the_first_few_unparsable_lines_are_kept():
    _, stats = read(b"x" * 300 + b"\n" + b"y\n" * 99 + LINE, "combined")
    assert stats.unparsable_count == 100
    assert [s.line for s in stats.samples] == [1, 2, 3, 4, 5]
    assert stats.samples[0].text == b"x" * 120


def test_an_apache_format_is_compiled():
    rows, _ = rows_of(
        b'shop 10.0.0.7 1431857103.5 "POST /a?q=1" 201 77 12 1500 "X"\n',
        compile_format(r'%v %a %{sec}t.5 \"%m %U%q\" %>s %O %I %D \"%{X-User}i\"'))
    (row,) = rows
    assert (row.host, row.address, row.at_ns) == (b"shop", "10.0.0.7", AT)
    assert (row.method, row.status, row.response_bytes, row.request_bytes) == (POST, 201, 77, 12)
    assert (row.kind, row.duration_ns) == (EXCHANGE, 1_500_000)


def test_apache_leaves_path_and_query_apart():
    with pytest.raises(FormatError, match="two fields with nothing between"):
        compile_format("%h %U%T")
    rows, _ = rows_of(b"/a ?q=1 1431857103\n/a - 1431857103\n", compile_format("%U %q %{sec}t"))
    assert [row.target for row in rows] == [b"/a?q=1", b"/a"]


def test_nginx_writes_a_line_when_the_answer_has_left():
    form = ('$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
            '"$http_referer" "$http_user_agent" "$http_x_forwarded_for" $request_time')
    rows, _ = rows_of(LINE + b' "-" 0.250\n' + LINE + b' "-" -\n', compile_format(form))
    assert [(row.at_ns, row.duration_ns, row.kind) for row in rows] == [
        (AT - S // 4, S // 4, EXCHANGE), (AT, 0, EXCHANGE)]


@pytest.mark.parametrize(("form", "why"), [
    ("%h %r", "no time"), ("$remote_addr $request", "no time"), ("nonsense", "unknown format"),
    ("%h %t %y", "no directive"), ("%h %{%H}t", "is not read"), ("%t 100%", "begins no directive"),
    ("%t %{h}T", "is not read"), ("$time_local$status", "nothing between"),
    ("%t" + "x" * 65 + "%h", "more than 64 bytes"),
])
def test_a_format_that_cannot_be_read_says_why(form, why):
    with pytest.raises(FormatError, match=why):
        compile_format(form)


# -- tables -------------------------------------------------------------------------------------

CSV = b"time,ip,user,path,method,status,bytes,duration_ms,weight\n"


def test_a_table_is_read_by_its_header():
    rows, stats = read(CSV + b"1431857103,10.0.0.7,ada,/a,POST,201,77,1.5,3\n")
    (row,) = rows
    assert (row.at_ns, row.address, row.user, row.target) == (AT, "10.0.0.7", b"ada", b"/a")
    assert (row.method, row.status, row.response_bytes, row.weight) == (POST, 201, 77, 3)
    assert (row.kind, row.duration_ns) == (EXCHANGE, 1_500_000)
    assert stats.line_count == 1


@pytest.mark.parametrize("mark", [b"\t", b";", b"|", b","])
def test_the_delimiter_is_found(mark):
    rows, _ = read(CSV.replace(b",", mark) + b"1431857103,::1,,/a".replace(b",", mark))
    assert [(row.address, row.user, row.target) for row in rows] == [("::1", b"", b"/a")]


@pytest.mark.parametrize(("cell", "text"), [
    (b'"/a,b"', b"/a,b"), (b'"/a""b"', b'/a"b'), (b'""""', b'"'), (b'""', b""), (b'/"a"', b'/"a"'),
    (b'"/a\\"', b"/a\\"),
])
def test_cells_are_quoted_as_rfc_4180_says(cell, text):
    rows, _ = read(CSV + b"1431857103,::1,ada," + cell + b",GET\n")
    assert [(row.target, row.method) for row in rows] == [(text, GET)]


@pytest.mark.parametrize("line", [
    b'1431857103,::1,ada,"/a,GET', b'1431857103,::1,ada,"/a"x,GET', b"1,2,3,4,5,6,7,8,9,10",
])
def test_a_broken_row_is_counted(line):
    rows, stats = read(CSV + line + b"\n")
    assert rows == []
    assert stats.unparsable_by == {"does not fit the format": 1}


def test_tabs_leave_quotes_alone():
    rows, _ = read(b'time\tpath\n1431857103\t"/a\n')
    assert rows[0].target == b'"/a'


def test_a_log_without_a_path_column_asks_for_nothing_else():
    rows, _ = read(b"TIMESTAMP,ContextTokens\n2023-11-16 18:17:03.9799600,4808\n")
    assert (rows[0].target, rows[0].method, rows[0].at_ns) == (b"", GET, 1700158623979960000)


def test_map_names_the_columns():
    text = b"when,who,what,how_long,n\n1431857103000,10.0.0.7,/a,250,9\n"
    rows, _ = read(text, maps="time=when:ms,ip=who,path=what,duration=how_long:us,weight=n")
    (row,) = rows
    assert (row.at_ns, row.address, row.target, row.duration_ns, row.weight) == (
        AT, "10.0.0.7", b"/a", 250_000, 9)


def test_map_counts_columns_from_one_where_there_is_no_header():
    rows, stats = read(b"10.0.0.7,/a,1431857103\n10.0.0.8,/b,1431857104\n",
                       maps="ip=1,path=2,time=3")
    assert [row.target for row in rows] == [b"/a", b"/b"]
    assert stats.line_count == 2


def test_one_column_may_be_two_things():
    rows, _ = read(b"time,who\n1431857103,10.0.0.7\n", maps="ip=who,user=who")
    assert (rows[0].address, rows[0].user) == ("10.0.0.7", b"10.0.0.7")


def test_a_time_may_be_the_end():
    rows, _ = read(b"time,duration\n1431857103,1.5\n", maps="time=time:end")
    assert rows[0].at_ns == AT - 3 * S // 2


@pytest.mark.parametrize(("maps", "why"), [
    ("nonsense", "FIELD=COLUMN"), ("colour=x", "is no field"), ("time=x", "no column 'x'"),
    ("time=time,time=ip", "given twice"), ("header=ip", "is no field"),
])
def test_a_wrong_map_says_what_is_wrong(maps, why):
    with pytest.raises(FormatError, match=why):
        read(CSV + b"1,2\n", maps=maps)


def test_host_is_the_client_only_where_nothing_better_is():
    rows, _ = read(b"time\thost\turl\n1431857103\ttriton\t/a\n")
    assert (rows[0].client, rows[0].host, rows[0].target) == (b"triton", b"", b"/a")
    rows, _ = read(b"time\thost\tclient_ip\turl\n1431857103\tshop\t10.0.0.7\t/a\n")
    assert (rows[0].address, rows[0].host) == ("10.0.0.7", b"shop")


# -- JSON lines ---------------------------------------------------------------------------------


def test_a_json_line_becomes_a_row():
    rows, _ = read(b'{"ts":1431857103.25,"request":{"remote_ip":"10.0.0.7","method":"POST",'
                   b'"uri":"/a","headers":{"X":["1","2"]}},"status":201,"size":77,'
                   b'"duration":2.5e-05,"user_id":""}\n')
    (row,) = rows
    # That is Caddy's, which writes a line when the answer has left.
    assert (row.at_ns, row.address, row.method) == (AT + S // 4 - 25_000, "10.0.0.7", POST)
    assert (row.target, row.status, row.response_bytes) == (b"/a", 201, 77)
    assert (row.kind, row.duration_ns, row.user) == (EXCHANGE, 25_000, b"")


@pytest.mark.parametrize(("text", "path"), [
    (rb'"/\u0041\u00e9\ud83d\ude00"', "/Aé😀".encode()), (rb'"/\"\\\/\n"', b'/"\\/\n'),
    (rb'"/\ud83d"', "/\ufffd".encode()), (rb'"/\u12"', rb"/\u12"), (b'"/\xff"', b"/\xff"),
    (b"null", b""), (b"7", b"7"), (b"true", b"true"), (b'["/x","/y"]', b"/x"), (b"[]", b""),
    (b'[{"path":"/no"}]', b""), (b'[["/in"],"/y"]', b"/in"), (b"{}", b""),
])
def test_a_json_value_is_read(text, path):
    rows, stats = read(b'{"time":1431857103,"path":"/"}\n{"time":1431857103,"path":' + text + b"}")
    assert [row.target for row in rows] == [b"/", path], stats


@pytest.mark.parametrize("line", [
    b"{", b"}", b"[]", b'{"time":1', b'{"time":}', b'{"time" 1}', b'{time:1}', b'{"time":1}}',
    b'{"time":1,}', b'{"time":1} x', b'{"time":1 "path":"/"}', b'{"time":1,"path":"/}',
    b'{"time":1,"x":[1,2}', b'{"time":1,"x":{"y":1]}', b'{"time":tru}', b"null", b'"x"',
    b'{"a":' * 100 + b"1" + b"}" * 100, b'{"time":1,"x":' + b"[" * 5000,
])
def test_a_broken_json_line_is_counted(line):
    rows, stats = read(b'{"time":1431857103}\n' + line + b"\n", "jsonl")
    assert len(rows) == 1
    assert stats.unparsable_by == {"does not fit the format": 1}


def test_a_key_deep_inside_or_with_dots_is_found():
    rows, _ = read(b'{"time":1431857103,"a":{"b":{"c":"/deep"}},"x":1}\n'
                   b'{"a.b.c":"/flat","time":1431857103}\n', maps="path=a.b.c")
    assert [row.target for row in rows] == [b"/deep", b"/flat"]


# -- who ----------------------------------------------------------------------------------------

WHO = """
version = 1
[service.web]
[tenant.acme]
plan = "gold"
[tenant.guest]
plan = "free"
[[identity]]
when = { ip = "192.0.2.0/24" }
tenant = "acme"
user = { header = "X-User" }
[[identity]]
when = { ip = ["10.0.0.0/8", "2001:db8::/33"] }
tenant = "guest"
user = { path_segment = 2 }
[[identity]]
when = { ip = "203.0.113.7" }
user = "ip"
[[identity]]
when = {}
user = "log_user"
"""


@pytest.mark.parametrize(("client", "tenant", "user"), [
    (b"192.0.2.255", 0, b"from-header"), (b"192.0.3.0", NONE, b"ada"), (b"10.255.0.1", 1, b"b"),
    (b"2001:db8:7fff::1", 1, b"b"), (b"2001:db8:8000::1", NONE, b"ada"),
    (b"203.0.113.7", NONE, b"203.0.113.7"), (b"triton", NONE, b"ada"), (b"-", NONE, b"ada"),
])
def test_the_first_identity_that_fits_says_who(client, tenant, user):
    text = (b"time,ip,user,path,x_user\n1431857103," + client + b",ada,/a/b/c?d,from-header\n")
    rows, _ = read(text, maps="header:X-User=x_user", config=config_of(WHO))
    assert [(row.tenant, row.user) for row in rows] == [(tenant, user)]
    assert rows[0].headers == b"\x06\x00\x0b\x00X-Userfrom-header"


@pytest.mark.parametrize(("path", "user"), [
    (b"/a/b", b"b"), (b"/a", b""), (b"/", b""), (b"", b""), (b"/a/?b", b""), (b"//b", b"b"),
    (b"/a/b/", b"b"), (b"/a?x/b", b""),
])
def test_a_path_segment_names_the_user(path, user):
    rows, _ = read(b"time,ip,path\n1431857103,10.0.0.1," + path, config=config_of(WHO))
    assert rows[0].user == user


def test_names_of_services_and_tenants_become_ids():
    text = (b"time,service,tenant\n1431857103,web,guest\n1431857103,nope,who\n1431857103,,\n"
            b"1431857103," + b"w" * 48 + b",acm\n")
    rows, stats = read(text, config=config_of(WHO))
    assert [(row.service, row.tenant) for row in rows] == [
        (0, 1), (NONE, NONE), (NONE, NONE), (NONE, NONE)]
    assert (stats.unknown_service_count, stats.unknown_tenant_count) == (2, 2)


# -- recorded traffic ---------------------------------------------------------------------------

LOGS = [
    ("web_day_1995.tsv.gz", 30969, 0, 482_000_467),
    ("web_combined_2015.log.gz", 9999, 1, None),
    ("cloud_api_calls_2023.jsonl.gz", 2900, 0, None),
    ("llm_tokens_2023.csv.gz", 8819, 0, None),
    ("microservice_spans_2022.csv.gz", 23292, 0, None),
]


@pytest.mark.parametrize(("name", "rows", "unparsable", "sent"), LOGS)
def test_a_recorded_log_needs_no_flags(name, rows, unparsable, sent):
    text = gzip.decompress(data("access-logs", name).read_bytes())
    found, stats = read(text)
    assert (len(found), stats.unparsable_count) == (rows, unparsable)
    if sent is not None:
        assert sum(row.response_bytes for row in found) == sent
        assert len({row.client or row.address for row in found}) == 2365
    if unparsable:
        assert stats.samples[0].line == 8899
