# SPDX-License-Identifier: MIT
"""The configuration that the tests of the whole Kernel share."""

S = 10**9
TEXT = """version = 1
[trust]
client_ip = "x-forwarded-for"
proxies = ["10.0.0.0/8", "2001:db8:ffff::/48"]
[tenant.acme]
[service.shop]
timeout = "2s"
[[route]]
name = "shop"
service = "shop"
path = { prefix = "/" }
[[limit]]
name = "per-address"
scope = "ip"
algorithm = "token_bucket"
rate = "1/s"
burst = 2
[[quota]]
name = "month"
tenant = "acme"
type = "requests"
limit = 4
window = "month"
"""
