# SPDX-License-Identifier: MIT
"""The obviously correct simulation: a sorted list of what happens when, dictionaries, and one call
of a Kernel for each row. It looks at every request in flight after every row, instead of listening
to the audit. Clients are poisson or closed loops; instances are services without a pool."""

from __future__ import annotations

import heapq
import itertools
from typing import Any

from host_sim.decision import Verdict
from host_sim.kernel import Kernel
from host_sim.modules.resilience import Outcome
from host_sim.simulation import tables
from host_sim.simulation.scenario import Scenario

MASK = (1 << 64) - 1
EVER = 1 << 62
PPM = 1_000_000


class Stream:
    """xoshiro256**, as its authors write it."""

    def __init__(self, seed: int, *words: str) -> None:
        self.s = list(tables.stream(seed, "/".join(words)))

    def draw(self) -> int:
        def turned(x: int, k: int) -> int:
            return (x << k | x >> (64 - k)) & MASK

        s = self.s
        drawn = turned(s[1] * 5 & MASK, 7) * 9 & MASK
        t = s[1] << 17 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = turned(s[3], 45)
        return drawn

    def below(self, bound: int) -> int:
        return self.draw() * bound >> 64


def takes(spec: Any, number: int) -> int:
    """A duration at a 64-bit number."""
    if spec.uniform is not None:
        low, high = spec.uniform
        return low + ((high - low + 1) * (number >> 1) >> 63)
    if spec.exponential is not None:
        return spec.exponential * tables.quantile(tables.exponential(), number) >> 32
    if spec.lognormal is not None:
        return spec.lognormal * tables.quantile(tables.lognormal(spec.sigma), number) >> 32
    return int(spec.constant)


class Job:
    """A request in its client's eyes."""

    def __init__(self, group: Any, user: int | None) -> None:
        self.group, self.user, self.loops = group, user, user is not None
        self.phase, self.id, self.tries, self.stamp = "", 0, 0, 0
        self.work: Work | None = None


class Work:
    """An attempt in an instance's hands."""

    def __init__(self, job: Job, number: int) -> None:
        self.job, self.number, self.status = job, number, 200


