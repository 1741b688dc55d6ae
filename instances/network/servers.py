"""Servers of different kinds: capacity, speed and power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimbench.instances.network.parameters import Network, ServerClass
from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.instances.sampling.apportionment import apportioned
from slimbench.instances.sampling.uniform import permutation


@dataclass(frozen=True, eq=False)
class Servers:
    """What N servers are.

    Attributes
    ----------
    names : (N,) str
    capacity_shares : (N,) float64
        Mean capacity as a share of the bytes of all experts.
    flop_per_s, power_dbm : (N,) float64
    """

    names: tuple[str, ...]
    capacity_shares: FloatArray
    flop_per_s: FloatArray
    power_dbm: FloatArray


def draw_servers(network: Network, rng: np.random.Generator) -> Servers:
    """Give every server a class: how many of each follows from the shares, which of them is drawn."""
    n = network.servers
    classes = network.classes or (ServerClass(name="edge", share=1),)
    counts = apportioned(n, np.array([c.share for c in classes]))
    ordered = np.repeat(np.arange(len(classes)), counts)
    of = ordered[permutation(rng, n)] if len(classes) > 1 else ordered
    names = [""] * n
    for k, kind in enumerate(classes):
        for number, server in enumerate(np.flatnonzero(of == k)):
            names[server] = f"{kind.name}-{number}"

    def figures(field: str, default: float) -> FloatArray:
        own = [getattr(kind, field) for kind in classes]
        return np.array([default if figure is None else figure for figure in own], np.float64)[of]

    return Servers(
        tuple(names),
        figures("capacity_share", network.capacity_share),
        figures("flop_per_s", network.server_flop_per_s),
        figures("power_dbm", network.server_power_dbm),
    )


def draw_capacities_bytes(
    servers: Servers, spread: float, total_bytes: int, rng: np.random.Generator
) -> IntArray:
    """(N,) int64, uniform in mean * (1 -+ spread); ``total_bytes`` is the size of all experts."""
    factors = 1 + spread * (2 * rng.random(len(servers.names)) - 1)
    shares = np.minimum(servers.capacity_shares * factors, 1.0)
    return np.asarray(np.floor(shares * total_bytes), np.int64)
