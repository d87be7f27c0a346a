# SPDX-License-Identifier: MIT
"""The lines of proxies and load balancers: Envoy, HAProxy, and those of AWS.

Sources: Envoy's access logging documentation, HAProxy's configuration manual (sections 8.2.3 and
8.2.6), the user guides of AWS for the access logs of application and classic load balancers.
"""

from __future__ import annotations

import re

from host_sim.replay.formats import Parts, assemble, compiled
from host_sim.replay.program import Field, FormatError, Program

# -- Envoy --------------------------------------------------------------------------------------

_REQUEST = '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
_ENDING = ('%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% '
           '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
           '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"')
ENVOY = _REQUEST + "%RESPONSE_CODE% %RESPONSE_FLAGS% " + _ENDING
ISTIO = (_REQUEST + "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
         '%CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" ' + _ENDING
         + " %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% "
         "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%")
ENVOY_OPERATOR = re.compile(r"%([A-Z][A-Z0-9_]{2,})(?:\(([^)]*)\))?(?::(\d+))?%")

_ENVOY = {
    "RESPONSE_CODE": Field("status"), "BYTES_RECEIVED": Field("request_bytes"),
    "BYTES_SENT": Field("bytes"), "DURATION": Field("duration", unit="ms"),
}
# Whom the request is from, best first. Envoy's own idea of the address comes before the header,
# which it appends to, and that before the peer it spoke to.
_ENVOY_CLIENTS = (
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_REMOTE_ADDRESS", "REQ(X-FORWARDED-FOR)",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS")
_PSEUDO = {":METHOD": "method", ":PATH": "path", "X-ENVOY-ORIGINAL-PATH": "path",
           ":AUTHORITY": "host", "HOST": "host"}


def _start_time(form: str) -> Field:
    if not form or form.startswith(("%Y-%m-%d", "%Y/%m/%d", "%d/%b/%Y:")):
        return Field("time")
    if form in ("%s", "%s.%3f", "%s.%6f", "%s.%9f"):
        return Field("time", unit="s")
    raise FormatError(f"%START_TIME({form})% is not read: use %START_TIME%, %s with or without "
                      "%3f, or %Y-%m-%dT%H:%M:%S")


def _envoy_field(match: re.Match[str], client: str) -> Parts:
    word, argument = match[1], match[2] or ""
    if word == "START_TIME":
        return [_start_time(argument)]
    if word == "REQ":
        name = argument.split("?")[0].upper()
        if name in _PSEUDO:
            return [Field(_PSEUDO[name])]
        header = "-".join(part.capitalize() for part in name.split("-"))
        also = "ip" if client == f"REQ({name})" else ""
        return [Field("header", header=header, also=also)]
    if word == client:
        return [Field("ip")]
    return [_ENVOY.get(word, Field("skip"))]


def compile_envoy(text: str, label: str = "Envoy") -> Program:
    """An Envoy format string, text or JSON. %START_TIME% is when the request came, %DURATION% is
    in milliseconds; without an address operator the client is the last of X-Forwarded-For."""
    text = text.replace("\\n", "").rstrip("\n")
    said = {f"{m[1]}({m[2].upper()})" if m[1] == "REQ" else m[1]
            for m in ENVOY_OPERATOR.finditer(text)}
    client = next((name for name in _ENVOY_CLIENTS if name in said), "")
    return compiled(text, ENVOY_OPERATOR, lambda m: _envoy_field(m, client), label, escape="plain",
                    hint="%START_TIME% for Envoy")


# -- HAProxy ------------------------------------------------------------------------------------

HTTPLOG = ('%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc '
           '%ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r')
HAPROXY_HINT = re.compile(
    r"%(?:\{[-+A-Z,]*\})?(?:ci|tr|trg|trl|ST|HM|HU|HP|HPO|HV|TR|Ta|Tt|Tw|Tc|ft|fc|bq|tsc)\b")
_HAPROXY_WORD = re.compile(
    r"%(?:\{([^}]*)\})?(?:(ci:%cp)|(\[[^\]]*\])|([A-Za-z]+))")
