# SPDX-License-Identifier: MIT
"""Reading a scenario: every error of the file at once, with its place, as for a configuration."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path as FilePath
from typing import Any

from host_sim import config
from host_sim.config import Config, ConfigError
from host_sim.config.diagnostics import Diagnostic, did_you_mean
from host_sim.config.positions import Path, Positions, read
from host_sim.config.validate import check_row
from host_sim.simulation import expect
from host_sim.simulation.model import LISTS, Client, Event, Expect, Head, Takes, Upstream

CLASSES = ("critical", "high", "normal", "low", "batch")
ARRIVALS = ("poisson", "uniform", "bursts", "diurnal", "clients", "log")
TAKES = ("constant", "uniform", "exponential", "lognormal")
RATE_MAX_MHZ = 1_000_000_000  # of a diurnal rate: a million a second
PIECE_BYTES_MAX = 4096
FOLLOWED_MAX = 1_000_000  # RAY_SIMULATE_FOLLOWED_MAX


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A scenario that holds together: every name in it is one of its configuration's."""

    name: str
    head: Head
    clients: tuple[Client, ...]
    upstreams: tuple[Upstream, ...]
    events: tuple[Event, ...]
    expects: tuple[Expect, ...]
    checks: tuple[expect.Check, ...]
    config: Config
    source: bytes = dataclasses.field(repr=False)

    def beside(self, path: str) -> FilePath:
        """A path that counts from the scenario's own folder."""
        return FilePath(self.name).parent / path

    def files(self) -> list[str]:
        """Every file it is read from: itself, its configuration, its logs."""
        logs = (client.arrivals.log for client in self.clients)
        return [self.name, self.config.path,
                *(os.fspath(self.beside(log.file)) for log in logs if log is not None)]

    def pools(self) -> dict[str, list[str]]:
        """The instances of each pool that the configuration names, `host:port`."""
        return {name: [f"{one.at[0]}:{one.at[1]}" for one in pool.instances]
                for name, pool in self.config.file.pool.items()}

    def pool_of(self, instance: str) -> str:
        """The pool an instance is, or will be, in; "" of a service without one."""
        for one in self.upstreams:
            if one.pool is not None and one.instance == instance:
                return one.pool
        return next((name for name, ones in self.pools().items() if instance in ones), "")

    def instances(self) -> list[tuple[Upstream, str]]:
        """Everything that works: its description and its name, a pool's in the file's order; one
        that is described by itself is not described by its pool."""
        alone = {(one.pool, one.instance) for one in self.upstreams if one.instance is not None}
        found: list[tuple[Upstream, str]] = []
        for one in self.upstreams:
            if one.service is not None:
                found.append((one, one.service))
            elif one.instance is not None:
                found.append((one, one.instance))
            else:
                found += [(one, at) for at in self.pools()[one.pool or ""]
                          if (one.pool, at) not in alone]
        return found


class _Ground:
    """What the checks share: the raw file, where everything stands, and what was found."""

    def __init__(self, raw: dict[str, Any], positions: Positions) -> None:
        self.raw, self.positions = raw, positions
        self.findings: list[Diagnostic] = []
        self.rows: dict[str, list[Any]] = {section: [] for section in LISTS}

    def say(self, path: Path, code: str, message: str, at_key: bool = False) -> None:
        place = self.positions.of_key(path) if at_key else self.positions.of_value(path)
        self.findings.append(Diagnostic(*place, code, message))

    def one_of(self, row: Any, keys: tuple[str, ...], path: Path) -> str | None:
        """The one key of these that is there; None after a finding."""
        if row is None:
            return None
        there = [key for key in keys if getattr(row, key, None) is not None]
        if len(there) == 1:
            return there[0]
        what = f"only one of {', '.join(there)}" if there else f"one of {', '.join(keys)}"
        self.say(path, "conflict" if there else "missing-key", f"write {what}", True)
        return None

    def known(self, word: str | None, names: Any, path: Path, what: str) -> bool:
        """Whether the name is one of them; a finding when it is not."""
        names = list(names)
        if word is None or word in names:
            return True
        self.say(path, "unknown-reference",
                 f'no {what} "{word}"; {did_you_mean(word, names, what=what)}')
        return False


def load(path: str | os.PathLike[str]) -> Scenario:
    """A scenario's file and its configuration. ConfigError holds every finding, OSError when one
    of the two cannot be read."""
    return loads(FilePath(path).read_bytes(), name=os.fspath(path))


def loads(source: bytes | str, *, name: str = "<text>") -> Scenario:
    """The same of text; the configuration's path counts from `name`'s folder."""
    data = source.encode() if isinstance(source, str) else source
    raw, positions, findings = read(data)
    if raw is None:
        raise ConfigError(name, findings)
    ground = _Ground(raw, positions)
    head = check_row(Head, {key: value for key, value in raw.items() if key not in LISTS}, (),
                     ground.say)
    for section, model in LISTS.items():
        _list(ground, section, model)
    loaded = _config(ground, head, name)
    checks = _checks(ground)
    if loaded is not None and not ground.findings:
        clients, upstreams, events, expects = (tuple(ground.rows[key]) for key in LISTS)
        made = Scenario(name, head, clients, upstreams, events, expects, tuple(checks), loaded,
                        data)
        _references(ground, made)
        if not ground.findings:
            return made
    raise ConfigError(name, sorted(set(ground.findings)))


