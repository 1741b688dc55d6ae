"""Tiny sequences, and their offline optimum by looking at every course of placements."""

from __future__ import annotations

import itertools
import math

import numpy as np
from samples import build, with_fields

from slimbench.instances import Dispatch, Instance, Model, Placement
from slimbench.instances.sequences.sequence import Sequence


def one_server(rates: tuple[float, float], capacity: int = 1, name: str = "t") -> Instance:
    """One server with room for one of two experts of a byte; 0.01 s there, 0.11 s through the cloud."""
    return build(
        dispatch="single",
        capacities=(capacity,),
        models=[Model("toy", layers=1, experts_per_layer=2, top_k=1, expert_bytes=1)],
        edge=[[[0.01]]],
        cloud=[[0.11]],
        activations=[(0, 0, 0, (e,), rate) for e, rate in enumerate(rates)],
        name=name,
    )


def swap(cloud_s_per_byte: float, tokens: float = 100.0) -> Sequence:
    """Two periods: expert 0 is called with rate 0.6 and expert 1 with 0.4, then the other way round."""
    periods = (one_server((0.6, 0.4)), one_server((0.4, 0.6)))
    return Sequence("swap", periods, np.full(2, tokens), cloud_s_per_byte, cloud_s_per_byte)


def random_sequence(seed: int, dispatch: Dispatch, n_periods: int = 3) -> Sequence:
    """Two servers with room for up to two of four experts, two users, pairs; one server may be down."""
    rng = np.random.default_rng(seed)
    groups = [(0,), (1,), (0, 1), (1, 2), (2, 3), (0, 3)]
    capacities = rng.integers(1, 3, 2)
    periods = []
    for t in range(n_periods):
        edge = np.round(rng.uniform(0.01, 0.05, (2, 2, 1)), 3)
        edge[rng.integers(2), rng.integers(2), 0] = math.inf
        down = rng.integers(4)  # 2 and 3: none
        instance = build(
            dispatch=dispatch,
            capacities=tuple(int(c) * int(n != down) for n, c in enumerate(capacities)),
            models=[Model("toy", layers=1, experts_per_layer=4, top_k=2, expert_bytes=1)],
            edge=edge,
            cloud=[[0.1], [0.1]],
            activations=[(u, 0, 0, g, float(np.round(rng.random(), 3))) for u in range(2) for g in groups],
        )
        periods.append(with_fields(instance, name=f"random-t{t}"))
    cloud = float(np.round(rng.uniform(0.0, 4.0), 2))
    return Sequence("random", tuple(periods), np.full(n_periods, 50.0), cloud, round(cloud / 2, 3))


def feasible_placements(instance: Instance) -> list[Placement]:
    """Every placement that fits, full or not."""
    rows = [
        [
            np.array(row, np.bool_)
            for row in itertools.product((False, True), repeat=instance.n_experts)
            if np.dot(row, instance.expert_bytes) <= capacity
        ]
        for capacity in instance.capacities_bytes
    ]
    return [Placement(np.stack(holds)) for holds in itertools.product(*rows)]
