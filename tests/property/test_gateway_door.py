# SPDX-License-Identifier: MIT
"""gateway: whatever its caller does in whatever order, the door sends nothing that was not
dispatched, answers every request once, and holds what the core holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host_sim.modules.gateway import ApiRequest, ApiResponse, DispatchRecord, Outcome, QueuedRequest
from tests.doors import ITEM, S, answered, item, opened

ASKS = [item(), item(idempotent=True), item(b"{}"), ApiRequest("GET", "/slow"),
        ApiRequest("GET", "/page/1"), ApiRequest("GET", "/nowhere")]  # fmt: skip
acts = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, len(ASKS) - 1)),
    st.tuples(st.just("answer"), st.sampled_from([200, 404, 503])),
    st.tuples(st.just("fail"), st.sampled_from([2, 3])),
    st.tuples(st.just("pass"), st.sampled_from([0, 1, 20_000_000, S // 4, S])),
)


@given(script=st.lists(acts, max_size=40))
def test_every_request_is_answered_once_and_sent_only_when_dispatched(
    script: list[tuple[str, int]],
) -> None:
    gateway, kernel = opened()
    sent: dict[int, DispatchRecord] = {}
    waits: set[int] = set()
    answered_count, now = 0, S

    def take(id: int, turn: ApiResponse | DispatchRecord | QueuedRequest) -> None:
        nonlocal answered_count
        if isinstance(turn, DispatchRecord):
            flight = kernel.request(turn.request_id)
            assert flight is not None and flight.stage == "sent" and id not in sent
            assert turn.start_at_ns + turn.timeout_ns >= flight.due_ns > kernel.tick(0)
            assert turn.body in (ITEM, b"")
            sent[id] = turn
            waits.discard(id)
        elif isinstance(turn, QueuedRequest):
            flight = kernel.request(turn.request_id)
            assert flight is not None and flight.stage in ("waits", "again")
            waits.add(id)
        else:
            answered_count += 1
            waits.discard(id)

    asked = 0
    for act, value in script:
        if act == "ask":
            asked += 1
            turn = gateway.dispatch_request(ASKS[value])
            id = 0 if isinstance(turn, ApiResponse) else turn.request_id
            take(id, turn)
        elif act in ("answer", "fail") and sent:
            id, record = sent.popitem()
            what = answered(status=value) if act == "answer" else Outcome(value)
            take(id, gateway.complete_request(record, what))
        elif act == "pass":
            now += value
            for id, turn in gateway.dispatch_queued(now_ns=now).items():
                assert id in waits
                take(id, turn)
        assert kernel.valid() == 0
        assert asked == answered_count + len(sent) + len(waits)
    now += 60 * S
    for id, turn in gateway.dispatch_queued(now_ns=now).items():
        take(id, turn)
    for record in sent.values():                # too late: their time is over
        turn = gateway.complete_request(record, answered())
        assert isinstance(turn, ApiResponse) and turn.status == 504
        answered_count += 1
    assert (answered_count, waits, kernel.stats()["inflight_count"]) == (asked, set(), 0)
