"""Summary of an instance: name, sizes, capacities, latencies."""

from __future__ import annotations

from typing import Any

import numpy as np

from slimbench.instances import Instance
from slimbench.instances.problem.arrays import FloatArray


def facts_of(instance: Instance) -> dict[str, Any]:
    """Name, hash, sizes, capacities, latencies."""
    reachable = instance.edge_latency_s < instance.cloud_latency_s[:, None, :]
    times = instance.edge_latency_s[reachable]
    total = int(instance.expert_bytes.sum())
    return {
        "name": instance.name,
        "sha256": instance.sha256,
        "dispatch": instance.dispatch,
        "servers": instance.n_servers,
        "users": instance.n_users,
        "models": ", ".join(
            f"{m.name} ({m.layers} layers x {m.experts_per_layer} experts, top-{m.top_k}, {m.expert_bytes} B)"
            for m in instance.models
        ),
        "activations": instance.n_activations,
        "capacity_share": (instance.capacities_bytes / total).round(4).tolist(),
        "useful_links": f"{reachable.mean():.1%} of user-server pairs are faster than the cloud",
        "edge_latency_ms": f"{_range_ms(times)} (least, median, greatest of the useful)",
        "cloud_latency_ms": f"{_range_ms(instance.cloud_latency_s)} (least, median, greatest)",
    }


def _range_ms(seconds: FloatArray) -> str:
    """Least, median and greatest, in milliseconds."""
    if not seconds.size:
        return "none"
    return " / ".join(f"{1e3 * t:.3g}" for t in np.quantile(seconds, [0, 0.5, 1]))
