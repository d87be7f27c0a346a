# SPDX-License-Identifier: MIT
"""A configuration under virtual time, for the tests of those who wrote it.

    gate = Gate("shop.toml", at="2026-01-05T22:00:00Z")
    assert gate.post("/orders", client="10.1.0.7", user="ann").allowed
    answers = gate.burst(30, "/orders", client="10.1.0.7", user="ann")
    assert answers.allowed == 20
    assert answers[20].by == "per-user"
    gate.advance("1s")
    assert gate.get("/orders/7", client="10.1.0.7", user="ann")

It is the real core, and nothing sleeps. With pytest the fixture `raygate` makes gates and, where a
test fails, says what they decided last (host_sim/pytest_plugin.py).
"""

from __future__ import annotations

import collections
import dataclasses
import decimal
import difflib
import os
from typing import Any

import pydantic

from host_sim.config import Config, load, loads
from host_sim.config.expectations import fields_of
from host_sim.config.expected import ExpectedRequest
from host_sim.config.units import UnitError, duration_text, parse_duration, parse_time
from host_sim.decision import NEVER, Decision
from host_sim.errors import ArgumentError, UnknownError
from host_sim.kernel import Kernel
from host_sim.printing import printable
from host_sim.replay import governed
from host_sim.report.units import instant