class Model:
    """One run; afterwards `kernel` and `count` say what came of it."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        head = scenario.head
        self.scenario, self.now, self.end = scenario, head.start, head.start + head.duration
        self.kernel = Kernel(seed=tables.seed_bytes(seed), config=scenario.config)
        self.ids, self.turns = itertools.count(1), itertools.count()
        self.agenda: list[Any] = []
        self.told: list[tuple[Job, int]] = []
        self.inside: dict[int, Job] = {}
        self.count = dict.fromkeys(("requests", "ok", "gave_up", "timeouts", "cancelled"), 0)
        self.streams = {(one.name, what): Stream(seed, "client", one.name, what)
                        for one in scenario.clients for what in ("arrivals", "mix", "again")}
        self.ups = {name: {"spec": one, "busy": 0, "line": [], "hung": [], "trouble": "recover",
                           "times": Stream(seed, "upstream", name, "times"),
                           "faults": Stream(seed, "upstream", name, "faults"), "factor": 1}
                    for one, name in scenario.instances()}

    def plan(self, at: int, what: Any, *args: Any) -> None:
        heapq.heappush(self.agenda, (max(at, self.now), next(self.turns), what, args))

    def run(self) -> Model:
        self.kernel.tick(self.now)
        for event in self.scenario.events:
            self.plan(self.now + event.at, self.trouble, event)
        for group in self.scenario.clients:
            if group.arrivals.clients is None:
                self.plan_arrival(group)
                continue
            for user in range(group.arrivals.clients.count):
                job = Job(group, user % group.users)
                self.plan(self.now + self.thought(group), self.wake, job, job.stamp)
        while self.agenda:
            self.now, _, what, args = heapq.heappop(self.agenda)
            what(*args)
            while self.told:
                self.hear(*self.told.pop(0))
        self.kernel.settle()
        return self

    # -- clients --
    def thought(self, group: Any) -> int:
        return takes(group.arrivals.clients.think, self.streams[group.name, "arrivals"].draw())

    def plan_arrival(self, group: Any) -> None:
        rate = group.arrivals.poisson
        gap = (rate.period_ns << 16) // rate.count
        ones = tables.quantile(tables.exponential(), self.streams[group.name, "arrivals"].draw())
        at = self.now + (gap * ones >> 48)
        if at < self.end:
            self.plan(at, self.arrive, group)

    def arrive(self, group: Any) -> None:
        self.plan_arrival(group)
        self.begin(Job(group, None))

    def wake(self, job: Job, stamp: int) -> None:
        if job.stamp == stamp and self.now < self.end:
            self.begin(job)

    def begin(self, job: Job) -> None:
        mix, paths = self.streams[job.group.name, "mix"], job.group.paths
        job.path = paths[0]
        if len(paths) > 1:
            share = mix.below(sum(one.share for one in paths))
            for job.path in paths:
                if share < job.path.share:
                    break
                share -= job.path.share
        if not job.loops:
            job.user = mix.below(job.group.users) if job.group.users > 1 else 0
        job.tries = 0
        self.count["requests"] += 1
        self.attempt(job)

    def attempt(self, job: Job) -> None:
        group, job.tries = job.group, job.tries + 1
        job.leave = self.now + group.patience if group.patience else EVER
        job.id, fields = next(self.ids), {}
        if group.user is not None:
            fields["user"] = group.user.replace("{n}", str(job.user + 1))
        if group.tenant is not None:
            fields["tenant"] = group.tenant
        if group.class_ is not None:
            fields["priority"] = self.scenario_class(group.class_)
        said = self.kernel.admit(job.path.path, at_ns=self.now, id=job.id, **fields)
        job.service = said.service
        self.look()
        if said.verdict not in (Verdict.ALLOW, Verdict.DELAY):
            self.tell(job, said.http_status, said.retry_after_ns)
            return
        self.inside[job.id], job.decision = job, said.id
        if said.queued:
            job.phase, job.stamp = "queued", job.stamp + 1
            due = self.kernel.request(job.id).due_ns
            self.plan(min(due, job.leave), self.waits, job, job.stamp)
        else:
            self.go(job, said)

    @staticmethod
    def scenario_class(word: str) -> int:
        return ("critical", "high", "normal", "low", "batch").index(word)

    def tell(self, job: Job, status: int, retry_after: int = 0) -> None:
        self.inside.pop(job.id, None)
        job.phase, job.work, job.stamp = "told", None, job.stamp + 1
        self.told.append((job, status if retry_after == 0 else status | retry_after << 16))

    def hear(self, job: Job, said: int) -> None:
        status, retry_after = said & 0xFFFF, said >> 16
        if job.phase == "answered":
            self.complete(job, status)
            return
        if 0 < status < 400:
            self.count["ok"] += 1
        else:
            wait = self.wait(job, status, retry_after)
            if wait is not None:
                job.phase, job.stamp = "again", job.stamp + 1
                self.plan(self.now + wait, self.again, job, job.stamp)
                return
            self.count["gave_up"] += 1
        if job.loops:
            job.phase, job.stamp = "thinks", job.stamp + 1
            self.plan(self.now + max(self.thought(job.group), 1000), self.wake, job, job.stamp)

    def again(self, job: Job, stamp: int) -> None:
        if job.stamp == stamp:
            self.attempt(job)

    def wait(self, job: Job, status: int, retry_after: int) -> int | None:
        again = job.group.again
        helps = status in (0, 429) or status >= 500
        if again is None or job.tries >= again.tries or not helps:
            return None
        if again.how == "honour" and retry_after:
            return -(-retry_after // 10**9) * 10**9 if retry_after <= again.longest else None
        if again.how != "back-off":
            return int(again.delay)
        most = min(again.delay << (job.tries - 1), again.longest)
        return self.streams[job.group.name, "again"].below(most) + 1

    # -- the gateway --
    def look(self, but: Job | None = None) -> None:
        """Who is in the core no more, though nobody said so; several in the order of the audit."""
        gone = [job for job in self.inside.values()
                if job is not but and self.kernel.request(job.id) is None]
        if len(gone) > 1:
            ends = [record["before"] for record in self.kernel.audit(256)]
            gone.sort(key=lambda job: ends.index(job.decision))
        for job in gone:
            self.tell(job, 503 if job.phase == "queued" else 504)

    def waits(self, job: Job, stamp: int) -> None:
        if job.stamp != stamp or job.phase != "queued":
            return
        if job.leave <= self.now:
            self.cancel(job)
            return
        self.kernel.tick(self.now)
        self.look()
        self.pump(job.service)

    def cancel(self, job: Job) -> None:
        self.kernel.cancel(job.id, at_ns=self.now)
        self.look(job)
        self.count["cancelled"] += 1
        self.tell(job, 499)
        self.pump(job.service)

    def pump(self, service: str) -> None:
        while any(one.phase == "queued" and one.service == service
                  for one in self.inside.values()):
            said = self.kernel.dispatch(service=service, at_ns=self.now)
            job = self.inside.get(said.request)
            self.look(job)
            if said.verdict == Verdict.NONE:
                return
            assert job is not None
            if said.verdict == Verdict.SENT:
                self.go(job, said)
            else:
                self.tell(job, said.http_status, said.retry_after_ns)

    def go(self, job: Job, said: Any) -> None:
        job.stamp += 1
        file = self.scenario.config.file.service[job.service]
        job.give_up = self.now + (said.timeout_ns or file.timeout) - 1
        self.carry(job)

    def complete(self, job: Job, status: int, outcome: int = 0) -> None:
        if status == 0 and outcome == 0:
            outcome = Outcome.CONNECTION
        size = job.path.bytes if 0 < status < 500 else 0
        said = self.kernel.complete(job.id, at_ns=self.now, http_status=status, outcome=outcome,
                                    response_bytes=size)
        self.look(job)
        if said.verdict == Verdict.RETRY:
            job.phase, job.stamp = "retries", job.stamp + 1
            self.plan(min(said.start_at_ns, job.leave), self.retry, job, job.stamp)
        else:
            good = 0 < status < 500
            self.tell(job, status or 504, 0 if good else said.retry_after_ns)
        self.pump(job.service)

    def retry(self, job: Job, stamp: int) -> None:
        if job.stamp != stamp:
            return
        if job.leave <= self.now:
            self.cancel(job)
            return
        self.kernel.tick(self.now)
        if self.kernel.request(job.id) is None:
            self.look()
            return
        said = self.kernel.dispatch(job.id, at_ns=self.now)
        self.look(job)
        if said.verdict == Verdict.SENT:
            self.go(job, said)
        else:
            self.tell(job, said.http_status, said.retry_after_ns)
        self.pump(job.service)

    def given_up(self, job: Job, stamp: int) -> None:
        if job.stamp != stamp:
            return
        if job.leave < job.give_up:
            self.cancel(job)
            return
        self.count["timeouts"] += 1
        self.complete(job, 0, Outcome.TIMEOUT)

    # -- instances --
    def carry(self, job: Job) -> None:
        up, spec = self.ups[job.service], self.ups[job.service]["spec"]
        refused = up["trouble"] == "refuse" or (
            spec.refuse > 0 and up["faults"].below(PPM) < spec.refuse)
        if refused or (up["busy"] >= spec.concurrent and len(up["line"]) >= spec.queue):
            job.phase = "answered"
            self.told.append((job, 0 if refused else 503))
            return
        job.phase = "sent"
        job.work = work = Work(job, job.id)
        self.plan(min(job.give_up, job.leave), self.given_up, job, job.stamp)
        if up["busy"] < spec.concurrent:
            self.work(up, work)
        else:
            up["line"].append(work)

    def work(self, up: Any, work: Work) -> None:
        spec = up["spec"]
        time = takes(spec.time, up["times"].draw())
        wrong = spec.errors > 0 and up["faults"].below(PPM) < spec.errors
        up["busy"] += 1
        if up["trouble"] == "hang":
            up["hung"].append(work)
            return
        if wrong or up["trouble"] == "fail":
            work.status = spec.status
        self.plan(self.now + time * up["factor"], self.finish, up, work)

    def finish(self, up: Any, work: Work) -> None:
        up["busy"] -= 1
        while up["busy"] < up["spec"].concurrent and up["line"]:
            self.work(up, up["line"].pop(0))
        if work.job.work is work and work.job.id == work.number and work.job.phase == "sent":
            work.job.work = None
            self.complete(work.job, work.status)

    def trouble(self, event: Any) -> None:
        up = self.ups[event.instance]
        up["trouble"] = event.does
        up["factor"] = event.factor if event.does == "slow" else 1
        if event.does != "hang":
            for work in reversed(up["hung"]):
                self.plan(self.now, self.finish, up, work)
            up["hung"] = []