def _list(ground: _Ground, section: str, model: Any) -> None:
    rows = ground.raw.get(section, [])
    if not isinstance(rows, list):
        ground.say((section,), "wrong-type", f"write [[{section}]] once for each")
        return
    for index, raw in enumerate(rows):
        before = len(ground.findings)
        row = check_row(model, raw, (section, index), ground.say)
        if row is not None and len(ground.findings) == before:
            _shape(ground, row, (section, index))
        ground.rows[section].append(row)
    if not rows and section in ("client", "upstream"):
        ground.say((), "missing-key", f"nothing to simulate: add a [[{section}]]", True)


def _config(ground: _Ground, head: Any, name: str) -> Config | None:
    if head is None or not isinstance(getattr(head, "config", None), str):
        return None
    path = FilePath(name).parent / head.config
    try:
        return config.load(path, profile=getattr(head, "profile", "seed") or "seed")
    except OSError as error:
        ground.say(("config",), "unknown-reference", f"cannot read {path}: {error.strerror}")
    except ConfigError as error:
        first, more = error.diagnostics[0].text(str(path)), len(error.diagnostics) - 1
        ground.say(("config",), "conflict", f"the configuration cannot be used: {first}"
                   + (f", and {more} more" if more else ""))
    return None


# -- rows by themselves ----------------------------------------------------------------------------
def _shape(ground: _Ground, row: Any, path: Path) -> None:
    if isinstance(row, Client):
        _client(ground, row, path)
    elif isinstance(row, Upstream):
        ground.one_of(row, ("service", "pool"), path)
        _takes(ground, row.time, (*path, "time"))
        if row.instance is not None and row.pool is None:
            ground.say((*path, "instance"), "conflict", "an instance is one of a pool; add pool")
    elif isinstance(row, Event):
        _event(ground, row, path)
    elif row.during is not None and row.during[0] >= row.during[1]:
        ground.say((*path, "during"), "conflict", "its second instant is after its first")


def _takes(ground: _Ground, row: Takes, path: Path) -> None:
    ground.one_of(row, TAKES, path)
    if row.uniform is not None and row.uniform[0] > row.uniform[1]:
        ground.say((*path, "uniform"), "conflict", "the longer time comes second")


def _client(ground: _Ground, row: Client, path: Path) -> None:
    kind = ground.one_of(row.arrivals, ARRIVALS, (*path, "arrivals"))
    if kind == "clients" and row.arrivals.clients is not None:
        _takes(ground, row.arrivals.clients.think, (*path, "arrivals", "clients", "think"))
    low_high = row.arrivals.diurnal
    if low_high is not None:
        low, high = (mhz(rate) for rate in (low_high.low, low_high.high))
        if not low <= high <= RATE_MAX_MHZ or high == 0:
            ground.say((*path, "arrivals", "diurnal", "high"), "out-of-range",
                       "high is at least low, at least 0.001/s and at most 1,000,000/s")
    if row.user is not None and row.user.count("{n}") > 1 or (
            row.user is not None and "{n}" in row.user and not row.user.endswith("{n}")):
        ground.say((*path, "user"), "conflict", 'a user ends in "{n}", or has none')
    if row.users > 1 and row.ip is None and (row.user is None or "{n}" not in row.user):
        ground.say((*path, "users"), "conflict",
                   'nothing tells them apart; add user = "name-{n}" or ip')
    if row.until is not None and row.until <= row.from_:
        ground.say((*path, "until"), "conflict", "it ends after it begins")
    logged = row.arrivals.log is not None
    if not logged and not row.paths:
        ground.say(path, "missing-key", '"paths" is missing; say what is asked', True)
    for key in ("tenant", "user", "role", "class_", "ip", "paths", "again") if logged else ():
        if getattr(row, key):
            ground.say((*path, key.rstrip("_")), "conflict",
                       f'with a log, "{key.rstrip("_")}" has no effect; leave it out', True)
    for index, one in enumerate(row.paths):
        if len(one.path) > PIECE_BYTES_MAX or not one.path.isascii():
            ground.say((*path, "paths", index, "path"), "bad-path",
                       f"at most {PIECE_BYTES_MAX} ASCII characters")