NOON = "2026-01-05T12:00:00Z"  # a Monday
REMEMBERED = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request; true when it may go on. `retry_after` is a duration as the
    configuration writes it, "" when there is nothing to wait for, "never" when no wait helps.
    `why` is the whole journey of a request that was refused. `decision` says everything else."""

    asked: str
    at_ns: int
    decision: Decision
    why: str = dataclasses.field(default="", repr=False)

    @property
    def allowed(self) -> bool:
        """True when it may go on, now or after a wait."""
        return self.decision.allowed

    @property
    def status(self) -> int:
        """The HTTP status its client gets from the gateway; 200 when it is sent on."""
        return self.decision.http_status

    @property
    def reason(self) -> str:
        """The stable word: ok, rate-limited, quota-exceeded, policy-denied, queued ..."""
        return self.decision.reason

    @property
    def by(self) -> str:
        """The limit, quota, policy, route or queue that bound; "" when none did."""
        return self.decision.by

    @property
    def would_deny(self) -> tuple[str, ...]:
        """The limits and quotas in shadow mode that would have denied it."""
        return tuple(shadow.by for shadow in self.decision.shadow)

    @property
    def queued(self) -> bool:
        """True when it was admitted and waits for a server."""
        return self.decision.queued

    @property
    def retry_after(self) -> str:
        """When to try again."""
        wait = self.decision.retry_after_ns
        if not wait:
            return ""
        return "never" if wait == NEVER else duration_text(wait)

    def __bool__(self) -> bool:
        return self.allowed

    def __str__(self) -> str:
        said = f"{self.asked}: {self.decision.verdict.name.lower()} {self.status}, {self.reason}"
        if self.by:
            said += f" by {self.decision.by_kind} {self.by}"
        if self.retry_after:
            said += f", retry after {self.retry_after}"
        return printable(said)

    __repr__ = __str__


class Replies(tuple[Reply, ...]):
    """The replies to a burst, in order."""

    @property
    def allowed(self) -> int:
        """How many may go on."""
        return sum(reply.allowed for reply in self)

    @property
    def denied(self) -> int:
        """How many may not."""
        return len(self) - self.allowed

    @property
    def reasons(self) -> dict[str, int]:
        """How often each reason was given, most first."""
        return dict(collections.Counter(reply.reason for reply in self).most_common())

    def __repr__(self) -> str:
        said = ", ".join(f"{number} {reason}" for reason, number in self.reasons.items())
        return f"{self.allowed} of {len(self)} allowed ({said})"


class Gate:
    """One configuration, an empty core, and a clock that only this object moves.

    `config` is a TOML file, its text (anything with a line feed), or a Config. `at` is the first
    instant, as the configuration writes times. Raises ConfigError, OSError and ArgumentError.
    """

    def __init__(
        self, config: Config | str | os.PathLike[str], *, at: str = NOON, profile: str = "seed"
    ) -> None:
        if isinstance(config, str) and "\n" in config:
            config = loads(config, profile=profile)
        elif not isinstance(config, Config):
            config = load(config, profile=profile)
        self.config = config
        self.kernel = Kernel(profile=profile, config=config)
        self.now_ns = self.kernel.tick(_instant(at))
        self._last: collections.deque[Reply] = collections.deque(maxlen=REMEMBERED)

    # -- time -----------------------------------------------------------------------------------
    def advance(self, by: str) -> int:
        """Lets so much time pass ("90s", "1h30m"); returns the new instant, Unix nanoseconds."""
        if not isinstance(by, str):
            raise ArgumentError(f"{by!r} is no duration: write it as text, "
                                f"{_seconds(by)} for seconds")
        try:
            self.now_ns = self.kernel.tick(self.now_ns + parse_duration(by))
        except UnitError as error:
            raise ArgumentError(str(error)) from None
        return self.now_ns

    def until(self, at: str) -> int:
        """Lets time pass until an instant; one that is past raises ArgumentError."""
        wanted = _instant(at)
        if wanted < self.now_ns:
            raise ArgumentError(f"{at} is past: time never runs backwards here")
        self.now_ns = self.kernel.tick(wanted)
        return self.now_ns

    def settle(self) -> int:
        """Lets everything in flight end; returns the instant then."""
        self.now_ns = self.kernel.settle()
        return self.now_ns

    # -- requests -------------------------------------------------------------------------------
    def request(self, path: str = "/", *, method: str = "GET", **said: Any) -> Reply:
        """One request, now. `said` is what a [[test]] of the configuration may say: `client`
        (address or name), `user`, `tenant`, `role`, `host`, `headers`, `service`, `priority`,
        `weight`, `body` and `response` (sizes), `duration` (how long its service takes: meanwhile
        it holds a server). Who it is for is found by [[identity]], as in a replay.

        Raises ArgumentError for a field that does not exist or cannot be.
        """
        fields = self._fields(path, method, said)
        asked = f"{method} {path}"
        decision = self.kernel.admit(path, at_ns=self.now_ns, exchange=True, **fields)
        why = "" if decision.allowed else self.kernel.explain(path, **fields)
        reply = Reply(asked, self.now_ns, decision, why)
        self._last.append(reply)
        return reply

    def get(self, path: str = "/", **said: Any) -> Reply:
        """`request` with GET."""
        return self.request(path, method="GET", **said)

    def post(self, path: str = "/", **said: Any) -> Reply:
        """`request` with POST."""
        return self.request(path, method="POST", **said)

    def put(self, path: str = "/", **said: Any) -> Reply:
        """`request` with PUT."""
        return self.request(path, method="PUT", **said)

    def delete(self, path: str = "/", **said: Any) -> Reply:
        """`request` with DELETE."""
        return self.request(path, method="DELETE", **said)

    def burst(
        self, count: int, path: str = "/", *, every: str = "0s", method: str = "GET", **said: Any
    ) -> Replies:
        """So many equal requests, `every` so much time one, all at this instant by default.
        Raises ArgumentError for what is no number of requests."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ArgumentError(f"{count!r} is no number of requests: "
                                "write burst(20, \"/path\")")
        replies = []
        for number in range(count):
            if number and every != "0s":
                self.advance(every)
            replies.append(self.request(path, method=method, **said))
        return Replies(replies)

    def explain(self, path: str = "/", *, method: str = "GET", **said: Any) -> str:
        """What would come of a request now, stage by stage; nothing is spent."""
        explained: str = self.kernel.explain(path, **self._fields(path, method, said))
        return explained

    def _fields(self, path: str, method: str, said: dict[str, Any]) -> dict[str, Any]:
        try:
            request = ExpectedRequest.model_validate({"path": path, "method": method, **said})
        except pydantic.ValidationError as error:
            raise ArgumentError("; ".join(map(_wrong, error.errors()))) from None
        if request.service is not None and request.service not in self.config.services:
            raise UnknownError(f"no service is called {request.service!r}")
        if request.tenant is not None and request.tenant not in self.config.tenants:
            raise UnknownError(f"no tenant is called {request.tenant!r}")
        return fields_of(self.config, request)

    # -- what came of it ------------------------------------------------------------------------
    def bill(self, tenant: str = "") -> decimal.Decimal:
        """What a tenant was charged so far, in units of money rounded down to 10^-9; "" asks for
        requests of nobody in particular."""
        if tenant and tenant not in self.config.tenants:
            raise UnknownError(f"no tenant is called {tenant!r}")
        bills = {bill.tenant: bill.amount() for bill in governed.read(self.kernel).bills}
        return decimal.Decimal(bills.get(tenant, "0"))

    def said(self) -> str:
        """The last replies, and why the last refused one was: for the report of a failed test."""
        lines = [f"{self.config.path} at {instant(self.now_ns)}, hash {self.config.hash}"]
        lines += [f"  {reply}" for reply in self._last]
        refused = [reply for reply in self._last if reply.why]
        if refused:
            lines += ["", f"why {refused[-1].asked} was refused:", refused[-1].why.rstrip("\n")]
        return "\n".join(lines)


def _wrong(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{place}: {error['msg']}"
    known = [name for name in ExpectedRequest.model_fields if name not in ("path", "method")]
    near = difflib.get_close_matches(place, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"a request has no field {place!r}: {hint}"


def _seconds(by: object) -> str:
    number = isinstance(by, int | float) and not isinstance(by, bool)
    return f'"{by}s"' if number else '"90s"'


def _instant(at: str) -> int:
    if not isinstance(at, str):
        raise ArgumentError(f'{at!r} is no instant: write it as text, "{NOON}"')
    try:
        return parse_time(at)
    except UnitError as error:
        raise ArgumentError(str(error)) from None


__all__ = ["Gate", "Replies", "Reply"]
