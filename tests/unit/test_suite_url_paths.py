# SPDX-License-Identifier: MIT
"""Path normalisation: httprouter's clean_path pairs and the examples of RFC 3986 section 5.4.

The gateway follows RFC 3986 where the two disagree: a last "." or ".." leaves a slash behind. It
never meets relative targets, so these are resolved against "/" (clean_path) or the base first.
"""

from __future__ import annotations

import json
import urllib.parse

import pytest

from host_sim.modules.gateway import ApiGateway, ApiRequest
from tests.data import data


@pytest.fixture
def gateway() -> ApiGateway:
    made = ApiGateway()
    made.register_service("one")
    made.add_route("/", service_id=0)
    return made


def canonical(gateway: ApiGateway, target: str) -> str:
    got = gateway.route_request(ApiRequest("GET", target))
    assert got.status == 200, target
    return got.path.decode() + (f"?{got.query.decode()}" if got.query else "")


def test_clean_path_pairs(gateway: ApiGateway, capsys: pytest.CaptureFixture[str]) -> None:
    same, by_rfc = 0, []
    for pair in json.loads(data("url-paths", "clean_path.json").read_text()):
        target = pair["in"] if pair["in"][:1] in ("", "/") else "/" + pair["in"]
        out = canonical(gateway, target)
        assert canonical(gateway, out) == out
        if out == pair["out"]:
            same += 1
        else:
            by_rfc.append((pair["in"], pair["out"], out))
    with capsys.disabled():
        print(f"\nurl-paths: clean_path {same} of 38 equal, {len(by_rfc)} by RFC 3986")
    assert by_rfc == [("/abc/def/..", "/abc", "/abc/")]
    assert same == 37


def merged(base: urllib.parse.SplitResult, ref: str) -> str | None:
    """The reference resolved but for its dot segments (RFC 3986 5.2.2 to 5.2.3); None when it is
    no path on the same host, or carries a fragment, which a request target never does."""
    parts = urllib.parse.urlsplit(ref)
    if parts.scheme not in ("", base.scheme) or parts.netloc or "#" in ref:
        return None
    path, query = parts.path, parts.query
    if path == "":
        path, query = base.path, query or base.query
    elif not path.startswith("/"):
        path = base.path.rsplit("/", 1)[0] + "/" + path
    return path + (f"?{query}" if query else "")


def test_rfc_3986_examples(gateway: ApiGateway, capsys: pytest.CaptureFixture[str]) -> None:
    suite = json.loads(data("url-paths", "rfc3986_resolution.json").read_text())
    base = urllib.parse.urlsplit(suite["base"])
    same = elsewhere = 0
    for case in suite["cases"]:
        target = merged(base, case["ref"])
        if target is None:
            elsewhere += 1
            continue
        wanted = case["target"].removeprefix(f"{base.scheme}://{base.netloc}")
        assert canonical(gateway, target) == wanted, case
        same += 1
    with capsys.disabled():
        print(
            f"\nurl-paths: RFC 3986 {same} of {len(suite['cases'])} equal, "
            f"{elsewhere} are no request targets (other host or scheme, fragment)"
        )
    assert same + elsewhere == len(suite["cases"]) == 42
    assert elsewhere <= 8
