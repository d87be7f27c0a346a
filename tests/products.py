# SPDX-License-Identifier: MIT
"""One line of each product's log as its documentation has it, and the row it must become."""

from __future__ import annotations

import calendar

S = 1_000_000_000
MS = 1_000_000

CLOUDFRONT_HEAD = (
    b"#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) "
    b"cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type "
    b"x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol "
    b"ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields "
    b"c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    b"sc-range-start sc-range-end\n")
IIS_HEAD = (
    b"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
    b"#Date: 2021-03-04 05:06:07\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query "
    b"s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status "
    b"time-taken\n")


def at(*when: int) -> int:
    """Unix nanoseconds of year, month, day, hour, minute, second, nanoseconds."""
    return calendar.timegm(when[:6]) * S + (when[6] if len(when) > 6 else 0)


# name: (head, line, label, (at_ns, client, method, target, host, status, sent, received, took_ns))
GOLDEN: dict[str, tuple[bytes, bytes, str, tuple[object, ...]]] = {
    "envoy": (
        b"", b'[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 7 226 100 '
        b'"192.0.2.9,10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" '
        b'"tcp://10.0.2.1:80"', "envoy",
        (at(2016, 4, 15, 20, 17, 0, 310 * MS), "10.0.35.28", 3, b"/api/v1/locations", b"locations",
         204, 7, 154, 226 * MS)),
    "istio": (
        b"", b'[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 '
        b'135 3 1 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" '
        b'"10.44.1.27:80" outbound|8000||httpbin.foo.svc.cluster.local 10.44.1.23:37652 '
        b'10.0.45.184:8000 10.44.1.23:46520 - default', "istio",
        (at(2020, 11, 25, 21, 26, 18, 409 * MS), "10.44.1.23", 1, b"/status/418", b"httpbin:8000",
         418, 135, 0, 3 * MS)),
    "envoy json": (
        b"", b'{"start_time":"2020-11-25T21:26:18.409Z","method":"GET","path":"/status/418",'
        b'"protocol":"HTTP/1.1","response_code":418,"response_flags":"-","bytes_received":0,'
        b'"bytes_sent":135,"duration":3,"x_forwarded_for":"-","user_agent":"curl","authority":'
        b'"httpbin:8000","upstream_host":"10.44.1.27:80","downstream_remote_address":'
        b'"10.44.1.23:46520","route_name":"default"}', "Envoy JSON lines",
        (at(2020, 11, 25, 21, 26, 18, 409 * MS), "10.44.1.23", 1, b"/status/418", b"httpbin:8000",
         418, 135, 0, 3 * MS)),
    "haproxy": (
        b"", b'10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 '
        b'2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"', "haproxy",
        (at(2009, 2, 6, 12, 14, 14, 655 * MS), "10.0.1.2", 1, b"/index.html", b"", 200, 2750, 0,
         109 * MS)),
    "haproxy in syslog": (
        b"", b'Feb  6 12:14:14 localhost haproxy[14389]: 2001:db8::7:443 [06/Feb/2009:12:14:14.655]'
        b' http-in static/srv1 10/0/30/69/+109 200 +2750 - - ---- 1/1/1/1/0 0/0 '
        b'"GET /q#22x HTTP/1.1"', "haproxy in syslog",
        (at(2009, 2, 6, 12, 14, 14, 655 * MS), "2001:db8::7", 1, b'/q"x', b"", 200, 2750, 0,
         109 * MS)),
    "alb": (
        b"", b'http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 '
        b'192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 '
        b'"GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:'
        b'us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 '
        b'"Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z '
        b'"forward" "-" "-" "10.0.0.1:80" "200" "-" "-"', "AWS ALB",
        (at(2018, 7, 2, 22, 22, 48, 364 * MS), "192.168.131.39", 1, b"/", b"www.example.com:80",
         200, 366, 34, 11_822_641_000)),
    "alb, old": (
        b"", b'https 2016-08-10T23:39:43.065466Z app/my-loadbalancer/50dc6c495c0c9188 '
        b'192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 '
        b'"GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ECDHE TLSv1.2 arn:aws:x',
        "AWS ALB, old",
        (at(2016, 8, 10, 23, 39, 42, 894_466_000), "192.168.131.39", 1, b"/",
         b"www.example.com:443", 200, 57, 0, 171 * MS)),
    "elb": (
        b"", b'2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 '
        b'0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" '
        b'"curl/7.38.0" - -', "AWS ELB",
        (at(2015, 5, 13, 23, 39, 43, 945_958_000), "192.168.131.39", 1, b"/",
         b"www.example.com:80", 200, 29, 0, 1_178_000)),
    "cloudfront": (
        CLOUDFRONT_HEAD, b"2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111.cloudfront.net\t"
        b"/in%2520dex%22.html\t200\t-\tMozilla/5.0%20(Windows)\tq=%2541\t-\tHit\tSOX4xwn4==\t"
        b"www.example.com\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\t"
        b"Hit\ttext/html\t78\t-\t-", "CloudFront",
        (at(2019, 12, 4, 21, 2, 30, 999 * MS), "192.0.2.100", 1, b'/in%20dex".html?q=%41',
         b"www.example.com", 200, 392, 23, MS)),
    "iis": (
        IIS_HEAD, b"2021-03-04 05:06:09 10.0.0.1 POST /a.aspx id=1 443 ada 10.1.1.1 "
        b"Mozilla/5.0+(X) - 201 0 0 1500", "IIS",
        (at(2021, 3, 4, 5, 6, 7, 500 * MS), "10.1.1.1", 3, b"/a.aspx?id=1", b"", 201, 0, 0,
         1500 * MS)),
    "caddy": (
        b"", b'{"level":"info","ts":1646861401.5241024,"logger":"http.log.access","msg":"handled '
        b'request","request":{"remote_ip":"10.9.9.9","remote_port":"41342","client_ip":"127.0.0.1",'
        b'"proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/a?b","headers":{"User-Agent"'
        b':["curl/7.82.0"],"X-Plan":["gold"]},"tls":{"resumed":false}},"bytes_read":3,"user_id":"",'
        b'"duration":0.000929675,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"]}}',
        "Caddy JSON lines",
        (1646861401_524102400 - 929_675, "127.0.0.1", 1, b"/a?b", b"localhost", 200, 10900, 3,
         929_675)),
}