def mhz(rate: Any) -> int:
    """Thousandths of a request a second."""
    return int(rate.count * 10**12 // rate.period_ns)


def _event(ground: _Ground, row: Event, path: Path) -> None:
    kind = ground.one_of(row, ("instance", "client", "clock", "line"), path)
    if kind == "instance" and row.does is None:
        ground.say((*path, "does"), "missing-key", "say what the instance does", True)
    if kind == "client" and row.rate is None:
        ground.say((*path, "rate"), "missing-key", "say its new rate", True)


# -- expectations ----------------------------------------------------------------------------------
def _checks(ground: _Ground) -> list[expect.Check]:
    checks = []
    for index, row in enumerate(ground.rows["expect"]):
        if row is None or not isinstance(row.check, str):
            continue
        try:
            checks.append(expect.read(row.check))
        except expect.BadCheck as error:
            ground.say(("expect", index, "check"), "bad-check", str(error))
    return checks


# -- rows beside one another -----------------------------------------------------------------------
def _references(ground: _Ground, made: Scenario) -> None:
    _names(ground, made)
    if ground.findings:
        return
    _coverage(ground, made)
    at = [name for _, name in made.instances()]
    groups = {one.name: one for one in made.clients}
    for index, event in enumerate(made.events):
        path: Path = ("event", index)
        if event.at >= made.head.duration:
            ground.say((*path, "at"), "out-of-range", "nothing happens after the scenario's end")
        ground.known(event.instance, at, (*path, "instance"), "instance")
        if event.does in ("join", "leave") and not made.pool_of(event.instance or ""):
            ground.say((*path, "does"), "conflict", "only an instance of a pool can do that")
        if ground.known(event.client, groups, (*path, "client"), "client") and event.client:
            arrivals = groups[event.client].arrivals
            if arrivals.poisson is None and arrivals.uniform is None:
                ground.say((*path, "client"), "conflict",
                           "only poisson and uniform arrivals have a rate to change")
    for index, check in enumerate(made.checks):
        for term in check.metrics():
            _term(ground, made, term, ("expect", index, "check"))
        _during(ground, made, index, check)
    _followed(ground, made)


def _followed(ground: _Ground, made: Scenario) -> None:
    """Where each user went first is kept while `moved` is asked for."""
    terms = [term for check in made.checks for term in check.metrics()]
    if not any(term.metric == "moved" for term in terms):
        return
    for index, client in enumerate(made.clients):
        if client.arrivals.log is not None or client.users > FOLLOWED_MAX:
            ground.say(("client", index), "bad-check",
                       f'"moved" follows users one by one: at most {FOLLOWED_MAX:,} of a group, '
                       "and none of a log", True)


def _during(ground: _Ground, made: Scenario, index: int, check: expect.Check) -> None:
    """Only what is counted as it happens can be counted from one instant to another."""
    whole = made.expects[index].during
    if whole is not None and whole[1] > made.head.duration:
        ground.say(("expect", index, "during"), "out-of-range", "it ends with the scenario")
    for term in check.metrics():
        during = term.during or whole
        if term.during is not None and term.during[1] > made.head.duration:
            ground.say(("expect", index, "check"), "out-of-range",
                       f'"{term.text}" ends with the scenario')
        if during is None:
            continue
        if term.metric not in expect.METRICS or term.metric.endswith("_max") or term.kind in (
                "rule", "reason"):
            ground.say(("expect", index, "check"), "bad-check",
                       f'"{term.text}" is known of the whole run only; leave during out')


def _names(ground: _Ground, made: Scenario) -> None:
    seen: set[str] = set()
    for index, client in enumerate(made.clients):
        path: Path = ("client", index)
        if client.name in seen:
            ground.say((*path, "name"), "duplicate-name", f'two clients are "{client.name}"')
        seen.add(client.name)
        ground.known(client.tenant, made.config.tenants, (*path, "tenant"), "tenant")
    for index, one in enumerate(made.upstreams):
        path = ("upstream", index)
        if ground.known(one.service, made.config.services, (*path, "service"), "service"):
            pool = made.config.file.service[one.service].pool if one.service else None
            if pool:
                ground.say((*path, "service"), "conflict",
                           f'"{one.service}" has the pool "{pool}"; describe that')
        ground.known(one.pool, made.config.file.pool, (*path, "pool"), "pool")


def _coverage(ground: _Ground, made: Scenario) -> None:
    """Everything that may be asked is described, and only once."""
    names = [name for _, name in made.instances()]
    for name in sorted({name for name in names if names.count(name) > 1}):
        ground.say(("upstream",), "duplicate-name", f'"{name}" is described twice', True)
    joining = {one.instance for one in made.events if one.does == "join"}
    for name, service in made.config.file.service.items():
        wanted = made.pools()[service.pool] if service.pool else [name]
        for missing in (one for one in wanted if one not in names):
            ground.say(("upstream",), "missing-key",
                       f'nothing says how "{missing}" works; add an [[upstream]] for it', True)
    for index, one in enumerate(made.upstreams):
        there = made.pools().get(one.pool or "", [])
        if one.instance is not None and one.instance not in there and one.instance not in joining:
            ground.say(("upstream", index, "instance"), "unknown-reference",
                       f'"{one.instance}" is no instance of the pool and no event lets it join; '
                       + did_you_mean(one.instance, there, what="instance"))


def _term(ground: _Ground, made: Scenario, term: expect.Term, path: Path) -> None:
    names = {
        "": ("",),
        "group": [one.name for one in made.clients],
        "class": CLASSES,
        "service": made.config.services,
        "instance": [name for _, name in made.instances()],
        "tenant": made.config.tenants,
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
        ground.known(term.name, names[term.kind], path, term.kind)
