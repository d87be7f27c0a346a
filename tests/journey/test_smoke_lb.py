# SPDX-License-Identifier: MIT
"""Load balancing end to end: register instances, health check, select."""
from host_sim.modules.lb import HealthStatus, LoadBalancer


def test_smoke_load_balancing() -> None:
    lb = LoadBalancer()
    pool = lb.register_pool("storage", fall=2)
    ids = [lb.register_instance(pool, f"10.0.1.{i}", 8080) for i in (1, 2, 3)]
    assert lb.health_check(ids[1], False) is HealthStatus.HEALTHY
    assert lb.health_check(ids[1], False) is HealthStatus.UNHEALTHY
    chosen = [lb.select_instance(pool) for _ in range(4)]
    assert [one.instance for one in chosen] == [ids[0], ids[2]] * 2
    for one in chosen:
        assert one.lease is not None
        lb.release(one.lease)
    assert lb.get_connection_count() == 0 and lb.valid() == 0
