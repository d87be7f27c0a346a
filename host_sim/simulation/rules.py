# SPDX-License-Identifier: MIT
"""The rules of a scenario beyond its keys: of each row by itself, and of rows beside one another.
Every rule runs for itself and over everything it can read (ground.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from host_sim.config.diagnostics import did_you_mean
from host_sim.config.positions import Path
from host_sim.simulation import expect
from host_sim.simulation.ground import NOTHING, Ground, Unread

if TYPE_CHECKING:
    from host_sim.simulation.scenario import Scenario

CLASSES = ("critical", "high", "normal", "low", "batch")
ARRIVALS = ("poisson", "uniform", "bursts", "diurnal", "clients", "log")
TAKES = ("constant", "uniform", "exponential", "lognormal")
RATE_MAX_MHZ = 1_000_000_000  # of a diurnal rate: a million a second
POISSON_MAX_MHZ = 10_000_000_000  # ten million a second: gaps are cut to whole nanoseconds
PIECE_BYTES_MAX = 4096
FOLLOWED_MAX = 1_000_000  # RAY_SIMULATE_FOLLOWED_MAX


def alone(ground: Ground) -> None:
    """The rules of rows by themselves."""
    for section, rules in ALONE.items():
        for index in range(len(ground.rows[section])):
            for rule in rules:  # a rule may find that a field cannot be read
                ground.rule(rule, ground.rows[section][index], (section, index))


def checks(ground: Ground) -> tuple[Any, ...]:
    """The checks of the expectations; NOTHING in place of one that cannot be read."""
    found: list[Any] = []
    for index, row in enumerate(ground.rows["expect"]):
        try:
            found.append(expect.read(row.check))
        except Unread:
            found.append(NOTHING)
        except expect.BadCheck as error:
            found.append(NOTHING)
            ground.say(("expect", index, "check"), "bad-check", str(error))
    return tuple(found)


def together(ground: Ground, made: Scenario) -> None:
    """The rules of rows beside one another; `made` is what of the scenario can be read."""
    for section, rules in TOGETHER.items():
        for index in range(len(ground.rows[section])):
            for rule in rules:
                ground.rule(rule, ground.seen(made), ground.rows[section][index], (section, index))
    made = ground.seen(made)
    for every in (_same_names, _twice, _undescribed, _followed):
        ground.rule(every, made)
    for index, check in enumerate(made.checks):
        ground.rule(_check, made, index, check)


# -- clients ---------------------------------------------------------------------------------------
def _arrives(ground: Ground, row: Any, path: Path) -> None:
    arrivals = row.arrivals
    ground.one_of(arrivals, ARRIVALS, (*path, "arrivals"))
    if arrivals.clients is not None:
        _takes(ground, arrivals.clients.think, (*path, "arrivals", "clients", "think"))
    _random(ground, arrivals.poisson, (*path, "arrivals", "poisson"))
    if arrivals.diurnal is not None:
        low, high = (mhz(rate) for rate in (arrivals.diurnal.low, arrivals.diurnal.high))
        if not low <= high <= RATE_MAX_MHZ or high == 0:
            ground.say((*path, "arrivals", "diurnal", "high"), "out-of-range",
                       "high is at least low, at least 0.001/s and at most 1,000,000/s")


def _random(ground: Ground, rate: Any, path: Path) -> None:
    """Beyond it gaps would be cut to nothing, and time would stand still."""
    if rate is not None and mhz(rate) > POISSON_MAX_MHZ:
        ground.say(path, "out-of-range",
                   "at random at most 10,000,000/s; write uniform for more")


def mhz(rate: Any) -> int:
    """Thousandths of a request a second."""
    return int(rate.count * 10**12 // rate.period_ns)


def _numbered(ground: Ground, row: Any, path: Path) -> None:
    if row.user is not None and (row.user.count("{n}") > 1 or (
            "{n}" in row.user and not row.user.endswith("{n}"))):
        ground.say((*path, "user"), "conflict", 'a user ends in "{n}", or has none')


def _told_apart(ground: Ground, row: Any, path: Path) -> None:
    if row.users > 1 and row.ip is None and (row.user is None or "{n}" not in row.user):
        ground.say((*path, "users"), "conflict",
                   'nothing tells them apart; add user = "name-{n}" or ip')


def _until(ground: Ground, row: Any, path: Path) -> None:
    if row.until is not None and row.until <= row.from_:
        ground.say((*path, "until"), "conflict", "it ends after it begins")


def _asks(ground: Ground, row: Any, path: Path) -> None:
    if row.arrivals.log is None and not row.paths:
        ground.say(path, "missing-key", '"paths" is missing; say what is asked', True)


def _logged(ground: Ground, row: Any, path: Path) -> None:
    if row.arrivals.log is not None:
        for key in ("tenant", "user", "role", "class_", "ip", "paths", "again"):
            ground.rule(_with_a_log, row, path, key)


def _with_a_log(ground: Ground, row: Any, path: Path, field: str) -> None:
    if getattr(row, field):
        key = field.rstrip("_")
        ground.say((*path, key), "conflict",
                   f'with a log, "{key}" has no effect; leave it out', True)


def _paths(ground: Ground, row: Any, path: Path) -> None:
    for index, one in enumerate(row.paths):
        if len(one.path) > PIECE_BYTES_MAX or not one.path.isascii():
            ground.say((*path, "paths", index, "path"), "bad-path",
                       f"at most {PIECE_BYTES_MAX} ASCII characters")


# -- upstreams -------------------------------------------------------------------------------------
def _works(ground: Ground, row: Any, path: Path) -> None:
    ground.one_of(row, ("service", "pool"), path)


def _of_a_pool(ground: Ground, row: Any, path: Path) -> None:
    if row.instance is not None and row.pool is None:
        ground.say((*path, "instance"), "conflict", "an instance is one of a pool; add pool")


def _time(ground: Ground, row: Any, path: Path) -> None:
    _takes(ground, row.time, (*path, "time"))


def _takes(ground: Ground, row: Any, path: Path) -> None:
    ground.one_of(row, TAKES, path)
    if row.uniform is not None and row.uniform[0] > row.uniform[1]:
        ground.say((*path, "uniform"), "conflict", "the longer time comes second")


# -- events and expectations -----------------------------------------------------------------------
def _happens(ground: Ground, row: Any, path: Path) -> None:
    kind = ground.one_of(row, ("instance", "client", "clock", "line"), path)
    if kind == "instance" and row.does is None:
        ground.say((*path, "does"), "missing-key", "say what the instance does", True)
    if kind == "client" and row.rate is None:
        ground.say((*path, "rate"), "missing-key", "say its new rate", True)


def _stretch(ground: Ground, row: Any, path: Path) -> None:
    if row.during is not None and row.during[0] >= row.during[1]:
        ground.say((*path, "during"), "conflict", "its second instant is after its first")


ALONE = {
    "client": (_arrives, _numbered, _told_apart, _until, _asks, _logged, _paths),
    "upstream": (_works, _time, _of_a_pool),
    "event": (_happens,),
    "expect": (_stretch,),
}


# -- rows beside one another -----------------------------------------------------------------------
def _tenant(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    ground.known(row.tenant, made.config.tenants, (*path, "tenant"), "tenant")


def _service(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    if ground.known(row.service, made.config.services, (*path, "service"), "service"):
        pool = made.config.file.service[row.service].pool if row.service else None
        if pool:
            ground.say((*path, "service"), "conflict",
                       f'"{row.service}" has the pool "{pool}"; describe that')
            ground.unread((*path, "service"))


def _pool(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    ground.known(row.pool, made.config.file.pool, (*path, "pool"), "pool")


def _joined(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    if row.instance is None or row.pool is None:
        return
    there = made.pools().get(row.pool, [])
    if row.instance not in there and row.instance not in {
            one.instance for one in made.events if one.does == "join"}:
        ground.say((*path, "instance"), "unknown-reference",
                   f'"{row.instance}" is no instance of the pool and no event lets it join; '
                   + did_you_mean(row.instance, there, what="instance"))
        ground.unread((*path, "instance"))


def _too_late(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    if row.at >= made.head.duration:
        ground.say((*path, "at"), "out-of-range", "nothing happens after the scenario's end")


def _whose(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    if (ground.known(row.instance, _instances(made), (*path, "instance"), "instance")
            and row.does in ("join", "leave") and not made.pool_of(row.instance or "")):
        ground.say((*path, "does"), "conflict", "only an instance of a pool can do that")


def _instances(made: Scenario) -> list[str]:
    """Of what is described; where that cannot be read, everything there may be."""
    pooled = [name for pool in made.pools().values() for name in pool]
    try:
        return _described(made)
    except Unread:
        own = [one.instance for one in made.upstreams if one.instance is not None]
        return [*own, *pooled, *(name for name, service in made.config.file.service.items()
                                 if not service.pool)]


def _described(made: Scenario) -> list[str]:
    """Everything that the [[upstream]]s describe, as often as they do."""
    if any((one.service is None) == (one.pool is None) for one in made.upstreams):
        raise Unread("service")
    return [name for _, name in made.instances()]


def _rate(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    groups = {one.name: one for one in made.clients}
    if ground.known(row.client, groups, (*path, "client"), "client") and row.client:
        arrivals = groups[row.client].arrivals
        if arrivals.poisson is None and arrivals.uniform is None:
            ground.say((*path, "client"), "conflict",
                       "only poisson and uniform arrivals have a rate to change")
        if arrivals.poisson is not None:
            _random(ground, row.rate, (*path, "rate"))


def _within(ground: Ground, made: Scenario, row: Any, path: Path) -> None:
    if row.during is not None and row.during[1] > made.head.duration:
        ground.say((*path, "during"), "out-of-range", "it ends with the scenario")


TOGETHER = {
    "client": (_tenant,),
    "upstream": (_service, _pool, _joined),
    "event": (_too_late, _whose, _rate),
    "expect": (_within,),
}


def _same_names(ground: Ground, made: Scenario) -> None:
    seen: set[str] = set()
    for index, client in enumerate(made.clients):
        if client.name in seen:
            ground.say(("client", index, "name"), "duplicate-name",
                       f'two clients are "{client.name}"')
        seen.add(client.name)


def _twice(ground: Ground, made: Scenario) -> None:
    names = _described(made)
    for name in sorted({name for name in names if names.count(name) > 1}):
        ground.say(("upstream",), "duplicate-name", f'"{name}" is described twice', True)


def _undescribed(ground: Ground, made: Scenario) -> None:
    """Everything that may be asked is described."""
    names = _described(made)
    for name, service in made.config.file.service.items():
        wanted = made.pools()[service.pool] if service.pool else [name]
        for missing in (one for one in wanted if one not in names):
            ground.say(("upstream",), "missing-key",
                       f'nothing says how "{missing}" works; add an [[upstream]] for it', True)


def _followed(ground: Ground, made: Scenario) -> None:
    """Where each user went first is kept while `moved` is asked for."""
    if not any(term.metric == "moved" for check in made.checks
               if isinstance(check, expect.Check) for term in check.metrics()):
        return
    for index, client in enumerate(made.clients):
        if client.arrivals.log is not None or client.users > FOLLOWED_MAX:
            ground.say(("client", index), "bad-check",
                       f'"moved" follows users one by one: at most {FOLLOWED_MAX:,} of a group, '
                       "and none of a log", True)


# -- the numbers of a check ------------------------------------------------------------------------
def _check(ground: Ground, made: Scenario, index: int, check: expect.Check) -> None:
    for term in check.metrics():
        ground.rule(_term, made, term, ("expect", index, "check"))
        ground.rule(_term_during, made, index, term)


def _term_during(ground: Ground, made: Scenario, index: int, term: expect.Term) -> None:
    """Only what is counted as it happens can be counted from one instant to another."""
    path: Path = ("expect", index, "check")
    during = term.during or made.expects[index].during
    if during is None:
        return
    if term.metric not in expect.METRICS or term.metric.endswith("_max") or term.kind in (
            "rule", "reason"):
        ground.say(path, "bad-check",
                   f'"{term.text}" is known of the whole run only; leave during out')
    if term.during is not None and term.during[1] > made.head.duration:
        ground.say(path, "out-of-range", f'"{term.text}" ends with the scenario')


def _term(ground: Ground, made: Scenario, term: expect.Term, path: Path) -> None:
    names: dict[str, Callable[[], Iterable[str]]] = {
        "": lambda: ("",),
        "group": lambda: [one.name for one in made.clients],
        "class": lambda: CLASSES,
        "service": lambda: made.config.services,
        "instance": lambda: _instances(made),
        "tenant": lambda: made.config.tenants,
    }
    totals = term.metric in expect.TOTALS
    fits = {"bill": ("tenant", ""), "denied": (*names, "rule", "reason"),
            "breaches": ("", "service"), "passed_by": ("", "class"),
            "passed_by_bound": ("", "class"),
            **dict.fromkeys(expect.OF_SERVICES, ("", "service"))}.get(
        term.metric, ("",) if totals else ("", "group", "class", "service", "instance"))
    if term.kind not in fits:
        ground.say(path, "bad-check", f'"{term.metric}" is not counted by {term.kind}')
    elif term.extreme and (totals or term.metric == "bill" or term.kind not in names):
        ground.say(path, "bad-check", f'"{term.text}" cannot be compared; write a name')
    elif term.kind in names and not term.extreme:
        ground.known(term.name, names[term.kind](), path, term.kind)