_HAPROXY = {
    "ci": Field("ip"), "tr": Field("time"), "t": Field("time"), "trg": Field("time"),
    "trl": Field("time"), "T": Field("time"), "Tl": Field("time"), "Ts": Field("time", unit="s"),
    "ST": Field("status"), "B": Field("bytes"), "U": Field("request_bytes"),
    "HM": Field("method"), "HU": Field("path"), "HP": Field("path"), "HPO": Field("path"),
    "HQ": Field("query"), "r": Field("request"), "Ta": Field("duration", unit="ms"),
    "Tt": Field("duration", unit="ms"),
}
_SYSLOG = ("", "]: ", " - - ", "haproxy: ")  # what stands before the line, up to its end


def _haproxy_field(match: re.Match[str]) -> Parts:
    flags, client, sample, word = match[1] or "", match[2], match[3], match[4]
    if client:
        return [Field("ip", unit="port")]
    if word == "o":
        raise FormatError("%{...}o sets a flag for all that follows: set it for each field instead")
    field = Field("ip") if sample == "[src]" else _HAPROXY.get(word or "", Field("skip"))
    return ['"', field, '"'] if "+Q" in flags else [field]


def compile_haproxy(text: str, label: str = "HAProxy", prefix: str = "") -> Program:
    """A HAProxy log-format. All of its dates are when the request came; Ta and Tt are
    milliseconds. `prefix` is what ends the words a syslog server puts in front."""
    text = text.replace('\\"', '"').replace("\\ ", " ")
    # Captured headers are there or not: what is before them goes on up to the request's quote.
    text = text.replace(" %hr %hs %{+Q}r", " %{+Q}r")
    program = compiled(text, _HAPROXY_WORD, _haproxy_field, label, escape="hash",
                       hint="[%tr] for HAProxy")
    if not prefix:
        return program
    first, *rest = program.fields
    return Program("FORMAT", (Field("skip"), Field(
        first.target, name=prefix + first.name, unit=first.unit, escape=first.escape), *rest),
        f"{label} in syslog")


# -- AWS ----------------------------------------------------------------------------------------


def _balancer(words: str, label: str, *, time_is_end: bool) -> Program:
    """Fields between spaces; one that ends in " is in quotes."""
    parts: Parts = []
    for word in words.split():
        target, _, unit = word.strip('"').partition(":")
        if target == "agent":
            field = Field("header", header="User-Agent")
        else:
            field = Field(target, unit=unit)
        parts += [" "] if parts else []
        parts += ['"', field, '"'] if word.endswith('"') else [field]
    return Program("FORMAT", assemble(parts, "plain"), label, time_is_end=time_is_end)


_SPLIT = "duration:s duration_2:s duration_3:s"
_COMMON = 'status skip request_bytes bytes request" agent"'


def aws() -> tuple[Program, ...]:
    """Lines of an application load balancer, of one before it wrote when a request came, and of a
    classic one. Newer lines with more fields at their end fit the first.

    The time of an application load balancer is when the answer was made; it names when the request
    came, and without that the three processing times are taken off. The time of a classic one is
    when the request came.
    """
    rest = 'skip skip skip skip" skip" skip" skip'
    return (
        _balancer(f"skip end skip ip:port skip skip skip skip {_COMMON} {rest} time skip",
                  "AWS ALB", time_is_end=False),
        _balancer(f"skip time skip ip:port skip {_SPLIT} {_COMMON} skip", "AWS ALB, old",
                  time_is_end=True),
        _balancer(f"time skip ip:port skip {_SPLIT} {_COMMON} skip", "AWS ELB",
                  time_is_end=False),
    )


NAMED = {
    "envoy": lambda: (compile_envoy(ENVOY, "envoy"),),
    "istio": lambda: (compile_envoy(ISTIO, "istio"),),
    "haproxy": lambda: tuple(compile_haproxy(HTTPLOG, "haproxy", p) for p in _SYSLOG),
    "alb": aws,
}


def candidates(form: str) -> tuple[Program, ...]:
    """The ways a line of `form` may look, where there are several; empty where there are not."""
    if form in NAMED:
        return NAMED[form]()
    if HAPROXY_HINT.search(form) and not ENVOY_OPERATOR.search(form):
        return tuple(compile_haproxy(form, "HAProxy", prefix) for prefix in _SYSLOG)
    return ()
